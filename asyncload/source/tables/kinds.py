"""Recognise files that are named as CSVs, but are something else. Pure."""

from __future__ import annotations

_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "gzip data; name it .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data; name it .csv.zst"),
    (b"BZh", "bzip2 data; name it .csv.bz2"),
    (b"PAR1", "Parquet"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
)
_MARKUP = ((b"<!doctype", "HTML"), (b"<html", "HTML"), (b"<?xml", "XML"))
_BINARY = 0.1
_ZEROS = 0.3
# Bytes that texts have besides letters: tab, line feed, form feed, return, and unit separators.
_CONTROLS = bytes(set(range(32)) - {0, 9, 10, 12, 13, *range(28, 32)})


def other_kind(head: bytes) -> str:
    """Return what a file with this beginning is instead of a CSV; "" if it may be one."""
    for magic, kind in _MAGIC:
        # `BZh` and `ORC` may as well be the name of a column.
        if head.startswith(magic) and (len(magic) > 3 or _binary(head) or magic[0] > 126):
            return kind
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:16].lower()
    for word, kind in _MARKUP:
        if start.startswith(word):
            return kind
    return "binary data" if _binary(head) else ""


def _binary(head: bytes) -> bool:
    if head.count(0) > _ZEROS * len(head):
        return True
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls > _BINARY * len(head)
