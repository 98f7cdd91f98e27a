"""Pages of listings: botocore's parser takes longer to read their entries than all else."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from asyncload.s3.hooks.events import read_entries_by

_ROOT = "ListBucketResult"


def read_entries_quickly(client: Any) -> None:
    """Have a client read what a page lists by `take_entries`, and only the rest by its parser."""
    read_entries_by(client, take_entries)


def take_entries(root: Element) -> list[dict[str, Any]]:
    """Return keys, sizes and ETags of a page as botocore would, and take them out of its document.

    There are none, and nothing is taken out, where there is nothing of a listing.

    Raises:
        ValueError: botocore has to say what is wrong with an entry.
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
