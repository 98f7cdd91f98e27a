"""Request answers of an API by aiohttp: whole, bounded, retried, and by the address given only."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
from yarl import URL

from asyncload.errors import (
    AnswerDamaged,
    AnswerTooLarge,
    ApiError,
    ApiRefused,
    ApiThrottled,
    ApiUnavailable,
    TokenRejected,
    chain_of,
)
from asyncload.model.http_dates import read_retry_after
from asyncload.source.web.pace import Pace
from asyncload.source.web.paging import next_link
from asyncload.store.retries import RetryPolicy

RETRIES = RetryPolicy(attempts=6, max_asked_wait=float("inf"))
"""An API is asked less often than a store: it may count each request."""

# From the request to the end of its answer.
_TIMEOUT_SECONDS = 120.0
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 30.0
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
# Of an answer with an error, as much as a message may need.
_MAX_ERROR = 16 * 1024
_MIB = 1024 * 1024
# A request has been refused for long after so many times, or if it is to wait for so many seconds.
_MANY_REFUSALS = 5
_LONG_WAIT = 10.0


class Answer(NamedTuple):
    """An answer, as it was received and after its content encoding was removed.

    `url` is its address; `document` the parsed body; `link` the address of the next page that its
    header names, or "". `received` is the time in nanoseconds since 1970.
    """

    body: bytes
    document: Any
    url: str
    status: int
    content_type: str
    etag: str
    link: str
    received: int


@dataclass(slots=True)
class WebTraffic:
    """Counts requests to an API, and how many of them were retries.

    `is_told`: it was said that the API lets requests wait.
    """

    requests: int = 0
    retries: int = 0
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class WebClient:
    """Makes requests to one API.

    Args:
        session: makes the connections; follows no redirects by itself, and keeps no cookies.
        base_url: the address that paths are below.
        headers: sent with each request; they hold the token.
        pace: when a request may start.
        redact: removes secrets from texts of the API.
        may_start: called before each attempt; raises an error that ends the run.
        max_size: the maximum size of an answer, in bytes.
        retries: when to try again.
        proxy_for: returns the address of the proxy for an address; None for none.
        tell_throttled: called once, with the error, if the API lets a request wait for long.
        sleep, draw: wait for a number of seconds; return random numbers from 0 to 1.
    """

    session: aiohttp.ClientSession
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    pace: Pace
    redact: Callable[[object], str]
    may_start: Callable[[], None]
    max_size: int
    retries: RetryPolicy = RETRIES
    proxy_for: Callable[[str], str | None] = lambda _: None
    tell_throttled: Callable[[ApiError], None] = lambda _: None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[], float] = random.random
    traffic: WebTraffic = field(default_factory=WebTraffic)

    def url_of(self, target: str) -> str:
        """Return the address of a path below the base address, or of a link's target.

        Raises:
            ApiRefused: a link leads to another host.
        """
        if not target.startswith(("http://", "https://", "/")):
            return f"{self.base_url.rstrip('/')}/{target}"
        url = _resolve(self.base_url, target)
        self._check_origin(url, "a link to the next page")
        return url

    async def fetch(self, target: str) -> Answer:
        """Return the answer to a request, which is valid JSON.

        Raises:
            TokenRejected: the token is missing, wrong or expired.
            ApiRefused: the API rejects this request; its `status` says how.
            AnswerDamaged, AnswerTooLarge: the answer can't be used.
            ApiUnavailable: there was no answer, after all retries.
        """
        url = self.url_of(target)
        clock = asyncio.get_running_loop().time
        begun, tries, throttled = clock(), 0, 0
        while True:
            try:
                return await self._attempt(url)
            except ApiError as error:
                tries += 1
                throttled += error.throttled
                wait = self.retries.next_wait(
                    error,
                    tries=tries,
                    throttled=throttled,
                    elapsed=clock() - begun,
                    draw=self.draw(),
                )
                if wait is None:
                    raise
                if throttled >= _MANY_REFUSALS or (error.throttled and wait >= _LONG_WAIT):
                    self._tell(error)
                self.may_start()
                if error.retry_after:
                    self.pace.pause(error.retry_after)
                self.traffic.retries += 1
            await self.sleep(wait)

    def _tell(self, error: ApiError) -> None:
        if not self.traffic.is_told:
            self.traffic.is_told = True
            self.tell_throttled(error)

    async def _attempt(self, url: str) -> Answer:
        for _ in range(_MAX_REDIRECTS + 1):
            self.may_start()
            await self.pace.turn()
            self.may_start()
            self.traffic.requests += 1
            try:
                found = await self._request(url)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise self._no_answer(error) from error
            if isinstance(found, Answer):
                return found
            url = _resolve(url, found)
            self._check_origin(url, "a redirect")
        raise ApiRefused(
            f"the API redirected the request more than {_MAX_REDIRECTS} times",
            hint="check the address of the API",
        )

    async def _request(self, url: str) -> Answer | str:
        """Make one request; return the answer, or the address of a redirect."""
        async with self.session.get(
            # As it is: otherwise aiohttp would decode and encode it again.
            URL(url, encoded=True),
            headers=self.headers,
            allow_redirects=False,
            proxy=self.proxy_for(url),
        ) as response:
            status = response.status
            if status in _REDIRECTS and (location := response.headers.get("Location")):
                return str(location)
            if status != 200:
                raise await self._error(response)
            body = await _read(response, self.max_size)
            received = time.time_ns()
            headers = response.headers
            link = next_link(", ".join(headers.getall("Link", ())))
            return Answer(
                body,
                parse(body),
                url,
                status,
                headers.get("Content-Type", ""),
                headers.get("ETag", ""),
                _resolve(url, link) if link else "",
                received,
            )

    async def _error(self, response: aiohttp.ClientResponse) -> ApiError:
        status = response.status
        headers = {name.lower(): value for name, value in response.headers.items()}
        asked = read_retry_after(headers, time.time())
        said = self.redact(_message_of(await _begin_of(response)))
        message = f"the API answered HTTP {status}{f': {said}' if said else ''}"
        if status == 401:
            return TokenRejected(message, status=status, hint="check the token (--token)")
        if status == 429:
            return ApiThrottled(
                message, status=status, retry_after=asked, hint="use a lower --rate, or run later"
            )
        if status >= 500 or status in (408, 425):
            return ApiUnavailable(
                message,
                status=status,
                retry_after=asked,
                hint="run again later with the same --date to collect the rest",
            )
        return ApiRefused(message, status=status, hint="check the query and the address of the API")

    def _no_answer(self, error: BaseException) -> ApiError:
        if isinstance(error, aiohttp.ClientPayloadError):
            return AnswerDamaged("the answer was cut off", hint="run again")
        for link in chain_of(error):
            if isinstance(link, ssl.SSLCertVerificationError):
                return ApiRefused(
                    f"the certificate of the API is not trusted: {self.redact(link)}",
                    hint="--ca-bundle names the certificates of your own authority",
                )
        why = self.redact(error) or type(error).__name__
        what = "in time" if isinstance(error, TimeoutError) else f"({why})"
        return ApiUnavailable(
            f"no answer from the API {what}",
            hint="check the network, the proxy settings and the address of the API",
        )

    def _check_origin(self, url: str, what: str) -> None:
        ours, theirs = urlsplit(self.base_url), urlsplit(url)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise ApiRefused(
                f"{what} leads to another host, {self.redact(theirs.hostname)!r}: it is not "
                "followed, because the token must not be sent there",
                hint="check the address of the API",
            )


def _resolve(url: str, target: str) -> str:
    """Return the address that a redirect or a link leads to, in ASCII.

    Raises:
        ApiRefused: it is not a valid address.
    """
    try:
        resolved = urljoin(url, target)
        # Checked here, because it is split later.
        urlsplit(resolved)
    except ValueError as error:
        raise ApiRefused(
            "the API gave an invalid address for a redirect or for the next page",
            hint="check the address of the API",
        ) from error
    return quote(resolved, safe="%/:?#[]@!$&'()*+,;=-._~", errors="surrogateescape")


def parse(body: bytes) -> Any:
    """Return parsed JSON.

    Raises:
        AnswerDamaged: it is not valid JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AnswerDamaged(
            "the answer is not valid JSON", hint="run again; check the address of the API"
        ) from error


@asynccontextmanager
async def open_session(
    connections: int, tls: ssl.SSLContext, user_agent: str
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session for a `WebClient`: it keeps no cookies and does not decode bodies."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            _TIMEOUT_SECONDS, sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS
        ),
        # Decoded here, within the limit on the size: a small body may become a huge one.
        auto_decompress=False,
        headers={
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        },
    ) as session:
        yield session


async def _read(response: aiohttp.ClientResponse, max_size: int) -> bytes:
    """Return the body without its content encoding.

    Raises:
        AnswerTooLarge: it is larger than `max_size`.
        AnswerDamaged: its encoding is broken, or unknown.
    """
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip"):
        raise AnswerDamaged(f"the answer has the unknown content encoding {coding[:20]!r}")
    # 31: the window of zlib with the header and the checksum of gzip.
    inflate = None if coding == "identity" else zlib.decompressobj(31)
    body = bytearray()
    async for piece in response.content.iter_any():
        if inflate is None:
            body += piece
        else:
            try:
                body += inflate.decompress(piece, max_size + 1 - len(body))
            except zlib.error as error:
                raise AnswerDamaged("the answer's gzip encoding is broken") from error
        if len(body) > max_size:
            response.close()
            raise AnswerTooLarge(
                f"the answer is larger than {max_size // _MIB} MiB",
                hint="use --max-answer to allow larger answers",
            )
    if inflate is not None and not inflate.eof:
        raise AnswerDamaged("the answer was cut off")
    return bytes(body)


async def _begin_of(response: aiohttp.ClientResponse) -> bytes:
    """Return the first bytes of an error's body; none if it can't be read."""
    if "Content-Encoding" in response.headers:
        return b""
    try:
        return await response.content.read(_MAX_ERROR)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return b""


def _message_of(body: bytes) -> str:
    """Return the message of an error's body, if it has the usual form; else nothing."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if isinstance(document, dict):
        for name in ("status_message", "message", "error_description", "error", "detail", "title"):
            if isinstance(document.get(name), str):
                return str(document[name])
    return ""
