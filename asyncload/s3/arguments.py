"""From our values to what the client's operations are given."""

from __future__ import annotations

from typing import Any

from asyncload.model.values import Checksum
from asyncload.store.protocol import Part


def checksum_arguments(checksum: Checksum) -> dict[str, str]:
    """Return what a put or part is given, to be checked by."""
    if checksum.algorithm == "MD5":
        return {"ContentMD5": checksum.digest}
    return {
        # Some servers return a checksum only where its algorithm is named, too.
        "ChecksumAlgorithm": checksum.algorithm,
        f"Checksum{checksum.algorithm}": checksum.digest,
    }


def checksum_headers(checksum: Checksum) -> dict[str, str]:
    """Return what `checksum_arguments` become as headers, for a request that the client skips."""
    if checksum.algorithm == "MD5":
        return {"content-md5": checksum.digest}
    return {
        "x-amz-sdk-checksum-algorithm": checksum.algorithm,
        f"x-amz-checksum-{checksum.algorithm.lower()}": checksum.digest,
    }


def part_arguments(part: Part, *, checksum: bool) -> dict[str, Any]:
    """Return how Complete names a part, with its checksum if that is wanted and no MD5."""
    named = {"PartNumber": part.number, "ETag": part.etag}
    if checksum and part.checksum.algorithm != "MD5":
        named[f"Checksum{part.checksum.algorithm}"] = part.checksum.digest
    return named


def condition(create_only: bool) -> dict[str, str]:
    """Return what keeps an object that is there."""
    return {"IfNoneMatch": "*"} if create_only else {}


def whole_arguments(checksum: Checksum | None) -> dict[str, str]:
    """Return how Complete is told the full object's checksum."""
    if checksum is None:
        return {}
    return {f"Checksum{checksum.algorithm}": checksum.digest, "ChecksumType": "FULL_OBJECT"}
