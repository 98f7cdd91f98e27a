"""Find out during a run which of S3's checksums a store refuses, and stop sending them.

Backblaze B2 refuses the headers `x-amz-checksum-*` and `x-amz-sdk-checksum-algorithm` and HEAD's
checksum mode with 400; older versions of Cloudflare R2 and Google Cloud Storage with 501.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from asyncload.errors import EndpointRefused, PreconditionFailed, RequestRejected, StoreError
from asyncload.model.values import Warned

T = TypeVar("T")

_HEADERS = ("x-amz-checksum-", "x-amz-sdk-checksum-", "x-amz-trailer")
# Codes that may refer to anything in a request; "400" and "501" are responses without a code.
_VAGUE = frozenset(
    {"400", "501", "BadRequest", "InvalidArgument", "InvalidRequest", "MalformedXML"}
    | {"NotImplemented", "UnsupportedHeader"}
)
_MAX_TRIALS = 3


class Dialect:
    """Which of S3's checksums the requests to one store carry; shared by all requests of a run.

    With `auto`, the first refusal decides. If it does not say what it refers to, the request is
    repeated without checksums; if that succeeds, checksums were the cause.

    Args:
        checksum: `auto`; `md5`, which never sends S3's checksums; or the CRC to insist on.
        warn: called once if the store refuses checksums.

    Attributes:
        checksums: whether requests carry S3's checksums; otherwise they carry a Content-MD5.
        checksum_mode: whether HEAD asks for checksums.
    """

    def __init__(self, checksum: str, warn: Callable[[Warned], None]) -> None:
        self.checksums = self.checksum_mode = checksum != "md5"
        self._checksum = checksum
        self._warn = warn
        self._warned = False
        # Whether the store has returned a checksum it was sent: then a refusal has another cause.
        self._confirmed = False
        self._trials = _MAX_TRIALS
        self._trying = asyncio.Lock()

    def confirm_checksums(self) -> None:
        """Record that the store returned a checksum that it was sent."""
        self._confirmed = True

    async def send(self, ask: Callable[[bool], Awaitable[T]]) -> T:
        """Make a request with checksums; without them if the store refuses them.

        Args:
            ask: makes the request; its argument says whether to send S3's checksums.

        Raises:
            EndpointRefused: the store refuses the checksum that is insisted on.
            StoreError: as `ask` does.
        """
        if not self.checksums:
            return await ask(False)
        try:
            return await ask(True)
        except (RequestRejected, EndpointRefused) as refusal:
            named = refusal.header.startswith(_HEADERS)
            vague = not refusal.header and refusal.code in _VAGUE and not self._confirmed
            if not named and not vague:
                raise
            if self._checksum != "auto":
                raise self._insist(refusal, named=named) from refusal.__cause__
            if named:
                self._learn(refusal)
                return await ask(False)
            return await self._try_without(refusal, lambda: ask(False))

    async def head(self, ask: Callable[[bool], Awaitable[T]], renewals: Callable[[], int]) -> T:
        """Make a HEAD that asks for checksums; without asking if the store refuses that.

        Args:
            ask: makes the request; its argument says whether to use checksum mode.
            renewals: returns how often credentials were renewed: expired credentials are refused
                with the same status, and responses to HEAD do not say why.
        """
        if not self.checksum_mode:
            return await ask(False)
        before = renewals()
        try:
            return await ask(True)
        except (RequestRejected, EndpointRefused) as refusal:
            if refusal.status not in (400, 501):
                raise
            if self._checksum != "auto":
                raise self._insist(refusal, named=refusal.status == 501) from refusal.__cause__
            return await self._try_without(
                refusal, lambda: ask(False), unless=lambda: renewals() != before, mode=True
            )

    async def _try_without(
        self,
        refusal: StoreError,
        ask: Callable[[], Awaitable[T]],
        *,
        unless: Callable[[], bool] = lambda: False,
        mode: bool = False,
    ) -> T:
        async with self._trying:
            # One of several requests that were refused at the same time finds out for all.
            if self.checksum_mode if mode else self.checksums:
                if not self._trials:
                    raise refusal
                try:
                    answer = await ask()
                except (RequestRejected, EndpointRefused) as other:
                    if other.status == 404 and mode and not unless():
                        self._learn(refusal, mode=mode)
                        raise
                    self._trials -= 1
                    raise refusal from None
                except PreconditionFailed:
                    self._learn(refusal)
                    raise
                if not unless():
                    self._learn(refusal, mode=mode)
                return answer
        return await ask()

    def _learn(self, refusal: StoreError, *, mode: bool = False) -> None:
        self.checksum_mode = False
        if not mode:
            self.checksums = False
        if not self._warned:
            self._warned = True
            self._warn(
                Warned(
                    "the store refuses S3's checksums: requests carry an MD5 instead, and files "
                    "are verified by ETags that are the MD5 of a file or of its parts "
                    f"({refusal.message})",
                    "use --checksum md5 to do so from the first request on",
                )
            )

    def _insist(self, refusal: StoreError, *, named: bool) -> StoreError:
        """Return the error of a refused checksum that was insisted on."""
        hint = (
            f"the store might not support --checksum {self._checksum}: use --checksum auto or md5"
        )
        if not named:
            refusal.hint += f"; or {hint}"
            return refusal
        return EndpointRefused(
            refusal.message,
            hint=hint.replace("might not", "does not"),
            code=refusal.code,
            status=refusal.status,
            request_id=refusal.request_id,
            header=refusal.header,
        )
