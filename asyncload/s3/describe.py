"""Convert the client's responses to our values.

A malformed response raises one of `translate.MALFORMED`, and none of it is used: a guess would be
taken for a fact about the bucket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncload.errors import ProtectionIgnored
from asyncload.model.checksums import CRC64NVME, by_algorithm, md5_of_etag
from asyncload.model.values import Checksum, Lock
from asyncload.store.protocol import (
    ListedObject,
    OpenUpload,
    Page,
    PutResult,
    RemoteObject,
    StoredPart,
)

# Algorithms that can be computed of a file, the best one first, and the form of their digests.
_ALGORITHMS = ("CRC64NVME", "CRC32C", "CRC32", "SHA256")
_DIGEST = re.compile(r"[A-Za-z0-9+/]+={0,2}")
# A checksum of the parts' checksums ends in their number: "...-3".
_OF_PARTS = re.compile(r"-\d+$")
_DIGEST_LENGTHS = {"CRC64NVME": 12, "CRC32C": 8, "CRC32": 8, "SHA256": 44}
_MAX_NUMBER = 2**63 - 1
# botocore takes any status below 301 for a success.
_GONE = (200, 202, 204)
_NOT_OF_THE_BODY = {"AbortDate", "AbortRuleId", "RequestCharged", "ResponseMetadata"}
_SUCCESSES = {"AbortMultipartUpload": _GONE, "DeleteObject": _GONE, "GetObject": (200, 206)}


def check_status(operation: str, answer: Mapping[str, Any]) -> None:
    """Check that a response has the status by which S3 confirms the operation.

    Raises:
        ValueError: it has another status.
    """
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    if status not in _SUCCESSES.get(operation, (200,)):
        raise ValueError(f"its status is {status}")


def check_range(answer: Mapping[str, Any], offset: int) -> bool:
    """Return whether a response to GetObject holds bytes from `offset` on; False beyond the end.

    Raises:
        ValueError: it holds another range.
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
    """Return the best checksum of the whole object in a response; None if it has none.

    Raises:
        ValueError: a value does not have the form of its checksum.
    """
    for name in names:
        digest = _text(answer.get(f"Checksum{name}") or "")
        if digest and not _OF_PARTS.search(digest) and answer.get("ChecksumType") != "COMPOSITE":
            if not _DIGEST.fullmatch(digest) or len(digest) != _DIGEST_LENGTHS[name]:
                raise ValueError(f"its {name} is malformed")
            return Checksum(name, digest)
    return None


def describe_object(answer: Mapping[str, Any]) -> RemoteObject:
    """Read the response to HeadObject."""
    computed = [full_checksum(answer, (name,)) for name in _ALGORITHMS]
    return RemoteObject(
        _number(answer["ContentLength"]),
        by_algorithm(*computed, md5_of_etag(_text(answer.get("ETag", "")))),
        answer.get("Metadata") or {},
        _text(answer.get("StorageClass") or ""),
        _lock(answer),
    )


def _lock(answer: Mapping[str, Any]) -> Lock | None:
    mode, until = answer.get("ObjectLockMode"), _time(answer.get("ObjectLockRetainUntilDate"))
    return Lock(_text(mode), until) if mode and until is not None else None


def read_lock_configuration(answer: Mapping[str, Any]) -> bool:
    """Read the response to GetObjectLockConfiguration: return whether Object Lock is enabled."""
    configured = answer.get("ObjectLockConfiguration") or {}
    return configured.get("ObjectLockEnabled") == "Enabled"


def read_put_result(answer: Mapping[str, Any], algorithm: str) -> PutResult:
    """Read the response to PutObject, UploadPart or CompleteMultipartUpload.

    `algorithm` is that of the checksum which was sent.
    """
    names = (algorithm,) if algorithm in _DIGEST_LENGTHS else ()
    encryption = _text(answer.get("ServerSideEncryption") or "")
    return PutResult(_text(answer.get("ETag", "")), full_checksum(answer, names), encryption)


def check_encryption(got: str, wanted: str | None, operation: str) -> None:
    """Check that a response confirms the requested server-side encryption, if any.

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
    """Read the response to UploadPart, which must contain the part's ETag: Complete needs it."""
    result = read_put_result(answer, algorithm)
    if not result.etag:
        raise KeyError("ETag")
    return result


def read_upload_id(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Read the response to CreateMultipartUpload: return the upload id and the encryption."""
    return _name(answer["UploadId"]), _text(answer.get("ServerSideEncryption") or "")


def read_tag_set(answer: Mapping[str, Any]) -> dict[str, str]:
    """Read the response to GetObjectTagging."""
    return {_text(tag["Key"]): _text(tag["Value"]) for tag in answer["TagSet"]}


def page_of_objects(answer: Mapping[str, Any]) -> Page[ListedObject]:
    """Read the response to ListObjectsV2."""
    items = [
        ListedObject(_name(entry["Key"]), _number(entry["Size"]), _text(entry.get("ETag", "")))
        for entry in answer.get("Contents", ())
    ]
    return Page(items, _name(answer["NextContinuationToken"]) if _goes_on(answer) else None)


def page_of_uploads(answer: Mapping[str, Any]) -> Page[OpenUpload]:
    """Read the response to ListMultipartUploads; `next` holds two markers on two lines."""
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
    """Read the response to ListParts."""
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
    """Return whether a listing has more pages; rclone omits `IsTruncated` on the last page.

    Raises:
        ValueError: it is not a listing, for example an empty response or a web page.
    """
    if not answer.keys() - _NOT_OF_THE_BODY:
        raise ValueError("it is not a listing")
    return bool(answer.get("IsTruncated"))


def _text(value: object) -> str:
    """Return a text. Raises TypeError for a list, which is a repeated element."""
    if not isinstance(value, str):
        raise TypeError("an element is repeated")
    return value


def _name(value: object) -> str:
    """Return a text. Raises ValueError if it is empty."""
    text = _text(value)
    if not text:
        raise ValueError("a name in it is empty")
    return text


def _number(value: int, *, minimum: int = 0) -> int:
    """Return a number in the range of sizes and part numbers. Raises ValueError for others."""
    if not minimum <= value <= _MAX_NUMBER:
        raise ValueError("a number in it is out of range")
    return value


def _time(value: datetime | None) -> datetime | None:
    """Return a time in UTC; a time without a zone is taken as UTC, as S3's are. None if missing."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
