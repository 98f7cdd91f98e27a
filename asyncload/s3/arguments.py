"""Arguments and headers of the client's operations, made of our values."""

from __future__ import annotations

from typing import Any

from asyncload.model.values import Checksum
from asyncload.store.protocol import Part


def checksum_arguments(checksum: Checksum) -> dict[str, str]:
    """Return the arguments of a put or part by which the store checks its bytes."""
    if checksum.algorithm == "MD5":
        return {"ContentMD5": checksum.digest}
    return {
        # Some servers return a checksum only if its algorithm is named, too.
        "ChecksumAlgorithm": checksum.algorithm,
        f"Checksum{checksum.algorithm}": checksum.digest,
    }


def checksum_headers(checksum: Checksum) -> dict[str, str]:
    """Return the headers that the client would make of `checksum_arguments`."""
    if checksum.algorithm == "MD5":
        return {"content-md5": checksum.digest}
    return {
        "x-amz-sdk-checksum-algorithm": checksum.algorithm,
        f"x-amz-checksum-{checksum.algorithm.lower()}": checksum.digest,
    }


def part_arguments(part: Part, *, checksum: bool) -> dict[str, Any]:
    """Return how Complete refers to a part, with its checksum if wanted and not an MD5."""
    named = {"PartNumber": part.number, "ETag": part.etag}
    if checksum and part.checksum.algorithm != "MD5":
        named[f"Checksum{part.checksum.algorithm}"] = part.checksum.digest
    return named


def condition(create_only: bool) -> dict[str, str]:
    """Return the arguments that keep an existing object from being replaced."""
    return {"IfNoneMatch": "*"} if create_only else {}


def whole_arguments(checksum: Checksum | None) -> dict[str, str]:
    """Return how Complete refers to the full object's checksum."""
    if checksum is None:
        return {}
    return {f"Checksum{checksum.algorithm}": checksum.digest, "ChecksumType": "FULL_OBJECT"}
