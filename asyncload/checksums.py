"""Checksums in S3's spelling: CRC64NVME by awscrt, MD5 by the standard library.

Source: "Checking object integrity for data uploads in Amazon S3" in the S3 user guide; a
digest is the base64 of the big-endian value.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from awscrt import checksums as crt

from asyncload.model import Checksum


def crc64nvme(data: bytes | bytearray | memoryview, previous: int = 0) -> int:
    """Return the CRC64NVME of `data`, going on from `previous`."""
    # awscrt takes any buffer, though it is annotated for bytes.
    return int(crt.crc64nvme(data, previous))


def combine_crc64nvme(parts: Iterable[tuple[int, int]]) -> int:
    """Return the CRC64NVME of a whole from its parts' values and lengths in bytes, in order."""
    whole = 0
    for value, length in parts:
        whole = crt.combine_crc64nvme(whole, value, length)
    return whole


def crc64nvme_checksum(value: int) -> Checksum:
    """Put a CRC64NVME into S3's spelling."""
    return Checksum("CRC64NVME", base64.b64encode(value.to_bytes(8)).decode())


def md5_checksum(data: bytes | bytearray | memoryview) -> Checksum:
    """Return the MD5 of `data`: what a plain single put's ETag holds."""
    return md5_digest(hashlib.md5(data, usedforsecurity=False).digest())


def md5_digest(digest: bytes) -> Checksum:
    """Put an MD5 into S3's spelling."""
    return Checksum("MD5", base64.b64encode(digest).decode())


def md5_of_etag(etag: str) -> Checksum | None:
    """Return the MD5 that an ETag holds, or None where it has not the form of one.

    An ETag is opaque: the result is good for proving equality, never difference.
    """
    try:
        digest = bytes.fromhex(etag.strip('"'))
    except ValueError:
        return None
    if len(digest) != hashlib.md5(usedforsecurity=False).digest_size:
        return None
    return md5_digest(digest)
