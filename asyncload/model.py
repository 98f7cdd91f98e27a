"""The nouns of a load: source files, object keys, checksums, outcomes, events. Frozen values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Self

from asyncload.errors import AsyncloadError, InvalidKey

MAX_KEY_BYTES = 1024
"""S3's limit on an object key, in bytes of UTF-8."""

# Control characters of ASCII and Latin-1, or a segment that is empty, "." or "..".
_INVALID_IN_KEY = re.compile(r"[\x00-\x1f\x7f-\x9f]|(?:^|/)\.{0,2}(?:/|$)")


class ObjectKey(str):
    """The full name of an object in a bucket, valid by construction.

    Invariants: no leading `/`; no empty, `.` or `..` segment; no control character; valid
    Unicode; 1 to 1,024 bytes of UTF-8. No character is changed: what goes in is the key, byte
    for byte (spaces, `%`, `+`, `#`, NFC and NFD included).

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
                "its name is not valid UTF-8", hint="rename the file; S3 keys are UTF-8"
            ) from None
        if size > MAX_KEY_BYTES:
            raise InvalidKey(
                f"its key would be {size:,} bytes of UTF-8, over S3's {MAX_KEY_BYTES:,}",
                hint="shorten the path, or use --layout with a shorter prefix",
            )
        if _INVALID_IN_KEY.search(value):
            raise InvalidKey(
                "its key would hold a control character or an empty, '.' or '..' segment",
                hint="rename the file or its folder",
            )
        return super().__new__(cls, value)


class SourceFile(NamedTuple):
    """One CSV of the volume, as the scan saw it.

    `path` is relative to the volume, with `/` between segments; bytes that are not UTF-8 are
    surrogate-escaped as Python does for file names. `size` is in bytes.
    """

    path: str
    size: int


class PlannedUpload(NamedTuple):
    """A source file and the object key it is to land under."""

    source: SourceFile
    key: ObjectKey


LeftOutReason = Literal["hidden", "temporary", "excluded", "symlink", "not a regular file"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry of the volume that is not loaded, and why."""

    path: str
    reason: LeftOutReason


@dataclass(frozen=True, slots=True)
class Checksum:
    """An algorithm in S3's spelling (`CRC64NVME`, `MD5`) and the base64 of its digest."""

    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The file's bytes were sent, and the store proved by `checksum` that it holds them."""

    status: ClassVar[str] = "uploaded"
    path: str
    key: ObjectKey
    size: int
    checksum: Checksum


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The object was already there, with the same bytes by `checksum`."""

    status: ClassVar[str] = "unchanged"
    path: str
    key: ObjectKey
    size: int
    checksum: Checksum


@dataclass(frozen=True, slots=True)
class Failed:
    """The file did not land; `error` says why. `key` is None where none could be formed."""

    status: ClassVar[str] = "failed"
    path: str
    key: ObjectKey | None
    size: int
    error: AsyncloadError


Outcome = Uploaded | Unchanged | Failed


@dataclass(frozen=True, slots=True)
class Scanned:
    """So many CSVs of so many bytes were found so far."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class LoadStarted:
    """The plan is made, and the first request is about to be sent."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class PartSent:
    """`size` bytes of a large file were sent and acknowledged."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class UploadLeftOpen:
    """A multipart upload was begun and could neither be completed nor aborted: why is `reason`."""

    path: str
    key: ObjectKey
    upload_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileFinished:
    """One file reached its outcome."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ConcurrencyChanged:
    """At most `limit` requests are now in flight at once; `ceiling` where the store takes them."""

    limit: int
    ceiling: int


Event = (
    Scanned | LeftOut | LoadStarted | PartSent | UploadLeftOpen | FileFinished | ConcurrencyChanged
)
