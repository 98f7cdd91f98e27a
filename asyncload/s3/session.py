"""The HTTP session below the client: follows no redirect, keeps no cookie, copies no body."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from yarl import URL

from asyncload.s3.body import ViewBody, ViewPayload
from asyncload.s3.wire import Reply, WirePool


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
        # As botocore chooses them: by scheme alone.
        self._proxies: dict[str, tuple[str | None, dict[str, str]]] = {}
        self._pools: dict[tuple[str, str], WirePool] = {}
        self._tls: ssl.SSLContext | None = None

    @property
    def bundle(self) -> Path | None:
        """The CA bundle that was asked for; None for botocore's own."""
        return Path(self._verify) if isinstance(self._verify, str) else None

    async def put(self, url: str, headers: Mapping[str, str], body: memoryview) -> Reply:
        """Send a signed PUT, with the client's trust and through its proxy where it has one.

        Args:
            url: absolute and percent-encoded; it is sent as it is.
            headers: all that the request is to have, but for Content-Length.
            body: is not read any more once this returned.

        Raises:
            OSError, aiohttp.ClientError, TimeoutError: there was no answer.
        """
        proxy, proxy_headers = self._proxy_for(url)
        if proxy is not None:
            return await self._put_through(proxy, proxy_headers, url, headers, body)
        scheme, _, rest = url.partition("://")
        authority, _, target = rest.partition("/")
        pool = self._pools.get((scheme, authority)) or await self._open_pool(scheme, authority)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"PUT /{target} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        return await pool.put(head.encode(), body)

    async def _open_pool(self, scheme: str, authority: str) -> WirePool:
        parts = urlsplit(f"{scheme}://{authority}")
        tls = None
        if scheme == "https":
            # Made with the client's connections: it has their CA bundle and certificate.
            await self._get_session(None)
            tls = self._tls or ssl.create_default_context()
        assert parts.hostname is not None
        pool = WirePool(parts.hostname, parts.port or (443 if tls else 80), tls)
        self._pools[scheme, authority] = pool
        return pool

    async def _put_through(
        self,
        proxy: str,
        proxy_headers: Mapping[str, str],
        url: str,
        headers: Mapping[str, str],
        body: memoryview,
    ) -> Reply:
        requests = await self._get_session(proxy)
        response = await requests.request(
            "PUT",
            url=URL(url, encoded=True),
            headers=headers,
            data=ViewBody(body),
            proxy=proxy,
            proxy_headers=proxy_headers,
        )
        async with response:
            await response.read()
            return Reply(response.status, response.headers)

    async def __aexit__(self, *exception: object) -> None:
        for pool in self._pools.values():
            await pool.close()
        self._pools.clear()
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

    def _proxy_for(self, url: str) -> tuple[str | None, dict[str, str]]:
        scheme = url.partition(":")[0]
        if scheme not in self._proxies:
            self._proxies[scheme] = (
                self._proxy_config.proxy_url_for(url),
                self._proxy_config.proxy_headers_for(url),
            )
        return self._proxies[scheme]

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
