"""Names of files: bytes in the file system, text by UTF-8 everywhere else, in any locale.

Bytes that are not UTF-8 become lone surrogates, as with Python's `surrogateescape`, so that names
and texts correspond one to one.

The path of a member is that of its archive, `//`, and its name: `exports/films.zip//movies.csv`. No
other path contains `//`.

The path of a file is relative to the volume. If a run has several, it is absolute, and begins with
that of its volume: `/mnt/eu/movies.csv`.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Collection


def to_text(name: bytes) -> str:
    """Return a file name's text."""
    return name.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Return the file system's bytes for a text of `to_text`."""
    return text.encode("utf-8", "surrogateescape")


def from_command_line(word: str) -> str:
    """Return a word of the command line or the environment as UTF-8.

    Python decodes both by the locale; in Latin-1 an `é` would become two letters.
    """
    return word if sys.getfilesystemencoding() == "utf-8" else to_text(os.fsencode(word))


def composed(text: str) -> str:
    """Return a text in NFC: an `é` may be one character, or two as in macOS."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


MEMBER = "//"
"""Stands between the path of an archive and the name of a member."""


def split_member(path: str) -> tuple[str, str]:
    """Return the archive and the name of a member's path; no name if it is another file's."""
    archive, _, name = path.partition(MEMBER)
    return archive, name


def without_archive(path: str) -> str:
    """Return the path as if the archive were a folder that is not there."""
    archive, name = split_member(path)
    return archive[: archive.rfind("/") + 1] + name if name else path


def volume_of(path: str, volumes: Collection[str]) -> str:
    """Return the volume of a file's path, among several; "" if none of them has it.

    A volume is a folder, or a single file.
    """
    end = len(split_member(path)[0])
    while end > 0:
        if path[:end] in volumes:
            return path[:end]
        end = path.rfind("/", 0, end)
    return "/" if path.startswith("/") and "/" in volumes else ""


def split_volume(path: str, volumes: Collection[str]) -> tuple[str, str]:
    """Return the folder of a file's volume, and its path below that folder.

    The folder is "" if no volume has the path: it is relative already.
    """
    folder = volume_of(path, volumes) if volumes else ""
    if not folder:
        return "", path
    if folder == split_member(path)[0]:
        # A volume that is a file is in its folder.
        folder = folder[: folder.rfind("/")] or "/"
    return folder, path[len(folder.rstrip("/")) + 1 :]


def below_volume(folder: str, path: str) -> str:
    """Return the full path of a file below a folder of several volumes."""
    return f"{folder.rstrip('/')}/{path}"
