"""Emit the outcome of each file, and end a run in which nothing succeeds any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from asyncload.errors import (
    ApiUnavailable,
    AsyncloadError,
    DeadlineReached,
    Refused,
    ServerError,
    StoreUnavailable,
    chain_of,
)
from asyncload.model.values import (
    Disposed,
    Event,
    Failed,
    FileFinished,
    Outcome,
    PlannedUpload,
    Unchanged,
    Uploaded,
)

Dispose = Callable[[Uploaded | Unchanged], Awaitable[Disposed | None]]
"""Deletes or moves the source of a verified object, and returns what was done; None if nothing was,
because an archive has to wait for its other members.
"""

# After this many files in a row that failed after all retries, the server is considered down.
_MAX_GIVEN_UP = 10


class Outage:
    """Ends a run whose store or API answers, but serves no file: for example, its disks are full.

    Each file fails after half a minute of retries, so a run over many files would take hours.
    """

    def __init__(self) -> None:
        self._given_up = 0

    def observe(self, event: FileFinished) -> None:
        """Count the outcome of a file, wherever it was loaded.

        Raises:
            StoreUnavailable, ApiUnavailable: too many files in a row failed.
        """
        if isinstance(event.outcome, Failed):
            self.failed(event.outcome.error)
        else:
            self.succeeded()

    def succeeded(self) -> None:
        """Count a file that was uploaded or already existed."""
        self._given_up = 0

    def failed(self, error: AsyncloadError) -> None:
        """Count a file that failed.

        Raises:
            StoreUnavailable, ApiUnavailable: too many files in a row failed.
        """
        if not isinstance(error, ServerError | ApiUnavailable):
            return
        self._given_up += 1
        if self._given_up < _MAX_GIVEN_UP:
            return
        if isinstance(error, ApiUnavailable):
            raise ApiUnavailable(
                f"the API serves no request: the last {_MAX_GIVEN_UP} failed after all retries: "
                f"{error.message}",
                hint="run again later with the same --date to collect the rest",
                status=error.status,
            ) from error
        raise StoreUnavailable(
            f"the store accepts no file: the last {_MAX_GIVEN_UP} failed after all retries: "
            f"{error.message}",
            hint=error.hint or "check whether the store is full or failing, then run again",
            code=error.code,
            status=error.status,
            request_id=error.request_id,
        ) from error


class Concluding:
    """Turns the end of each file into one outcome, and emits it.

    `dispose` does with a loaded source file what the user asked for, and says what it did. `outage`
    counts the files of several processes; None for those of this one.
    """

    def __init__(
        self,
        observe: Callable[[Event], None],
        dispose: Dispose | None = None,
        outage: Outage | None = None,
    ) -> None:
        self._observe = observe
        self._dispose = dispose
        self._outage = outage or Outage()

    async def conclude(
        self, upload: PlannedUpload, sending: Awaitable[Outcome], begun: float | None = None
    ) -> bool:
        """Emit a file's outcome; return whether the file is in the bucket.

        `begun` is the loop's time at which work on the file began, None for now.

        Raises:
            Refused, StoreUnavailable, ApiUnavailable: the run can't continue.
        """
        clock = asyncio.get_running_loop().time
        begun = clock() if begun is None else begun
        try:
            outcome = await sending
        except (Refused, StoreUnavailable):
            raise
        except DeadlineReached:
            return False
        except AsyncloadError as error:
            self.give_up(upload, error, begun)
            return False
        seconds = clock() - begun
        source = None
        if self._dispose is not None and isinstance(outcome, Uploaded | Unchanged):
            source = await self._dispose(outcome)
        self._observe(_finished(upload, outcome, seconds, source))
        self._outage.succeeded()
        return True

    def give_up(self, upload: PlannedUpload, error: AsyncloadError, begun: float) -> None:
        """Emit the outcome of a file that failed after all retries.

        Raises:
            StoreUnavailable, ApiUnavailable: too many files in a row failed so.
        """
        self.fail(upload, error, asyncio.get_running_loop().time() - begun)
        self._outage.failed(error)

    def fail(self, upload: PlannedUpload, error: AsyncloadError, seconds: float = 0.0) -> None:
        """Emit the outcome of a file that failed."""
        forget_frames(error)
        failed = Failed(upload.source.path, upload.key, upload.source.size, error)
        self._observe(_finished(upload, failed, seconds))


def _finished(
    upload: PlannedUpload, outcome: Outcome, seconds: float, source: Disposed | None = None
) -> FileFinished:
    size, day = upload.source.size, upload.day
    return FileFinished(outcome, upload.partition, upload.dataset, seconds, size, day, source)


def forget_frames(error: BaseException) -> None:
    """Drop the frames that an error was raised in: they hold the file's bytes.

    A report keeps thousands of errors, and memory must stay flat; only their messages are used.
    """
    for link in chain_of(error):
        link.__traceback__ = None
