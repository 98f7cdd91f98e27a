"""How a bucket is reached: address, region, proxy and TLS, each tried without credentials."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from asyncload.errors import EndpointRefused, StoreUnavailable, TimedOut
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.proxies import name_proxy
from asyncload.s3.translate import Asked, translate

_SECONDS = 5.0
_PORTS = {"http": 80, "https": 443}


class Certificate(NamedTuple):
    """A verified TLS connection: the protocol's version, and the end of the certificate."""

    version: str
    expires: datetime


class Endpoint:
    """The address that requests for a bucket are sent to.

    Args:
        url: the address of the bucket's objects.
        bucket: the bucket.
        region: the region that requests are signed for.
        proxy: the address of the proxy on the way; None without one.
        open_tls: returns the TLS context of the client's connections.

    Attributes:
        url: scheme, host and port.
        proxy: host and port of the proxy; None without one.
    """

    def __init__(
        self,
        url: str,
        *,
        bucket: str,
        region: str,
        proxy: str | None,
        open_tls: Callable[[], Awaitable[ssl.SSLContext]],
    ) -> None:
        parts = urlsplit(url)
        self.url = f"{parts.scheme}://{parts.netloc}"
        self.region = region
        self.proxy = None if proxy is None else name_proxy(proxy)
        self.encrypted = parts.scheme == "https"
        self._bucket = bucket
        self._open_tls = open_tls
        # The host to connect to first.
        first = parts if proxy is None else urlsplit(proxy)
        self.host = first.hostname or ""
        self.port = first.port or _PORTS[first.scheme]

    async def resolve(self) -> list[str]:
        """Return the addresses of the host: the proxy's, if there is one.

        Raises:
            StoreUnavailable: it has none, or DNS does not answer.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(2 * _SECONDS):
                found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "no answer from DNS in time"
            raise StoreUnavailable(
                f"the name {self.host} can't be resolved: {reason}",
                hint=f"check {self._origin()}, and the DNS servers of this machine or container",
            ) from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def connect(self) -> None:
        """Connect to the host and disconnect.

        Raises:
            StoreUnavailable: no connection could be made.
        """
        try:
            async with self._connection(None):
                return
        except OSError as error:
            late = isinstance(error, TimeoutError)
            # asyncio's own text repeats the address.
            said = os.strerror(error.errno) if error.errno else str(error)
            reason = f"no answer within {_SECONDS:.0f} s" if late else said
            raise (TimedOut if late else StoreUnavailable)(
                f"no connection to {self.host} port {self.port}: {reason}",
                hint=f"check {self._origin()}, and that firewalls and security groups permit the "
                "connection",
            ) from error

    async def shake_hands(self) -> Certificate:
        """Make a TLS connection as the client does, and return its certificate.

        Raises:
            EndpointRefused: the certificate is not trusted.
            StoreUnavailable: there was no TLS connection.
        """
        tls = await self._open_tls()
        try:
            async with self._connection(tls) as connected:
                # Both exist: the connection is up, and its certificate was verified.
                version, certificate = str(connected.version()), connected.getpeercert() or {}
        except OSError as error:
            asked = Asked("a TLS handshake", self._bucket, self.url)
            failure = translate(error, asked, SigningClock())
            if isinstance(error, ssl.SSLError) and not isinstance(failure, EndpointRefused):
                failure.hint = "check that the port of --endpoint-url speaks TLS"
            raise failure from error
        end = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        return Certificate(version, datetime.fromtimestamp(end, UTC))

    @asynccontextmanager
    async def _connection(self, tls: ssl.SSLContext | None) -> AsyncIterator[ssl.SSLObject]:
        name = None if tls is None else self.host
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(
                self.host, self.port, ssl=tls, server_hostname=name
            )
        try:
            yield writer.get_extra_info("ssl_object")
        finally:
            writer.close()
            with suppress(OSError):
                async with asyncio.timeout(_SECONDS):
                    await writer.wait_closed()

    def _origin(self) -> str:
        return "--endpoint-url and --region" if self.proxy is None else "the proxy's address"
