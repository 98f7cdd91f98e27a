"""The nouns of a load: source files, object keys, checksums, outcomes, events. Frozen values.

Most are named tuples: at start-up a class of them takes a fifth of a dataclass's time. Tuples of
different types are equal if their fields are, so events that share their fields are dataclasses.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

from asyncload.errors import AsyncloadError, InvalidKey

MAX_KEY_BYTES = 1024
"""S3's limit on an object key, in bytes of UTF-8."""

# Control characters of ASCII and Latin-1, or a segment that is empty, "." or "..".
_INVALID_IN_KEY = re.compile(r"[\x00-\x1f\x7f-\x9f]|(?:^|/)\.{0,2}(?:/|$)")


class ObjectKey(str):
    """The full name of an object in a bucket, valid by construction.

    Invariants: no leading `/`; no empty, `.` or `..` segment; no control character; valid Unicode;
    1 to 1,024 bytes of UTF-8. No character is changed (spaces, `%`, `+`, `#`, NFC and NFD
    included).

    Source: "Naming Amazon S3 objects" in the S3 user guide.

    Raises:
        InvalidKey: an invariant does not hold; the message says which.
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Self:
        try:
            size = len(value) if value.isascii() else len(value.encode())
        except UnicodeEncodeError:
            raise InvalidKey(
                "the file's name is not valid UTF-8", hint="rename the file; S3 keys are UTF-8"
            ) from None
        if size > MAX_KEY_BYTES:
            raise InvalidKey(
                f"the object key would be {size:,} bytes of UTF-8, over S3's limit of "
                f"{MAX_KEY_BYTES:,}",
                hint="shorten the path, or use --layout with a shorter prefix",
            )
        if _INVALID_IN_KEY.search(value):
            raise InvalidKey(
                "the object key would contain a control character or an empty, '.' or '..' segment",
                hint="rename the file or its folder",
            )
        return super().__new__(cls, value)


class Lock(NamedTuple):
    """Object Lock's protection of an object: `GOVERNANCE` or `COMPLIANCE`, until a time in UTC.

    The time has no fractions of a second.
    """

    mode: str
    until: datetime

    @property
    def until_text(self) -> str:
        """The time as S3 writes it: `2033-05-02T00:00:00Z`."""
        return f"{self.until:%Y-%m-%dT%H:%M:%SZ}"


class FileState(NamedTuple):
    """Attributes that may identify one version of a file: size, times and identity."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int


class Member(NamedTuple):
    """A member of a ZIP archive, as the archive's directory describes it.

    `size` and `stored` are its lengths without and with compression, and `offset` is where its
    local header begins, all in bytes. `crc` is its CRC-32, `method` its compression. `version` is
    the archive's state when it was scanned.
    """

    version: FileState
    size: int
    stored: int
    offset: int
    crc: int
    method: int


class SourceFile(NamedTuple):
    """One CSV of the volume, as found by the scan.

    `path` is relative to the volume, or absolute if the run has several, with `/` between segments;
    bytes that are not UTF-8 are surrogate-escaped as Python does for file names. The path of an
    archive's member contains `//`, see `model.names`. `size` is in bytes, `mtime_ns` the time of
    modification in nanoseconds since 1970, if known; for a member, that of the archive. `version`
    is the only version of the file that may be loaded; None for any.
    """

    path: str
    size: int
    mtime_ns: int = 0
    member: Member | None = None
    version: FileState | None = None


class Archive(NamedTuple):
    """A ZIP archive, as found by the scan, of which some members are source files.

    `version` is its state, `members` the number of these members, `excluded` the number of its
    CSVs that are not among them, and `others` that of its other files.
    """

    path: str
    version: FileState
    members: int
    excluded: int = 0
    others: int = 0


class PlannedUpload(NamedTuple):
    """A source file, its object key, and the partition that the key is in.

    A partition is the common prefix of a dataset's keys of one date. `day` is that date if each
    file of the run has its own; None if all share the run's.
    """

    source: SourceFile
    key: ObjectKey
    partition: str = ""
    dataset: str = ""
    day: date | None = None


ExcludedReason = Literal[
    "hidden",
    "temporary",
    "temporary folder",
    "system folder",
    "excluded",
    "compressed",
    "archive",
    "duplicate",
    "symlink",
    "symlink out of the volume",
    "symlink in a circle",
    "symlink to nowhere",
    "not a regular file",
    "too recent",
    "too old",
    "not found",
]


class Excluded(NamedTuple):
    """An entry of the volume that is not loaded, with the reason.

    `csvs` is the number of CSVs in an archive that is not loaded; None if that is not known.
    """

    path: str
    reason: ExcludedReason
    csvs: int | None = None


class Checksum(NamedTuple):
    """An algorithm in S3's spelling (`CRC64NVME`, `MD5`) and the base64 of its digest.

    For `MD5 of parts` the digest is as in an ETag: hex, a dash, and the number of parts.
    """

    algorithm: str
    digest: str


class Uploaded(NamedTuple):
    """The file was sent, and the store proved by `checksum` that it holds the bytes.

    `mtime_ns` is the modification time, in nanoseconds since 1970. `replaced`: an object with other
    bytes was replaced. `checksums` holds every known checksum of the file, by algorithm. `version`
    identifies the version of the file; None if it is not a file of the volume.
    """

    path: str
    key: ObjectKey
    size: int
    checksum: Checksum
    mtime_ns: int = 0
    replaced: bool = False
    checksums: Mapping[str, Checksum] = MappingProxyType({})
    version: FileState | None = None

    @property
    def status(self) -> str:
        """What records call this outcome."""
        return "uploaded"


class Unchanged(NamedTuple):
    """The object already existed, with the same bytes by `checksum`.

    `checksums` and `version` are as for `Uploaded`.
    """

    path: str
    key: ObjectKey
    size: int
    checksum: Checksum
    mtime_ns: int = 0
    checksums: Mapping[str, Checksum] = MappingProxyType({})
    version: FileState | None = None

    @property
    def status(self) -> str:
        """What records call this outcome."""
        return "unchanged"


class Skipped(NamedTuple):
    """The key holds an object with other bytes, which was kept on request."""

    path: str
    key: ObjectKey
    size: int
    reason: str

    @property
    def status(self) -> str:
        """What records call this outcome."""
        return "skipped"


class Failed(NamedTuple):
    """The file failed with `error`. `key` is None if it has no valid key."""

    path: str
    key: ObjectKey | None
    size: int
    error: AsyncloadError

    @property
    def status(self) -> str:
        """What records call this outcome."""
        return "failed"


class Present(NamedTuple):
    """An earlier run collected the answer for this date; it was not requested again."""

    path: str
    key: ObjectKey
    size: int

    @property
    def status(self) -> str:
        """What records call this outcome."""
        return "present"


Outcome = Uploaded | Unchanged | Skipped | Failed | Present


class Disposed(NamedTuple):
    """The fate of a source file after it was loaded, as the user asked with `--then`.

    It is `gone` if another program, such as another run, has removed or renamed it meanwhile.
    `reason` says why it was kept, `failed` whether because of an error.
    """

    status: Literal["deleted", "moved", "kept", "gone"]
    reason: str = ""
    failed: bool = False


class RunStarted(NamedTuple):
    """A run began at `started`: it loads into `bucket`, under the processing date `day`.

    `day` is None if each file has a date of its own. `volumes` are the names of its volumes if it
    has several.
    """

    run_id: str
    bucket: str
    day: date | None
    started: datetime
    volumes: Collection[str] = ()


class ShardJoined(NamedTuple):
    """This run loads shard `number` of `total` of the run with a name, in its `attempt` from 1."""

    run: str
    number: int
    total: int
    attempt: int


@dataclass(frozen=True, slots=True)
class ProcessesStarted:
    """Several processes load, `processes` of them, this one included."""

    processes: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """The number of CSVs found so far, and their size in bytes."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class LoadStarted:
    """The plan is complete, and its first file is about to be sent."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class LoadStartedEarly:
    """Files are about to be sent while the volume is still scanned; emitted for each portion.

    `files` and `size` are what was found so far. `LoadStarted` follows when the plan is complete.
    """

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class PartSent:
    """`size` bytes of a large file were sent and acknowledged, as the part with this number.

    If an upload is started again, its parts are sent again. `planned` is the file's size in the
    plan.
    """

    path: str
    size: int
    number: int = 0
    planned: int | None = None


@dataclass(frozen=True, slots=True)
class PartKept:
    """`size` bytes of a large file are in the store from an earlier, interrupted run.

    `number` and `planned` are as in `PartSent`.
    """

    path: str
    size: int
    number: int = 0
    planned: int | None = None


class StaleUploadAborted(NamedTuple):
    """A multipart upload that an earlier run had left open was aborted."""

    key: str
    upload_id: str


class Warned(NamedTuple):
    """A problem without a failed file: a message and a hint."""

    message: str
    hint: str = ""


class StoreJudged(NamedTuple):
    """How far the store's answers can be relied on.

    `sent` is the algorithm of the checksums that are sent; `proofs` are those that prove a file,
    the best one first. `record` holds the findings, with the names of `StoreWorth`.
    """

    sent: str
    proofs: tuple[str, ...]
    record: Mapping[str, Any]


class ManifestWritten(NamedTuple):
    """The record of the run is in the store, under this key."""

    key: ObjectKey


class MarkerFailed(NamedTuple):
    """All files of a partition are in the store, but its success marker could not be written."""

    partition: str
    error: AsyncloadError


class PartitionUnmarked(NamedTuple):
    """A partition gets no success marker; `reason` says why."""

    partition: str
    reason: str


class UploadLeftOpen(NamedTuple):
    """A multipart upload could neither be completed nor aborted; `reason` says why.

    `path` is "" for the record of the run.
    """

    path: str
    key: ObjectKey
    upload_id: str
    reason: str


class FileFinished(NamedTuple):
    """One file has its outcome, `seconds` after work on it began.

    `partition` and `dataset` are those of its key, "" if it has no valid key. `planned` is the
    file's size in the plan; None if it equals that of the outcome. `day` is the file's date, None
    if it has the run's. `source` says what was done with the source file, None if nothing was to be
    done.
    """

    outcome: Outcome
    partition: str = ""
    dataset: str = ""
    seconds: float = 0.0
    planned: int | None = None
    day: date | None = None
    source: Disposed | None = None


class RequestsMade(NamedTuple):
    """The number of requests of the whole run, emitted at its end.

    `retries` of them repeated a failed request. `sent` are the bytes of files that the store
    acknowledged, including those of failed files.
    """

    requests: int
    retries: int
    sent: int


class RequestMade(NamedTuple):
    """One attempt at a request to the store has ended; emitted only if that was asked for.

    `name` is S3's name of the operation, `key` "" if it is about no single object. It began at
    `began`, in nanoseconds since 1970, and took `seconds`. `size` is that of its body. `error` is
    the class of the error, "" for none.
    """

    name: str
    key: str
    began: int
    seconds: float
    size: int = 0
    error: str = ""


class ApiRequestsMade(NamedTuple):
    """The number of requests to the API that a run collects from, emitted at its end.

    `repeated` of them repeated a failed request.
    """

    asked: int
    repeated: int


LimitReason = Literal[
    "asked for", "enough", "throughput", "throttled", "open files", "memory", "ceiling"
]
"""Why the limit on requests in flight is not higher: it was asked for; no more were needed, or the
run was too short to tell; more brought no more throughput; the store asked to slow down; open files
or memory are limited; more are never tried.
"""


@dataclass(frozen=True, slots=True)
class ConcurrencyChanged:
    """The limit on requests in flight has changed to `limit`, for `reason`.

    `ceiling` is the limit if the store does not complain.
    """

    limit: int
    ceiling: int
    reason: LimitReason = "asked for"


@dataclass(frozen=True, slots=True)
class ConcurrencySettled:
    """Emitted at the end of a run: the limit on requests in flight, and the maximum reached."""

    limit: int
    peak: int
    reason: LimitReason


class WatchProgress(NamedTuple):
    """The state of a watch; emitted at the start, every minute, and with trouble.

    `loaded` counts the files loaded since the start, `waiting` those that are not known to be
    complete, `in_flight` those in work, `failing` those of `waiting` whose last attempt failed.
    `trouble` says why nothing is loaded at present, or nothing of the volumes that it names; "" if
    all is well.
    """

    loaded: int
    waiting: int
    in_flight: int
    failing: int
    trouble: str = ""


ScanEvent = Scanned | Excluded | Warned
"""An event of the scan of a volume."""

Event = (
    RunStarted
    | WatchProgress
    | ShardJoined
    | ProcessesStarted
    | Scanned
    | Excluded
    | LoadStartedEarly
    | LoadStarted
    | PartSent
    | PartKept
    | StaleUploadAborted
    | UploadLeftOpen
    | StoreJudged
    | ManifestWritten
    | MarkerFailed
    | PartitionUnmarked
    | Warned
    | FileFinished
    | RequestMade
    | RequestsMade
    | ApiRequestsMade
    | ConcurrencyChanged
    | ConcurrencySettled
)
