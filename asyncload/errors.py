"""All errors, by meaning.

One tree rooted in `AsyncloadError`. Each error has a message (`message`), a hint on what to do next
(`hint`) and the exit code of a run that it ends. Errors of one file (`FileFailed`) are values in a
run's outcomes; all others end the run.

Exit codes: 1 internal, 2 usage, 3 some files failed, 4 nothing to load, 5 refused, 6 the store
stayed unavailable, 130 and 143 interrupted.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, each once: the chain may be circular."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


class AsyncloadError(Exception):
    """Root of all errors that asyncload raises on purpose.

    `details` are further lines of the message. Only they are printed on lines of their own, because
    names in a message may contain line breaks.
    """

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str = "", details: Sequence[str] = ()) -> None:
        self.message = "\n".join((message, *details))
        super().__init__(self.message)
        self.lines = (message, *details)
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InternalError(AsyncloadError):
    """An unexpected error: a bug."""


class Interrupted(AsyncloadError):
    """The run was ended from outside: by a signal, or by the cancellation of its task.

    The exit code is 128 and the number of the signal, so 130 for SIGINT and for a cancellation.
    `cut_short` says that a second signal ended the process before its clean-up.
    """

    def __init__(self, signum: int | None = None, *, cut_short: bool = False) -> None:
        by = f"interrupted by {signal.Signals(signum).name}" if signum else "cancelled"
        hint = "uploaded files are kept; run again with the same --date to load the rest"
        if cut_short:
            by += ", before the clean-up had ended"
            hint += "; multipart uploads may be left open: asyncload clean lists them"
        super().__init__(by, hint=hint)
        self.signum = signum
        self.exit_code = 128 + (signum or signal.SIGINT)


class DeadlineReached(AsyncloadError):
    """The run stopped in time before its `--deadline`, with work left to do."""

    exit_code = 3

    def __init__(self) -> None:
        super().__init__(
            "stopped at the deadline, with work left to do",
            hint="all uploads are kept; run again with the same --date for the rest",
        )


class PartNotRecorded(AsyncloadError):
    """A shard was loaded, but its manifest could not be written, so the run can't be complete."""

    exit_code = 3


class UsageError(AsyncloadError):
    """An option or argument can't be used as given; nothing was sent."""

    exit_code = 2


class NothingToLoad(AsyncloadError):
    """The volume, or one of several, has no CSV to load; nothing was sent."""

    exit_code = 4


class Refused(AsyncloadError):
    """The run can't succeed with its present set-up.

    The cause is in credentials, permissions, bucket, region, keys, clock or memory.
    """

    exit_code = 5


class ClocksDisagree(Refused):
    """The requested day differs between the machine's clock and the store's."""


class KeyCollision(Refused):
    """Two or more source files map to one object key."""


class ProtectionIgnored(Refused):
    """The store does not protect objects as requested: by encryption, or by an owner check."""


class ShardRefused(Refused):
    """The shard does not fit its run, or another process loads it."""


class OutOfMemory(Refused):
    """The system has no memory for the file bytes in transit."""


class ObserverFailed(Refused):
    """The observer passed to `load` raised an error, which ended the run."""

    exit_code = 1


class ClusterUnusable(Refused):
    """The Dask cluster can't be reached, or its workers differ from this process."""


class WorkersLost(Refused):
    """Worker processes ended unexpectedly, again and again."""


class OutOfThreads(Refused):
    """The system can't start more threads for this process or its user."""


class FileFailed(AsyncloadError):
    """One file can't be loaded; the others can."""

    # The exit code of a run with failed files; errors that end a run override it below.
    exit_code = 3


class InvalidKey(FileFailed):
    """A source file's name does not give a valid object key."""


class SourceUnreadable(FileFailed):
    """A source file or folder can't be opened or read; if it is the volume, the run ends."""

    exit_code = 2


class ArchiveUnreadable(SourceUnreadable):
    """The directory of a ZIP archive can't be read, so its members are unknown."""


class MemberRefused(FileFailed):
    """A member of a ZIP archive can't be loaded: its name, its compression or its place."""


class MemberDamaged(FileFailed):
    """A member of a ZIP archive does not hold the bytes that the archive states."""


class SourceStalled(SourceUnreadable):
    """A source file or folder did not answer in time."""


class TooManyOpenFiles(SourceUnreadable):
    """A source file can't be opened now: the process or the machine has too many open files."""


class SourceChanged(FileFailed):
    """A source file changed while it was being read or uploaded."""


class SourceTooLarge(FileFailed):
    """A source file exceeds the limits of one object, or of the memory for parts."""


class ObjectConflict(FileFailed):
    """The object key already holds an object with other bytes."""


class NotVerified(FileFailed):
    """The store's answer doesn't prove that it holds the bytes that were sent."""


class ChecksumMismatch(NotVerified):
    """The store returned another checksum than that of the bytes that were sent."""


class RequestError(AsyncloadError):
    """A request that a server answered with an error, or did not answer.

    `status` is the HTTP status or 0. `retry_after` is how many seconds the server asks to wait,
    None if it does not say.

    The class decides how the request is handled. `retryable`: the same request may succeed later.
    `overloaded`: fewer requests should be made at once. `throttled`: the server works, and asks to
    slow down.
    """

    retryable: ClassVar[bool] = False
    overloaded: ClassVar[bool] = False
    throttled: ClassVar[bool] = False

    def __init__(
        self, message: str, *, hint: str = "", status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after


class StoreError(RequestError):
    """A request that the store answered with an error, or did not answer.

    `code` is the store's error code (`NoSuchBucket`) or "", `request_id` the store's identifier of
    the request or "". `header` is the request header that the store names as the cause, in lower
    case, or "".

    Every request of `ObjectStore` is safe to repeat. If such an error ends a run, no file was tried
    or none can succeed any more.
    """

    exit_code = 5

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        status: int = 0,
        request_id: str = "",
        retry_after: float | None = None,
        header: str = "",
    ) -> None:
        super().__init__(message, hint=hint, status=status, retry_after=retry_after)
        self.code = code
        self.request_id = request_id
        self.header = header


class RequestRejected(StoreError, FileFailed):
    """The store rejects this request permanently; requests for other keys may succeed."""


class PreconditionFailed(StoreError):
    """`If-None-Match: *` did not hold: the key already holds an object.

    `found` describes that object as a `RemoteObject`; None if it is not known.
    """

    found: Any = None


class NoSuchUpload(StoreError):
    """The multipart upload is unknown: completed, aborted or expired."""


class UploadBroken(StoreError):
    """The multipart upload can't become an object any more; a new one can."""


class ServerError(StoreError):
    """The store answered that it can't serve the request now (5xx)."""

    exit_code = 6
    retryable = True


class WriteConflict(ServerError):
    """Another conditional request for the key was in progress, or came first."""


class Throttled(ServerError):
    """The store asks for fewer requests (SlowDown, RequestTimeout, 503, 429), but works."""

    overloaded = True
    throttled = True


class BodyDamaged(ServerError):
    """The received bytes do not match the checksum: damaged in transit, or in memory."""


class BodyUnanswered(ServerError):
    """No attempt to send these bytes was answered, though the store answers other requests."""

    retryable = False


class StoreUnavailable(StoreError):
    """No answer: the endpoint can't be reached, or the connection broke."""

    exit_code = 6
    retryable = True


class TimedOut(StoreUnavailable):
    """No answer in time: the endpoint is down or overloaded."""

    overloaded = True


class StoreRefused(StoreError, Refused):
    """The store refuses every request of this kind; the run ends."""

    exit_code = 5


class CredentialsMissing(StoreRefused):
    """No usable AWS credentials were found."""


class CredentialsRejected(StoreRefused):
    """The store does not accept the credentials, or the time they were used at."""


class ClockCorrected(CredentialsRejected):
    """The store rejected the time of a request; its own time is known now."""

    retryable = True


class AccessDenied(StoreRefused):
    """The credentials don't permit the request."""


class BucketNotFound(StoreRefused):
    """The bucket does not exist."""


class WrongRegion(StoreRefused):
    """The bucket is in another region than the one that requests are signed for."""


class EndpointRefused(StoreRefused):
    """The endpoint can't be trusted or used: certificate, redirect or protocol."""


class EndlessListing(StoreRefused):
    """The store's listing repeats itself, so the existing objects can't be known."""


class ApiError(RequestError):
    """A request that the API which data is collected from answered with an error, or not at all."""

    exit_code = 3


class ApiRefused(ApiError, FileFailed):
    """The API rejects this request permanently; others may succeed."""


class AnswerDamaged(ApiError, FileFailed):
    """An answer of the API is incomplete or malformed."""

    retryable = True


class AnswerTooLarge(ApiError, FileFailed):
    """An answer of the API is larger than permitted."""


class ApiUnavailable(ApiError):
    """The API did not answer, or answered that it can't serve the request now (5xx)."""

    exit_code = 6
    retryable = True


class ApiThrottled(ApiUnavailable):
    """The API asks to slow down (429), but works."""

    overloaded = True
    throttled = True


class TokenRejected(ApiError, Refused):
    """The API does not accept the token."""

    exit_code = 5


class RequestLimitReached(AsyncloadError):
    """The run made as many requests to the API as it may, with answers left to collect."""

    exit_code = 3


class UnknownName(AsyncloadError):
    """The API knows no such person or genre."""

    exit_code = 2
