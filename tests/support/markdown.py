"""Tables that are rendered into a document of Markdown, between two markers."""

from __future__ import annotations


def cell(text):
    """Text that stays within one cell of a table."""
    assert "\n" not in text
    return text.replace("|", "\\|")


def replace_between(begin, end, document, text):
    """The document with this text between the markers.

    Raises:
        ValueError: a marker is missing.
    """
    before, rest = document.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"
