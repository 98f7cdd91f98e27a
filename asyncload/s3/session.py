"""The HTTP session below the client: follows no redirect, sends bodies without a copy."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

from asyncload.s3.body import ViewBody, ViewPayload


class DirectSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore is untyped
    """aiobotocore's session, with what aiohttp does by default turned off.

    aiohttp follows a redirect by sending body and session token to whatever host the answer
    names. Here a redirect is an answer like any other.
    """

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
