"""The clients' HTTP sessions: they follow no redirects, keep no cookies and copy no bodies."""

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
    """aiobotocore's session, with unsafe defaults of it and of aiohttp turned off.

    aiohttp follows redirects, which sends body and session token to any host that a response names,
    and repeats a request if a connection breaks. Here a redirect is an ordinary response, each
    request is made once, and a success does not count before its body was sent.

    aiobotocore 2.25 does not verify host names, and behind a proxy or with an empty AWS_CA_BUNDLE
    it does not verify certificates either; here both are always verified.

    All sessions on the way to S3 are of this kind, including those to the services that provide
    credentials (`chain`).

    Args:
        options: aiobotocore's.
        authorities: a PEM file of authorities to trust besides those in the options.
        keep_secret: called with each password of a proxy.

    Attributes:
        rate: limits how fast bodies are written after their first slices; None for no limit. Set it
            before the first request.
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
        # An empty AWS_CA_BUNDLE would turn verification off, which must not happen.
        verified = {"verify": options.get("verify") or True}
        super().__init__(proxies_by=self._proxies, **options | verified)

    def proxy_for(self, url: str) -> str | None:
        """Return the address of the proxy for a URL; None if it needs none.

        Raises:
            UsageError: the proxy's address can't be used.
        """
        return self._proxies.proxy_url_for(url)

    async def send(self, request: Any) -> Any:
        """Do as aiobotocore's session, but report an unusable proxy as such."""
        self.proxy_for(request.url)
        return await super().send(request)

    def make_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:  # noqa: ARG002  # see below
        """Return a connector whose connections all have the same TLS context."""
        # Made as if without a proxy: with a proxy, aiobotocore would omit the TLS context.
        return super().make_connector(None)

    def make_tls(self) -> ssl.SSLContext:
        """Return a TLS context that verifies the host name, too."""
        # botocore turns this off because urllib3 compares the host name itself. aiohttp does not,
        # so any trusted certificate would be accepted for any host.
        context = super().make_tls()
        context.check_hostname = True
        if self._authorities is not None:
            context.load_verify_locations(self._authorities)
        return context

    def wrap_requests(self, session: aiohttp.ClientSession) -> _DirectRequests:
        """Return an object that makes requests with one response each."""
        return _DirectRequests(session, self.rate)


class DirectSession(StrictSession):
    """The session of the client that sends to S3. For plain HTTP it reads no CA bundle.

    Attributes:
        plain: the endpoint is HTTP; set it before the first request. An HTTPS request would then
            still be verified, by the default TLS context.
    """

    plain = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pools: dict[str, ConnectionPool] = {}
        self._tls: ssl.SSLContext | None = None

    @property
    def bundle(self) -> Path | None:
        """The configured CA bundle; None for botocore's own."""
        return Path(self.verify) if isinstance(self.verify, str) else None

    def uses_proxy(self, url: str) -> bool:
        """Return whether requests to a URL go through a proxy."""
        return self.proxy_for(url) is not None

    async def request(
        self, method: str, origin: str, target: str, headers: Mapping[str, str], body: memoryview
    ) -> Reply:
        """Send a signed PUT or HEAD, with the client's trust settings and without a proxy.

        Args:
            method: `PUT` or `HEAD`.
            origin: scheme, host and port.
            target: path and query, percent-encoded; sent unchanged.
            headers: all headers except Content-Length.
            body: not read any more after the return.

        Raises:
            StoreRefused: a header can't be sent.
            OSError: there was no response.
            ValueError: the response is malformed.
        """
        pool = self._pools.get(origin) or await self._open_pool(origin)
        head = make_head(method, target, headers, len(body))
        return await pool.send(head, body, bodiless=method == "HEAD")

    async def _open_pool(self, origin: str) -> ConnectionPool:
        parts = urlsplit(origin)
        tls = await self.open_tls() if parts.scheme == "https" else None
        assert parts.hostname is not None
        pool = ConnectionPool(parts.hostname, parts.port or (443 if tls else 80), tls, self.rate)
        # A concurrent request may have opened one.
        return self._pools.setdefault(origin, pool)

    async def __aexit__(self, *exception: object) -> None:
        try:
            for pool in self._pools.values():
                await pool.close()
            self._pools.clear()
        finally:
            await super().__aexit__(*exception)

    async def open_tls(self) -> ssl.SSLContext:
        """Return the TLS context of the client's connector, with its CA bundle and certificate."""
        await self.open_requests(None)
        return self._tls or ssl.create_default_context()

    def make_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
        """Return a connector; without TLS if neither endpoint nor proxy uses it."""
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
        try:
            response = await self._session.request(
                method, data=payload, allow_redirects=False, **options
            )
        except BaseException:
            # aiohttp closes the connection only when all is sent, which the server may never read.
            payload.abort()
            raise
        if payload.is_sent():
            return BoundedAnswer(response)
        if 200 <= response.status < 300:
            response.close()
            payload.abort()
            raise AnsweredEarly(response.status)
        # An error may arrive before the whole body was sent; the rest must not follow it.
        return BoundedAnswer(response, end=payload.abort)
