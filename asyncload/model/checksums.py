"""Checksums in S3's spelling: CRCs by awscrt, MD5 and SHA-256 by the standard library.

Source: "Checking object integrity for data uploads in Amazon S3" in the S3 user guide; a
digest is the base64 of the big-endian value.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from awscrt import checksums as crt

from asyncload.model.values import Checksum


class Crc(NamedTuple):
    """A cyclic redundancy check, which can be combined from those of parts.

    `name` is S3's, `size` its digest's in bytes. `update(data, previous)` continues from
    `previous`, 0 at the start. `join(first, second, length)` is the value of both one after the
    other; the second has `length` bytes.
    """

    name: str
    size: int
    update: Callable[[bytes | bytearray | memoryview, int], int]
    join: Callable[[int, int, int], int]

    def combine(self, parts: Iterable[tuple[int, int]]) -> int:
        """Return the value of a whole from its parts' values and lengths in bytes, in order."""
        whole = 0
        for value, length in parts:
            whole = self.join(whole, value, length)
        return whole

    def checksum(self, value: int) -> Checksum:
        """Return a value as a `Checksum`."""
        return Checksum(self.name, base64.b64encode(value.to_bytes(self.size)).decode())


CRC64NVME = Crc("CRC64NVME", 8, crt.crc64nvme, crt.combine_crc64nvme)
CRC32 = Crc("CRC32", 4, crt.crc32, crt.combine_crc32)
CRC32C = Crc("CRC32C", 4, crt.crc32c, crt.combine_crc32c)
CRCS = {crc.name: crc for crc in (CRC64NVME, CRC32, CRC32C)}

MD5_OF_PARTS = "MD5 of parts"
"""The content of the ETag of an unencrypted multipart object: the MD5 of its parts' MD5s, and their
number.
"""


def crc64nvme(data: bytes | bytearray | memoryview, previous: int = 0) -> int:
    """Return the CRC64NVME of `data`, continuing from `previous`."""
    # awscrt accepts any buffer, though it is annotated for bytes.
    return int(crt.crc64nvme(data, previous))


def combine_crc64nvme(parts: Iterable[tuple[int, int]]) -> int:
    """Return the CRC64NVME of a whole from its parts' values and lengths in bytes, in order."""
    return CRC64NVME.combine(parts)


def crc64nvme_checksum(value: int) -> Checksum:
    """Return a CRC64NVME as a `Checksum`."""
    return CRC64NVME.checksum(value)


def checksum_of(data: bytes | bytearray | memoryview, algorithm: str) -> Checksum | None:
    """Return the checksum of `data` by an algorithm in S3's spelling; None if it is unknown."""
    if algorithm in CRCS:
        crc = CRCS[algorithm]
        return crc.checksum(crc.update(data, 0))
    if algorithm == "MD5":
        return md5_checksum(data)
    return sha256_digest(hashlib.sha256(data).digest()) if algorithm == "SHA256" else None


def md5_checksum(data: bytes | bytearray | memoryview) -> Checksum:
    """Return the MD5 of `data`, which the ETag of an unencrypted single put contains."""
    return md5_digest(hashlib.md5(data, usedforsecurity=False).digest())


def md5_digest(digest: bytes) -> Checksum:
    """Return an MD5 as a `Checksum`."""
    return Checksum("MD5", base64.b64encode(digest).decode())


def sha256_digest(digest: bytes) -> Checksum:
    """Return a SHA-256 as a `Checksum`."""
    return Checksum("SHA256", base64.b64encode(digest).decode())


def md5_of_parts(digests: Iterable[bytes]) -> Checksum:
    """Return the MD5 of parts, which the ETag of an unencrypted multipart object contains."""
    joined = b"".join(digests)
    count = len(joined) // _MD5_SIZE
    digest = hashlib.md5(joined, usedforsecurity=False).hexdigest()
    return Checksum(MD5_OF_PARTS, f"{digest}-{count}")


class PartsMd5:
    """A running MD5 of parts, over bytes in pieces of any size, cut every `part_size`."""

    def __init__(self, part_size: int) -> None:
        self._part_size = part_size
        self._digests: list[bytes] = []
        self._part = hashlib.md5(usedforsecurity=False)
        self._room = part_size

    def update(self, data: memoryview, /) -> None:
        """Add the next bytes."""
        while len(data) > self._room:
            self._part.update(data[: self._room])
            data = data[self._room :]
            self._digests.append(self._part.digest())
            self._part = hashlib.md5(usedforsecurity=False)
            self._room = self._part_size
        self._part.update(data)
        self._room -= len(data)

    def checksum(self) -> Checksum:
        """Return the MD5 of the parts so far; the last of them may be shorter."""
        return md5_of_parts([*self._digests, self._part.digest()])


def find_md5_of_parts(
    data: memoryview, part_sizes: Iterable[int], wanted: Checksum
) -> Checksum | None:
    """Return the wanted MD5 of parts if cutting `data` by one of the sizes gives it; else None."""
    for size in part_sizes:
        parts = PartsMd5(size)
        parts.update(data)
        if parts.checksum() == wanted:
            return wanted
    return None


def count_of_parts(checksum: Checksum) -> int:
    """Return the number of parts of an MD5 of parts."""
    return int(checksum.digest.rpartition("-")[2])


def by_algorithm(*checksums: Checksum | None) -> dict[str, Checksum]:
    """Return checksums by their algorithm; the first of two by the same one, None skipped."""
    found: dict[str, Checksum] = {}
    for checksum in checksums:
        if checksum is not None:
            found.setdefault(checksum.algorithm, checksum)
    return found


def md5_of_etag(etag: str) -> Checksum | None:
    """Return the MD5, or MD5 of parts, that an ETag has the form of; None if it has another form.

    An ETag is opaque: the result may prove equality, never difference.
    """
    text, dash, count = etag.strip('"').lower().partition("-")
    digest = md5_bytes(text)
    if not digest:
        return None
    if not dash:
        return md5_digest(digest)
    return Checksum(MD5_OF_PARTS, f"{text}-{count}") if _COUNT.fullmatch(count) else None


def md5_bytes(etag: str) -> bytes:
    """Return the 16 bytes of an MD5 that an ETag has the form of; else none."""
    text = etag.strip('"')
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return b""
    return digest if len(digest) == _MD5_SIZE else b""


# S3 allows up to 10,000 parts.
_COUNT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_MD5_SIZE = hashlib.md5(usedforsecurity=False).digest_size
