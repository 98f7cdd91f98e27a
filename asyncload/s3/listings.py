"""Fast reading of listing pages: botocore's parser takes longer than all other work."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from asyncload.s3.hooks.events import read_entries_by

_ROOT = "ListBucketResult"


def read_entries_quickly(client: Any) -> None:
    """Have a client read the entries of pages by `take_entries`, and the rest by its own parser."""
    read_entries_by(client, take_entries)


def take_entries(root: Element) -> list[dict[str, Any]]:
    """Return keys, sizes and ETags of a page as botocore would, and remove them from its document.

    The list is empty, and the document unchanged, if it is not a listing.

    Raises:
        ValueError: an entry is malformed; botocore then reports the error.
    """
    if not root.tag.endswith(_ROOT):
        return []
    namespace = root.tag.removesuffix(_ROOT)
    key, size, etag, contents = (f"{namespace}{n}" for n in ("Key", "Size", "ETag", "Contents"))
    elements = root.findall(contents)
    entries = []
    for element in elements:
        texts = {child.tag: child.text or "" for child in element}
        if len(texts) != len(element) or key not in texts or size not in texts:
            raise ValueError("an element is repeated or missing")
        entry = {"Key": texts[key], "Size": int(texts[size])}
        if etag in texts:
            entry["ETag"] = texts[etag]
        entries.append(entry)
    root[:] = [element for element in root if element.tag != contents]
    return entries
