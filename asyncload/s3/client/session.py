"""The HTTP sessions below the clients: they follow no redirect, keep no cookie, copy no body."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from asyncload.s3.answers import BoundedAnswer
from asyncload.s3.client.body import ViewBody, ViewPayload
from asyncload.s3.fast.connection import ConnectionPool, Reply
from asyncload.s3.fast.headers import make_head
from asyncload.s3.fast.sockets import AnsweredEarly
from asyncload.s3.hooks.http_session import HttpSession
from asyncload.s3.proxies import Proxies
from asyncload.store.rates import RateLimit


class StrictSession(HttpSession):
    """aiobotocore's session, with what it and aiohttp do by default turned off.

    aiohttp follows a redirect by sending body and session token to whatever host the answer
    names, and sends a request again where a connection broke. Here a redirect is an answer like
    any other, each request is made once, and no success counts before its body was sent.

    aiobotocore 2.25 checks no server's host name, behind a proxy or with an empty AWS_CA_BUNDLE
    not even its certificate; here both are checked always.

    Every session that is made on the way to S3 is one of these: those of the services that hand
    out credentials, too (`chain`).

    Args:
        options: aiobotocore's.
        authorities: a PEM file of authorities to trust besides those that the options name.
        keep_secret: is told of each password of a proxy.

    Attributes:
        rate: how fast bodies are written, behind their first slices; None for any. To be set before
            the first request.
    """

    rate: RateLimit | None = None

    def __init__(
        self,
        *,
        authorities: Path | None = None,
        keep_secret: Callable[[str], None] = lambda _: None,
        **options: Any,
    ) -> None:
        self._authorities = authorities
        self._proxies = Proxies(options.get("proxies"), keep_secret)
        # An empty AWS_CA_BUNDLE would turn verification off; nothing is to do that.
        verified = {"verify": options.get("verify") or True}
        super().__init__(proxies_by=self._proxies, **options | verified)

    def proxy_for(self, url: str) -> str | None:
        """Return the address of the proxy that a request goes through; None for none.

        Raises:
            UsageError: it can't be used.
        """
        return self._proxies.proxy_url_for(url)

    async def send(self, request: Any) -> Any:
        """Do as aiobotocore's session; an unusable proxy is not taken for a failure to send."""
        self.proxy_for(request.url)
        return await super().send(request)

    def make_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:  # noqa: ARG002  # see below
        """Return what makes connections, all with the same TLS context."""
        # Made as for no proxy: for a proxy's sake it would go without a TLS context.
        return super().make_connector(None)

    def make_tls(self) -> ssl.SSLContext:
        """Return a TLS context that compares the host's name, too."""
        # botocore turns this off because urllib3 compares the host's name by itself: aiohttp does
        # not, and any trusted certificate would do for any host.
        context = super().make_tls()
        context.check_hostname = True
        if self._authorities is not None:
            context.load_verify_locations(self._authorities)
        return context

    def wrap_requests(self, session: aiohttp.ClientSession) -> _DirectRequests:
        """Return what makes requests of one answer each."""
        return _DirectRequests(session, self.rate)


class DirectSession(StrictSession):
    """The session of the client that sends to S3. For plain HTTP it reads no CA bundle.

    Attributes:
        plain: the endpoint is known to be HTTP; to be set before the first request. An HTTPS
            request would then still be verified, by the default TLS context.
    """

    plain = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pools: dict[str, ConnectionPool] = {}
        self._tls: ssl.SSLContext | None = None

    @property
    def bundle(self) -> Path | None:
        """The CA bundle that was asked for; None for botocore's own."""
        return Path(self.verify) if isinstance(self.verify, str) else None

    def uses_proxy(self, url: str) -> bool:
        """Whether requests to a URL go through a proxy."""
        return self.proxy_for(url) is not None

    async def request(
        self, method: str, origin: str, target: str, headers: Mapping[str, str], body: memoryview
    ) -> Reply:
        """Send a signed PUT or HEAD, with the client's trust, and past any proxy.

        Args:
            method: `PUT` or `HEAD`.
            origin: scheme, host and port.
            target: path and query, percent-encoded; they are sent as they are.
            headers: all that the request is to have, but for Content-Length.
            body: is not read any more once this returned.

        Raises:
            StoreRefused: a header can't be sent.
            OSError: there was no answer.
            ValueError: the answer makes no sense.
        """
        pool = self._pools.get(origin) or await self._open_pool(origin)
        head = make_head(method, target, headers, len(body))
        return await pool.send(head, body, bodiless=method == "HEAD")

    async def _open_pool(self, origin: str) -> ConnectionPool:
        parts = urlsplit(origin)
        tls = None
        if parts.scheme == "https":
            # Made with the client's connections: it has their CA bundle and certificate.
            await self.open_requests(None)
            tls = self._tls or ssl.create_default_context()
        assert parts.hostname is not None
        pool = ConnectionPool(parts.hostname, parts.port or (443 if tls else 80), tls, self.rate)
        # Another request may have been as early.
        return self._pools.setdefault(origin, pool)

    async def __aexit__(self, *exception: object) -> None:
        try:
            for pool in self._pools.values():
                await pool.close()
            self._pools.clear()
        finally:
            await super().__aexit__(*exception)

    def make_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
        """Return what makes connections; without TLS where neither end nor proxy speaks it."""
        if self.plain and not (proxy_url or "").startswith("https:"):
            return self.make_plain_connector()
        return super().make_connector(proxy_url)

    def make_tls(self) -> ssl.SSLContext:
        """Return a TLS context, and keep it for the fast lane."""
        self._tls = super().make_tls()
        return self._tls


class _DirectRequests:
    def __init__(self, session: aiohttp.ClientSession, rate: RateLimit | None) -> None:
        self._session = session
        self._rate = rate

    async def request(self, method: str, *, data: Any = None, **options: Any) -> BoundedAnswer:
        if not isinstance(data, ViewBody):
            return BoundedAnswer(
                await self._session.request(method, data=data, allow_redirects=False, **options)
            )
        payload = ViewPayload(data.view, self._rate)
        response = await self._session.request(
            method, data=payload, allow_redirects=False, **options
        )
        if payload.is_sent():
            return BoundedAnswer(response)
        if 200 <= response.status < 300:
            response.close()
            payload.abort()
            raise AnsweredEarly(response.status)
        # An error is an answer all the same; what is left of the body must not follow it.
        return BoundedAnswer(response, end=payload.abort)
