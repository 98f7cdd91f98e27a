"""The catalogue as a table of Markdown, and its place in the page on reliability."""

from __future__ import annotations

from tests.faults.catalogue import KINDS
from tests.support.markdown import cell, replace_between

BEGIN = "<!-- The catalogue of faults: written by python -m tests.faults.catalogue --write -->"
END = "<!-- The end of the catalogue -->"


def rendered():
    """One table for each kind that has faults, under a heading with their number."""
    return "\n\n".join(table(*kind) for kind in KINDS.values() if kind[1])


def table(heading, faults):
    """A heading and a table of some faults."""
    lines = [f"### {heading} ({len(faults)})", "", "| id | condition | expected |", "|---|---|---|"]
    lines += [f"| {f.id} | {cell(f.condition)} | {cell(f.expected)} |" for f in faults]
    return "\n".join(lines)


def filled(document):
    """The document with this catalogue between its markers.

    Raises:
        ValueError: a marker is missing.
    """
    return replace_between(BEGIN, END, document, rendered())
