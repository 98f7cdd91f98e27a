"""Names of files: bytes in the file system, text by UTF-8 everywhere else, whatever the locale.

Bytes that are not UTF-8 become lone surrogates, as Python's own `surrogateescape` has it, so that
each name has one text and each such text leads back to its name.
"""

from __future__ import annotations

import os
import sys
import unicodedata


def to_text(name: bytes) -> str:
    """Return a file name's text."""
    return name.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Return the name or path in the file system that a text of `to_text` stands for."""
    return text.encode("utf-8", "surrogateescape")


def from_command_line(word: str) -> str:
    """Return what a word of the command line or of the environment is as UTF-8.

    Python reads both by the locale, where Latin-1 would make two letters of an `é`.
    """
    return word if sys.getfilesystemencoding() == "utf-8" else to_text(os.fsencode(word))


def composed(text: str) -> str:
    """Return a text in NFC: an `é` may be one character or two, as macOS writes it."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
