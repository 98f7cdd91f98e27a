"""From the client's answers to our values.

An answer that is not as it should be raises one of `translate.MALFORMED`, and nothing of it is
used: what is guessed of an answer would be taken for what is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncload.errors import ProtectionIgnored
from asyncload.model.checksums import CRC64NVME, by_algorithm, md5_of_etag
from asyncload.model.values import Checksum
from asyncload.store.protocol import (
    ListedObject,
    OpenUpload,
    Page,
    PutResult,
    RemoteObject,
    StoredPart,
)

# Those that we can compute of a file, the best one first, and the form of their digests.
_ALGORITHMS = ("CRC64NVME", "CRC32C", "CRC32", "SHA256")
_DIGEST = re.compile(r"[A-Za-z0-9+/]+={0,2}")
# A checksum of the parts' checksums is marked by their number: "...-3".
_OF_PARTS = re.compile(r"-\d+$")
_DIGEST_LENGTHS = {"CRC64NVME": 12, "CRC32C": 8, "CRC32": 8, "SHA256": 44}
_MAX_NUMBER = 2**63 - 1
# botocore takes whatever is less than 301 for a success.
_GONE = (200, 202, 204)
_NOT_OF_THE_BODY = {"AbortDate", "AbortRuleId", "RequestCharged", "ResponseMetadata"}
_SUCCESSES = {"AbortMultipartUpload": _GONE, "DeleteObject": _GONE, "GetObject": (200, 206)}


def check_status(operation: str, answer: Mapping[str, Any]) -> None:
    """Make sure that an answer has the status by which S3 says that it did what it was asked.

    Raises:
        ValueError: it has another one.
    """
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status not in _SUCCESSES.get(operation, (200,)):
        raise ValueError(f"its status is {status}")


def check_range(answer: Mapping[str, Any], offset: int) -> bool:
    """Return whether an answer to GetObject holds bytes from `offset` on; not beyond the end.

    Raises:
        ValueError: it holds others.
    """
    if answer["ResponseMetadata"]["HTTPStatusCode"] == 206:
        if not _text(answer["ContentRange"]).startswith(f"bytes {offset}-"):
            raise ValueError("it contains another range than the requested one")
        return True
    if offset and _number(answer["ContentLength"]) > offset:
        raise ValueError("it contains the whole object, though a range was requested")
    return offset == 0


def full_checksum(
    answer: Mapping[str, Any], names: tuple[str, ...] = _ALGORITHMS
) -> Checksum | None:
    """Return the best checksum of all of an object's bytes that an answer holds.

    Raises:
        ValueError: what it holds has not the form of such a checksum.
    """
    for name in names:
        digest = _text(answer.get(f"Checksum{name}") or "")
        if digest and not _OF_PARTS.search(digest) and answer.get("ChecksumType") != "COMPOSITE":
            if not _DIGEST.fullmatch(digest) or len(digest) != _DIGEST_LENGTHS[name]:
                raise ValueError(f"its {name} is malformed")
            return Checksum(name, digest)
    return None


def describe_object(answer: Mapping[str, Any]) -> RemoteObject:
    """Read the answer to HeadObject."""
    computed = [full_checksum(answer, (name,)) for name in _ALGORITHMS]
    return RemoteObject(
        _number(answer["ContentLength"]),
        by_algorithm(*computed, md5_of_etag(_text(answer.get("ETag", "")))),
        answer.get("Metadata") or {},
        _text(answer.get("StorageClass") or ""),
    )


def read_put_result(answer: Mapping[str, Any], algorithm: str) -> PutResult:
    """Read the answer to PutObject, UploadPart or CompleteMultipartUpload.

    `algorithm` is that of the checksum which was sent.
    """
    names = (algorithm,) if algorithm in _DIGEST_LENGTHS else ()
    encryption = _text(answer.get("ServerSideEncryption") or "")
    return PutResult(_text(answer.get("ETag", "")), full_checksum(answer, names), encryption)


def check_encryption(got: str, wanted: str | None, operation: str) -> None:
    """Make sure that an answer confirms the server-side encryption that was asked for, if any.

    Raises:
        ProtectionIgnored: it does not.
    """
    if wanted is not None and got != wanted:
        raise ProtectionIgnored(
            f"--sse: {operation} requested {wanted}, but the store's answer confirms "
            f"{got or 'no encryption'}: the object may be stored unencrypted",
            hint="use a store that encrypts, or omit --sse; check the stored object",
        )


def read_part_result(answer: Mapping[str, Any], algorithm: str) -> PutResult:
    """Read the answer to UploadPart, which must name the part's ETag: Complete needs it."""
    result = read_put_result(answer, algorithm)
    if not result.etag:
        raise KeyError("ETag")
    return result


def read_upload_id(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Read the answer to CreateMultipartUpload: the upload's id, and the encryption it names."""
    return _name(answer["UploadId"]), _text(answer.get("ServerSideEncryption") or "")


def read_tag_set(answer: Mapping[str, Any]) -> dict[str, str]:
    """Read the answer to GetObjectTagging."""
    return {_text(tag["Key"]): _text(tag["Value"]) for tag in answer["TagSet"]}


def page_of_objects(answer: Mapping[str, Any]) -> Page[ListedObject]:
    """Read the answer to ListObjectsV2."""
    items = [
        ListedObject(_name(entry["Key"]), _number(entry["Size"]), _text(entry.get("ETag", "")))
        for entry in answer.get("Contents", ())
    ]
    return Page(items, _name(answer["NextContinuationToken"]) if _goes_on(answer) else None)


def page_of_uploads(answer: Mapping[str, Any]) -> Page[OpenUpload]:
    """Read the answer to ListMultipartUploads; `next` holds two markers, parted by a newline."""
    items = [
        OpenUpload(
            _name(entry["Key"]),
            _name(entry["UploadId"]),
            _time(entry.get("Initiated")),
            _initiator(entry),
        )
        for entry in answer.get("Uploads", ())
    ]
    if not _goes_on(answer):
        return Page(items, None)
    key, upload_id = _name(answer["NextKeyMarker"]), _text(answer.get("NextUploadIdMarker", ""))
    return Page(items, f"{key}\n{upload_id}")


def _initiator(entry: Mapping[str, Any]) -> str:
    initiator = entry.get("Initiator") or {}
    return str(initiator.get("DisplayName") or initiator.get("ID") or "")


def page_of_parts(answer: Mapping[str, Any]) -> Page[StoredPart]:
    """Read the answer to ListParts."""
    items = [
        StoredPart(
            _number(entry["PartNumber"], minimum=1),
            _number(entry["Size"]),
            _name(entry["ETag"]),
            full_checksum(entry, (CRC64NVME.name,)),
            _time(entry.get("LastModified")),
        )
        for entry in answer.get("Parts", ())
    ]
    if not _goes_on(answer):
        return Page(items, None)
    return Page(items, str(_number(answer["NextPartNumberMarker"], minimum=1)))


def _goes_on(answer: Mapping[str, Any]) -> bool:
    """Return whether a listing has more pages; rclone leaves out that it has none.

    Raises:
        ValueError: there is nothing of a listing in it: an empty answer, or a page for people.
    """
    if not answer.keys() - _NOT_OF_THE_BODY:
        raise ValueError("it is not a listing")
    return bool(answer.get("IsTruncated"))


def _text(value: object) -> str:
    """Return a text; an element that comes twice is a list."""
    if not isinstance(value, str):
        raise TypeError("an element is repeated")
    return value


def _name(value: object) -> str:
    """Return a text that must not be empty."""
    text = _text(value)
    if not text:
        raise ValueError("a name in it is empty")
    return text


def _number(value: int, *, minimum: int = 0) -> int:
    """Return a number that a size in bytes, or a part's number, can be."""
    if not minimum <= value <= _MAX_NUMBER:
        raise ValueError("a number in it is out of range")
    return value


def _time(value: datetime | None) -> datetime | None:
    """Return a time in UTC; one without a zone is in UTC, as S3's are. None if not told."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
