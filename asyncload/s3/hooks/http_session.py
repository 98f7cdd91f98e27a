"""aiobotocore's HTTP session, with its private parts under public names."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.utils import _RefCountedSession as RefCountedSession
from botocore.httpsession import ProxyConfiguration

__all__ = ["HttpSession", "RefCountedSession", "never_repeat"]


class HttpSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore is untyped
    """aiobotocore's session; a subclass makes its parts.

    Args:
        proxies_by: decides which proxy a request goes through.
        options: aiobotocore's.
    """

    def __init__(self, *, proxies_by: ProxyConfiguration, **options: Any) -> None:
        super().__init__(**options)
        self._proxy_config = proxies_by

    @property
    def verify(self) -> Any:
        """Whether certificates are verified, or the bundle for it, as botocore decided."""
        return self._verify

    def make_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
        """Return a connector, with the TLS context for `proxy_url`."""
        connector: aiohttp.TCPConnector = super()._create_connector(proxy_url)
        return connector

    def make_plain_connector(self) -> aiohttp.TCPConnector:
        """Return a connector without TLS."""
        return aiohttp.TCPConnector(limit=self._max_pool_connections, **self._connector_args)

    def make_tls(self) -> ssl.SSLContext:
        """Return a TLS context; authorities and certificate are added to it."""
        context: ssl.SSLContext = super()._get_ssl_context()
        return context

    def wrap_requests(self, session: aiohttp.ClientSession) -> Any:
        """Return the object by which aiobotocore makes requests, with a coroutine `request`."""
        return session

    async def open_requests(self, proxy_url: str | None) -> Any:
        """Return an open client session for a proxy, None for none; this session closes it."""
        if proxy_url not in self._sessions:
            session = aiohttp.ClientSession(
                connector=self.make_connector(proxy_url),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers={"CONTENT-TYPE"},
                auto_decompress=False,
            )
            never_repeat(session)
            self._sessions[proxy_url] = await self._exit_stack.enter_async_context(session)
        return self.wrap_requests(self._sessions[proxy_url])

    def _get_ssl_context(self) -> ssl.SSLContext:
        return self.make_tls()

    async def _get_session(self, proxy_url: str | None) -> Any:
        return await self.open_requests(proxy_url)


def never_repeat(session: aiohttp.ClientSession) -> None:
    """Keep a session from repeating a request, uncounted, if a connection breaks.

    aiohttp has no option for this.
    """
    session._retry_connection = False
