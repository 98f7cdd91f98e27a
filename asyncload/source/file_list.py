"""A list of files to load (`--files-from`), as written by `find`, rclone's users or tar's."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from asyncload.errors import SourceUnreadable, UsageError

STANDARD_INPUT = "-"

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_COMMENTS = (b"#", b";")
# The path of a member, as messages and records have it; see `model.names`.
_OF_MEMBER = re.compile(rb"(.*?\.zip)//+(.+)", re.IGNORECASE | re.DOTALL)


class FileList(NamedTuple):
    """The content of a list of files, and where it came from, for messages."""

    content: bytes
    origin: str
    nul: bool = False

    def names(self) -> Iterator[bytes]:
        """Yield the names in the list: one a line, or with `nul` each up to a NUL byte.

        In lines, those that are blank or begin with `#` or `;` are skipped, as in rclone, and so is
        the carriage return of a CRLF. Between NUL bytes every byte belongs to a name.
        """
        if self.nul:
            yield from filter(None, _cut(self.content, b"\0"))
            return
        for line in _cut(self.content.removeprefix(_UTF8_MARK), b"\n"):
            name = line.removesuffix(b"\r")
            if name.strip() and not name.startswith(_COMMENTS):
                yield name


def read_list(path: Path, *, nul: bool) -> FileList:
    """Read a list of files; the path `-` is standard input. Blocks, for a pipe without a limit.

    Raises:
        UsageError: it can't be read, or is not such a list.
    """
    origin = "standard input" if str(path) == STANDARD_INPUT else str(path)
    try:
        if str(path) == STANDARD_INPUT:
            # Python has none if the process was started without.
            content = sys.stdin.buffer.read() if sys.stdin else b""
        else:
            content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"--files-from: {origin} can't be read: {reason}",
            hint="give a file with one path a line, or - for standard input",
        ) from error
    if content.startswith(_UTF16_MARKS):
        raise UsageError(
            f"--files-from: {origin} is UTF-16, as PowerShell writes it", hint="save it as UTF-8"
        )
    if b"\0" in content and not nul:
        raise UsageError(
            f"--files-from: {origin} contains NUL bytes",
            hint="use --null (-0) for names that end in NUL, as find -print0 writes them",
        )
    return FileList(content, origin, nul)


def path_below(name: bytes, roots: tuple[bytes, ...]) -> bytes:
    """Return the path of a listed name, relative to the volume; "" is the volume itself. Pure.

    Args:
        name: as listed: relative to the volume, or absolute.
        roots: the volume's absolute paths, as given and without links.

    Raises:
        SourceUnreadable: it leads out of the volume.
    """
    if name.startswith(b"/"):
        below = below_root(name, roots)
        if below is None:
            raise outside_error()
        name = below
    segments = [segment for segment in name.split(b"/") if segment not in (b"", b".")]
    if b".." in segments:
        raise SourceUnreadable(
            "the path contains '..', which may lead out of the volume",
            hint="list paths relative to the volume, without '..'",
        )
    return b"/".join(segments)


def below_root(name: bytes, roots: tuple[bytes, ...]) -> bytes | None:
    """Return an absolute name behind the first of the roots that it is below; None if none is."""
    for root in roots:
        inside = root.rstrip(b"/") + b"/"
        if (name + b"/").startswith(inside):
            return name[len(inside) :]
    return None


def outside_error() -> SourceUnreadable:
    """Return the error of a listed path that is outside of the volume."""
    return SourceUnreadable(
        "the path is outside of the volume",
        hint="list paths relative to the volume, or absolute ones below it",
    )


def split_listed(name: bytes) -> tuple[bytes, bytes]:
    """Return a listed name's archive and member; no member if it is not the path of one. Pure."""
    match = _OF_MEMBER.fullmatch(name)
    return (match[1], match[2]) if match else (name, b"")


def roots_of(volume: bytes) -> tuple[bytes, ...]:
    """Return the absolute paths of a volume: as given, and without links."""
    return os.path.abspath(volume), os.path.realpath(volume)  # noqa: PTH100  # of bytes, and links stay


def _cut(content: bytes, end: bytes) -> Iterator[bytes]:
    """Yield the pieces before each `end`, and the rest, without a list of all of them."""
    start = 0
    while (at := content.find(end, start)) >= 0:
        yield content[start:at]
        start = at + 1
    yield content[start:]
