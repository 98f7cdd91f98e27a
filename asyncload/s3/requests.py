"""Make requests to a bucket: each with a deadline, and with errors by their meaning."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import aiohttp
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from asyncload.errors import AccessDenied, AsyncloadError, TimedOut
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.describe import check_status
from asyncload.s3.fast.sockets import AnsweredEarly
from asyncload.s3.options import S3Options
from asyncload.s3.translate import MALFORMED, Asked, malformed, translate
from asyncload.settings.endpoints import is_aws

T = TypeVar("T")

# Errors of requests by client or lane, besides those of malformed responses.
_FAILURES = (BotoCoreError, ClientError, AnsweredEarly, aiohttp.ClientError, OSError)

# Requests that say nothing about who pays.
_FREE = ("GetObjectLockConfiguration",)

# A request's deadline: time for the response, and time for its bytes on a slow link.
_ANSWER_SECONDS = 30.0
_MIN_BYTES_PER_SECOND = 64 * 1024


class Requests:
    """Makes requests to one bucket, by the client or by any other function.

    Each has a deadline of 30 s plus 1 s for each 64 KiB of its body: aiohttp has no timeout for a
    server that stops reading. A request whose credentials have expired is made once more.

    Attributes:
        client: aioboto3's low-level client, which neither retries nor follows redirects.
        everywhere: the arguments of every request: the bucket, its expected owner and who pays, if
            given.
        clock: the time that requests are signed with, and the renewal of credentials.
    """

    def __init__(self, client: Any, options: S3Options, clock: SigningClock) -> None:
        self.client = client
        self.clock = clock
        self.everywhere = {"Bucket": options.bucket, **options.in_each_request}
        self._payer = options.payer
        self._endpoint = endpoint_of(client, options)

    @property
    def expected_owner(self) -> str | None:
        """The account that must own the bucket; None if any may."""
        return self.everywhere.get("ExpectedBucketOwner")

    async def call(
        self, operation: str, read: Callable[[Mapping[str, Any]], T], **arguments: Any
    ) -> T:
        """Make a request by the client; `read` converts the response.

        Raises:
            StoreError: the request failed; its subclass says how.
        """
        method = getattr(self.client, xform_name(operation))

        async def ask() -> T:
            given = {**self.everywhere, **arguments}
            if operation in _FREE:
                given.pop("RequestPayer", None)
            answer = await method(**given)
            check_status(operation, answer)
            return read(answer)

        return await self.make(operation, arguments, ask, size=len(arguments.get("Body", b"")))

    async def make(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        ask: Callable[[], Awaitable[T]],
        *,
        size: int = 0,
    ) -> T:
        """Make a request by calling `ask`, whose body has `size` bytes.

        `operation` and `arguments` describe it in errors.

        Raises:
            StoreError: as for `call`.
        """
        key = arguments.get("Key") or arguments.get("Prefix", "")
        conditional = "IfNoneMatch" in arguments
        asked = Asked(operation, self.everywhere["Bucket"], self._endpoint, key, conditional)
        return await self.clock.renewal.repeat(lambda: self._attempt(asked, size, ask))

    async def _attempt(self, asked: Asked, size: int, ask: Callable[[], Awaitable[T]]) -> T:
        """Make one attempt with a deadline; translate its errors."""
        seconds = _ANSWER_SECONDS + size / _MIN_BYTES_PER_SECOND
        offset = self.clock.offset
        try:
            async with asyncio.timeout(seconds) as deadline:
                answer = await ask()
        except _FAILURES as error:
            if isinstance(error, TimeoutError) and deadline.expired():
                raise TimedOut(
                    f"no answer from {asked.endpoint} to {asked} within {seconds:.0f} s",
                    hint="check the network, or use a lower --concurrency on a slow link",
                ) from error
            raise self._failure(error, asked, offset) from error
        except MALFORMED as error:
            raise malformed(error, asked, self.clock) from error
        self.clock.accepted()
        return answer

    def _failure(self, error: Exception, asked: Asked, offset: float) -> AsyncloadError:
        failure = translate(error, asked, self.clock)
        if isinstance(failure, AccessDenied) and self.expected_owner is not None:
            owner = self.expected_owner
            failure.hint += f"; or the bucket does not belong to the expected account {owner}"
        # If S3 names the missing permission, that is the reason.
        if isinstance(failure, AccessDenied) and is_aws(asked.endpoint) and not self._payer:
            named = "not authorized to perform" in failure.message
            failure.hint += "" if named else "; if its requester pays, use --request-payer"
        return self.clock.learn(failure, error, used=offset)


def endpoint_of(client: Any, options: S3Options) -> str:
    """Return the address that requests go to, without the path, for messages."""
    url = str(client.meta.endpoint_url)
    if not options.accelerate:
        return url
    # botocore chooses it for each request; `endpoint_url` is that of the region.
    kind = ".dualstack" if ".dualstack." in url else ""
    return f"https://{options.bucket}.s3-accelerate{kind}.amazonaws.com"
