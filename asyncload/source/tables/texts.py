"""The text of a CSV: its encoding, found while it is read, as UTF-8 with simple line ends."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

from asyncload.source.tables.values import Finding

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NAMES = {
    "": "ASCII",
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 with BOM",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "utf-32-le": "UTF-32LE",
    "utf-32-be": "UTF-32BE",
    "cp1252": "windows-1252",
    "latin-1": "ISO-8859-1",
}
BOM = codecs.BOM_UTF8
"""The byte order mark that some programs write before UTF-8."""
_REPLACEMENT = "\ufffd"


def wide_encoding(head: bytes) -> str:
    """Return the encoding of a text whose characters have several bytes each; "" if they have not.

    Without a byte order mark, UTF-16 is known by its zeros, which are every second byte.
    """
    for mark, name in _BOMS[1:]:
        if head.startswith(mark):
            return name
    even, odd = head[0:4000:2], head[1:4000:2]
    zeros = even.count(0), odd.count(0)
    if zeros[1] > 0.6 * len(odd) and zeros[0] < 0.1 * len(even):
        return "utf-16-le"
    if zeros[0] > 0.6 * len(even) and zeros[1] < 0.1 * len(odd):
        return "utf-16-be"
    return ""


@dataclass(slots=True)
class Text:
    """Cleans the parts of a file, each of whole lines, and learns their encoding.

    A text that is not UTF-8 is read as Windows-1252, the encoding that most such files have. If it
    has bytes that Windows-1252 does not know, as ISO-8859-1, which knows all.
    """

    encoding: str = ""
    invalid: int = 0
    first_invalid: int = 0
    mixed: bool = False
    nuls: int = 0
    first_nul: int = 0

    def clean(self, data: bytes, first_line: int) -> bytes:
        """Return a part of the file as UTF-8; it begins at this line."""
        if not data.isascii() and not self.encoding.startswith(("utf-16", "utf-32")):
            data = self._as_utf8(data, first_line)
        if zeros := data.count(0):
            if not self.nuls:
                self.first_nul = first_line + data.count(b"\n", 0, data.index(0))
            self.nuls += zeros
        if b"\r" in data:
            # A return within a line would end it.
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b" ")
        return data

    def _as_utf8(self, data: bytes, first_line: int) -> bytes:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if not self.invalid:
                self.first_invalid = first_line + data.count(b"\n", 0, error.start)
            return self._decode(data)
        if self.encoding in ("cp1252", "latin-1"):
            self.mixed = True
        else:
            self.encoding = self.encoding or "utf-8"
        return data

    def _decode(self, data: bytes) -> bytes:
        """Decode data that has bytes which are not UTF-8."""
        replaced = data.decode("utf-8", "replace")
        invalid = replaced.count(_REPLACEMENT)
        valid = len(replaced) - len(replaced.encode("ascii", "ignore")) - invalid
        self.invalid += invalid
        # Two letters of Windows-1252 may by chance be one of UTF-8.
        if valid * 50 > invalid or self.encoding.startswith("utf-8"):
            self.mixed = True
            if self.encoding.startswith("utf-8") or valid >= invalid:
                self.encoding = self.encoding or "utf-8"
                return replaced.encode()
        if self.encoding != "latin-1":
            try:
                text = data.decode("cp1252")
            except UnicodeDecodeError:
                self.encoding = "latin-1"
            else:
                self.encoding = "cp1252"
                return text.encode()
        return data.decode("latin-1").encode()

    @property
    def name(self) -> str:
        """The encoding, for people."""
        return _NAMES[self.encoding]

    def findings(self) -> Iterator[Finding]:
        """Yield the findings about the text as a whole."""
        if self.nuls:
            yield Finding("NUL bytes", f"{self.nuls:,} NUL bytes", line=self.first_nul)
        if self.mixed:
            yield Finding(
                "encoding",
                f"mixed encodings: {self.invalid:,} bytes are not valid UTF-8, others are",
                line=self.first_invalid,
            )
        elif self.encoding not in ("", "utf-8", "utf-8-sig"):
            line = self.first_invalid or None
            likely = "probably " * (self.encoding in ("cp1252", "latin-1"))
            yield Finding("encoding", f"not UTF-8, but {likely}{self.name}", line=line)
