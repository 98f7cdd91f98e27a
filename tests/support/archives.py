"""ZIP archives made member by member, so that each field of each header can be wrong."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace

STORED, DEFLATED = 0, 8
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
        packed = deflate(self.data) if self.method == DEFLATED else self.data
        packed = packed if self.packed is None else self.packed
        computed = {
            "crc": zlib.crc32(self.data),
            "size": len(self.data),
            "stored": len(packed),
            "offset": offset,
        }
        given = {name: getattr(self, name) for name in _FORGEABLE}
        fields = computed | {name: value for name, value in given.items() if value is not None}
        return replace(self, packed=packed, **fields)


def deflate(data: bytes, level: int = 1) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


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
