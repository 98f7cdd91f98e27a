"""ZIP archives made member by member, so that each field of each header can be wrong."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from dataclasses import dataclass, replace

STORED, DEFLATED, BZIP2, LZMA = 0, 8, 12, 14
_MARKED_END = 2
_FORGEABLE = ("crc", "size", "stored", "offset")


@dataclass(frozen=True)
class Made:
    """A member to be made. A field that is None is computed; another value is written as it is.

    `data` are the bytes without compression, `packed` those in the archive.
    """

    name: bytes
    data: bytes = b""
    method: int = DEFLATED
    flags: int = 0
    extra: bytes = b""
    disk: int = 0
    packed: bytes | None = None
    crc: int | None = None
    size: int | None = None
    stored: int | None = None
    offset: int | None = None
    local: bytes = b"PK\3\4"

    def filled(self, offset: int) -> Made:
        """The member with all of its fields, behind `offset` bytes."""
        pack = PACKING.get(self.method, bytes)
        packed = pack(self.data) if self.packed is None else self.packed
        flags = self.flags | (_MARKED_END if self.method == LZMA and self.packed is None else 0)
        computed = {
            "crc": zlib.crc32(self.data),
            "size": len(self.data),
            "stored": len(packed),
            "offset": offset,
        }
        given = {name: getattr(self, name) for name in _FORGEABLE}
        fields = computed | {name: value for name, value in given.items() if value is not None}
        return replace(self, packed=packed, flags=flags, **fields)


def deflate(data: bytes, level: int = 1) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def pack_lzma(data: bytes, dictionary: int = 1 << 16) -> bytes:
    """LZMA with its header, and with a marker at its end."""
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 0, "dict_size": dictionary}]
    packer = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=filters)
    header = struct.pack("<BBHBI", 9, 20, 5, 0x5D, dictionary)
    return header + packer.compress(data) + packer.flush()


PACKING = {DEFLATED: deflate, BZIP2: lambda data: bz2.compress(data, 1), LZMA: pack_lzma}


def make_zip(*members: Made, disk: int = 0, comment: bytes = b"") -> bytes:
    """The archive. Sizes of 4 GiB and more are written as ZIP64 has them."""
    body, directory = bytearray(), bytearray()
    for member in members:
        made = member.filled(len(body))
        body += struct.pack("<4s5H3I2H", made.local, 45, made.flags, made.method, 0, 0x5C21,
                            made.crc, made.stored & 0xFFFFFFFF, made.size & 0xFFFFFFFF,
                            len(made.name), 0)  # fmt: skip
        body += made.name + made.packed
        directory += _entry(made)
    start = len(body)
    end = struct.pack("<4s4H2IH", b"PK\5\6", disk, disk, len(members) & 0xFFFF,
                      len(members) & 0xFFFF, len(directory), start, len(comment))  # fmt: skip
    return bytes(body + directory + end + comment)


def _entry(made: Made) -> bytes:
    large = {name: getattr(made, name) for name in ("size", "stored", "offset")}
    large = {name: value for name, value in large.items() if value >= 0xFFFFFFFF}
    extra = made.extra
    if large:
        fields = b"".join(struct.pack("<Q", value) for value in large.values())
        extra += struct.pack("<HH", 1, len(fields)) + fields
    short = {name: min(getattr(made, name), 0xFFFFFFFF) for name in ("size", "stored", "offset")}
    header = struct.pack("<4s6H3I5H2I", b"PK\1\2", 45, 45, made.flags, made.method, 0, 0x5C21,
                         made.crc, short["stored"], short["size"], len(made.name), len(extra), 0,
                         made.disk, 0, 0, short["offset"])  # fmt: skip
    return header + made.name + extra


def zip_of(files: dict[str, bytes], method: int = DEFLATED) -> bytes:
    """An archive of these files; names that are not ASCII are marked as UTF-8."""
    return make_zip(
        *(
            Made(name.encode(), data, method, flags=0 if name.isascii() else 0x800)
            for name, data in files.items()
        )
    )
