"""The HTTP session below the client: follows no redirect, keeps no cookie, copies no body."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from yarl import URL

from asyncload.s3.body import ViewBody, ViewPayload
from asyncload.s3.wire import Reply, WirePool


class _Proxy(NamedTuple):
    url: str
    headers: Mapping[str, str]


class DirectSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore is untyped
    """aiobotocore's session, with what aiohttp does by default turned off.

    aiohttp follows a redirect by sending body and session token to whatever host the answer
    names. Here a redirect is an answer like any other.

    aiobotocore 2.25 checks no server's host name, behind a proxy or with an empty AWS_CA_BUNDLE
    not even its certificate; here both are checked always. For plain HTTP no CA bundle is read.

    Attributes:
        plain: the endpoint is known to be HTTP; to be set before the first request. An HTTPS
            request would then still be verified, by the default TLS context.
    """

    plain = False

    def __init__(self, **options: Any) -> None:
        # An empty AWS_CA_BUNDLE would turn verification off; nothing is to do that.
        super().__init__(**options | {"verify": options.get("verify") or True})
        self._routes: dict[str, _Proxy | WirePool] = {}
        self._tls: ssl.SSLContext | None = None

    @property
    def bundle(self) -> Path | None:
        """The CA bundle that was asked for; None for botocore's own."""
        return Path(self._verify) if isinstance(self._verify, str) else None

    async def put(
        self, origin: str, target: str, headers: Mapping[str, str], body: memoryview
    ) -> Reply:
        """Send a signed PUT, with the client's trust and through its proxy where it has one.

        Args:
            origin: scheme, host and port.
            target: path and query, percent-encoded; they are sent as they are.
            headers: all that the request is to have, but for Content-Length.
            body: is not read any more once this returned.

        Raises:
            OSError, aiohttp.ClientError, TimeoutError: there was no answer.
        """
        route = self._routes.get(origin) or await self._find_route(origin)
        if isinstance(route, _Proxy):
            return await self._put_through(route, f"{origin}{target}", headers, body)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"PUT {target} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        return await route.put(head.encode(), body)

    async def _find_route(self, origin: str) -> _Proxy | WirePool:
        proxy = self._proxy_config.proxy_url_for(origin)
        if proxy is not None:
            self._routes[origin] = _Proxy(proxy, self._proxy_config.proxy_headers_for(origin))
        else:
            parts = urlsplit(origin)
            tls = None
            if parts.scheme == "https":
                # Made with the client's connections: it has their CA bundle and certificate.
                await self._get_session(None)
                tls = self._tls or ssl.create_default_context()
            assert parts.hostname is not None
            pool = WirePool(parts.hostname, parts.port or (443 if tls else 80), tls)
            # Another put may have been as early.
            self._routes.setdefault(origin, pool)
        return self._routes[origin]

    async def _put_through(
        self, proxy: _Proxy, url: str, headers: Mapping[str, str], body: memoryview
    ) -> Reply:
        requests = await self._get_session(proxy.url)
        response = await requests.request(
            "PUT",
            url=URL(url, encoded=True),
            headers=headers,
            data=ViewBody(body),
            proxy=proxy.url,
            proxy_headers=proxy.headers,
        )
        async with response:
            await response.read()
            return Reply(response.status, response.headers)

    async def __aexit__(self, *exception: object) -> None:
        try:
            for route in self._routes.values():
                if isinstance(route, WirePool):
                    await route.close()
            self._routes.clear()
        finally:
            await super().__aexit__(*exception)

    def _create_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
        if self.plain and proxy_url is None:
            return aiohttp.TCPConnector(limit=self._max_pool_connections, **self._connector_args)
        # Made as for no proxy: for a proxy's sake it would go without a TLS context.
        connector: aiohttp.TCPConnector = super()._create_connector(None)
        return connector

    def _get_ssl_context(self) -> ssl.SSLContext:
        # botocore turns this off because urllib3 compares the host's name by itself: aiohttp does
        # not, and any trusted certificate would do for any host.
        context: ssl.SSLContext = super()._get_ssl_context()
        context.check_hostname = True
        self._tls = context
        return context

    async def _get_session(self, proxy_url: str | None) -> _DirectRequests:
        return _DirectRequests(await super()._get_session(proxy_url))


class _DirectRequests:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(
        self, method: str, *, data: Any = None, **options: Any
    ) -> aiohttp.ClientResponse:
        if isinstance(data, ViewBody):
            data = ViewPayload(data.view)
        return await self._session.request(method, data=data, allow_redirects=False, **options)
