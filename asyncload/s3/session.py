"""The HTTP session below the client: follows no redirect, keeps no cookie, copies no body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from yarl import URL

from asyncload.s3.body import ViewBody, ViewPayload


class Reply(NamedTuple):
    """The status and headers of an answer whose body was read and dropped."""

    status: int
    headers: Mapping[str, str]


class DirectSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore is untyped
    """aiobotocore's session, with what aiohttp does by default turned off.

    aiohttp follows a redirect by sending body and session token to whatever host the answer
    names. Here a redirect is an answer like any other.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # As botocore chooses them: by scheme alone.
        self._proxies: dict[str, tuple[str | None, dict[str, str]]] = {}

    async def put(self, url: str, headers: Mapping[str, str], body: memoryview) -> Reply:
        """Send a signed PUT through the client's own connections.

        Args:
            url: absolute and percent-encoded; it is sent as it is.
            headers: all that the request is to have, but for Host and Content-Length.
            body: is not read any more once this returned.
        """
        proxy, proxy_headers = self._proxy_for(url)
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
