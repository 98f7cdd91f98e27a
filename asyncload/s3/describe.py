"""From the client's answers to our values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from asyncload.checksums import CRC64NVME, by_algorithm, md5_of_etag
from asyncload.model import Checksum
from asyncload.store import ListedObject, OpenUpload, Page, RemoteObject, StoredPart

# Those that we can compute of a file, the best one first.
_ALGORITHMS = ("CRC64NVME", "CRC32C", "CRC32", "SHA256")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def full_checksum(
    answer: Mapping[str, Any], names: tuple[str, ...] = _ALGORITHMS
) -> Checksum | None:
    """Return the best checksum of all of an object's bytes that an answer holds."""
    for name in names:
        digest = answer.get(f"Checksum{name}")
        # A checksum of the parts' checksums is marked by their number: "...-3".
        if digest and "-" not in digest and answer.get("ChecksumType") != "COMPOSITE":
            return Checksum(name, digest)
    return None


def describe_object(answer: Mapping[str, Any]) -> RemoteObject:
    """Read the answer to HeadObject."""
    computed = [full_checksum(answer, (name,)) for name in _ALGORITHMS]
    return RemoteObject(
        answer["ContentLength"], by_algorithm(*computed, md5_of_etag(answer.get("ETag", "")))
    )


def page_of_objects(answer: Mapping[str, Any]) -> Page[ListedObject]:
    """Read the answer to ListObjectsV2."""
    items = [
        ListedObject(entry["Key"], entry["Size"], entry.get("ETag", ""))
        for entry in answer.get("Contents", ())
    ]
    return Page(items, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None)


def page_of_uploads(answer: Mapping[str, Any]) -> Page[OpenUpload]:
    """Read the answer to ListMultipartUploads; `next` holds two markers, parted by a newline."""
    items = [
        OpenUpload(entry["Key"], entry["UploadId"], entry.get("Initiated", _LONG_AGO))
        for entry in answer.get("Uploads", ())
    ]
    markers = answer.get("NextKeyMarker", ""), answer.get("NextUploadIdMarker", "")
    goes_on = answer.get("IsTruncated") and any(markers)
    return Page(items, "\n".join(markers) if goes_on else None)


def page_of_parts(answer: Mapping[str, Any]) -> Page[StoredPart]:
    """Read the answer to ListParts."""
    items = [
        StoredPart(
            entry["PartNumber"],
            entry["Size"],
            entry["ETag"],
            full_checksum(entry, (CRC64NVME.name,)),
            entry.get("LastModified", _LONG_AGO),
        )
        for entry in answer.get("Parts", ())
    ]
    marker = answer.get("NextPartNumberMarker")
    return Page(items, str(marker) if answer.get("IsTruncated") and marker else None)
