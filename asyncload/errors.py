"""Everything that can go wrong, by meaning.

One tree rooted in `AsyncloadError`. Each error carries what happened (`message`), what to do
next (`hint`) and the exit code of a run that it ends. Errors of one file (`FileFailed`) are
values in a run's outcomes; all others end the run.

Exit codes: 1 internal, 2 usage, 3 some files failed, 4 nothing to load, 5 refused, 6 the store
stayed unavailable, 130 and 143 interrupted.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from, each once: a chain can be a ring."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


class AsyncloadError(Exception):
    """Root of all errors that asyncload raises on purpose.

    `details` are further lines of the message. Only they are shown as lines of their own: a name in
    a message may hold line ends, too.
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
    """A bug: an error that nobody foresaw."""


class Interrupted(AsyncloadError):
    """The run was ended from outside: by a signal, or by the cancellation of its task.

    The exit code is 128 and the number of the signal, so 130 for SIGINT and for a cancellation.
    """

    def __init__(self, signum: int | None = None) -> None:
        by = f"interrupted by {signal.Signals(signum).name}" if signum else "cancelled"
        super().__init__(
            by, hint="uploaded files are kept; run again with the same --date to load the rest"
        )
        self.signum = signum
        self.exit_code = 128 + (signum or signal.SIGINT)


class UsageError(AsyncloadError):
    """An option or argument can't be used as given; nothing was sent."""

    exit_code = 2


class NothingToLoad(AsyncloadError):
    """The volume holds no CSV that is to be loaded."""

    exit_code = 4


class Refused(AsyncloadError):
    """The run can't succeed as it is set up.

    By credentials, permission, bucket, region, keys, clock or memory.
    """

    exit_code = 5


class ClocksDisagree(Refused):
    """The day that was asked for is another one by the machine's clock than by the store's."""


class KeyCollision(Refused):
    """Two or more source files map to one object key."""


class ProtectionIgnored(Refused):
    """The store does not protect objects as it was asked to: by encryption, or an owner check."""


class OutOfMemory(Refused):
    """The system has no memory for the file bytes on their way."""


class ObserverFailed(Refused):
    """The observer that was passed to `load` raised an error; the run was ended."""

    exit_code = 1


class OutOfThreads(Refused):
    """The system starts no more threads for this process or its user."""


class FileFailed(AsyncloadError):
    """One file can't be loaded; the others can."""

    # That of a run in which such errors are outcomes; what else ends by one says so below.
    exit_code = 3


class InvalidKey(FileFailed):
    """A source file's name makes no valid object key."""


class SourceUnreadable(FileFailed):
    """A source file or folder can't be opened or read; it ends a run if that is the volume."""

    exit_code = 2


class SourceStalled(SourceUnreadable):
    """A source file or folder did not answer in time."""


class TooManyOpenFiles(SourceUnreadable):
    """A source file can't be opened now: the process, or the machine, has too many open."""


class SourceChanged(FileFailed):
    """A source file changed while it was being read or uploaded."""


class SourceTooLarge(FileFailed):
    """A source file is beyond what one object, or the memory for parts, can hold."""


class ObjectConflict(FileFailed):
    """The object key is taken by different bytes."""


class NotVerified(FileFailed):
    """The store's answer doesn't prove that it holds the bytes that were sent."""


class ChecksumMismatch(NotVerified):
    """The store returned another checksum than that of the bytes that were sent."""


class StoreError(AsyncloadError):
    """A request that the store answered with an error, or didn't answer.

    `code` is the store's error code (`NoSuchBucket`) or "", `status` the HTTP status or 0,
    `request_id` the store's identifier of the request or "". `retry_after` is how many seconds
    the store asks to wait, None if it doesn't say. `header` is the request's header that the store
    names as its reason, in lower case, or "".

    The error alone says what is to be done about the request. `retryable`: the same one may
    succeed later; every request of `ObjectStore` is safe to repeat. `overloaded`: there should be
    fewer at once. Where it ends a run, no file was tried or none can be any more.
    """

    exit_code = 5
    retryable: ClassVar[bool] = False
    overloaded: ClassVar[bool] = False

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
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.header = header


class RequestRejected(StoreError, FileFailed):
    """The store rejects this request for good; requests for other keys may succeed."""


class PreconditionFailed(StoreError):
    """`If-None-Match: *` did not hold: the key is taken.

    `found` is the description of what is there, a `RemoteObject`; None where it is not known.
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
    """Another conditional request for the key was under way, or came first."""


class Throttled(ServerError):
    """The store asks for fewer requests (SlowDown, RequestTimeout, 503, 429); it does work."""

    overloaded = True


class BodyDamaged(ServerError):
    """The bytes that arrived are not those of the checksum: damaged on the way, or in memory."""


class BodyUnanswered(ServerError):
    """No answer to any try to send these bytes, while the store does answer another request."""

    retryable = False


class StoreUnavailable(StoreError):
    """No answer: the endpoint can't be reached, or the connection broke."""

    exit_code = 6
    retryable = True


class TimedOut(StoreUnavailable):
    """No answer in time: of an endpoint that is down, or of one that has too much to do."""

    overloaded = True


class StoreRefused(StoreError, Refused):
    """The store refuses every request of this kind; the run is stopped."""

    exit_code = 5


class CredentialsMissing(StoreRefused):
    """No usable AWS credentials were found."""


class CredentialsRejected(StoreRefused):
    """The store doesn't accept the credentials, or the time they were used at."""


class ClockCorrected(CredentialsRejected):
    """The store rejected the time of a request; its own time is known now."""

    retryable = True


class AccessDenied(StoreRefused):
    """The credentials don't permit the request."""


class BucketNotFound(StoreRefused):
    """The bucket does not exist."""


class WrongRegion(StoreRefused):
    """The bucket lives in another region than the one that requests are signed for."""


class EndpointRefused(StoreRefused):
    """The endpoint can't be trusted or spoken to: certificate, redirect or protocol."""


class EndlessListing(StoreRefused):
    """The store's listing leads in a circle: what is there can't be known."""
