"""The documents for users, README.md and all pages below docs/, wherever a text is among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
DOCS = REPOSITORY / "docs"
# Those for people who work on asyncload, or who look at one of its folders.
OTHERS = tuple(
    path
    for pattern in ("*.md", "benchmarks/*.md", "deploy/*/*.md")
    for path in sorted(REPOSITORY.glob(pattern))
    if path != README
)
PAGES = (README, *sorted(DOCS.rglob("*.md")))


class Block(NamedTuple):
    """A fenced block: the page it is on, the line that it begins on, its info string and text."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str


def name_of(path: Path) -> str:
    """The path of a document from the repository's root."""
    return path.relative_to(REPOSITORY).as_posix()


def blocks_of(text: str, page: str = "") -> Iterator[Block]:
    """Yield the fenced blocks of a text, also those that are indented in a list."""
    fence = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    for found in fence.finditer(text):
        indent, info, body = found.groups()
        language, *words = info.split() or [""]
        body = re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
        yield Block(page, text[: found.start()].count("\n") + 1, language, tuple(words), body)


def all_blocks(*languages: str) -> list[Block]:
    """The fenced blocks in these languages of all pages."""
    return [
        block
        for path in PAGES
        for block in blocks_of(path.read_text(), name_of(path))
        if block.language in languages
    ]


def everything() -> str:
    """The text of all pages."""
    return "\n".join(path.read_text() for path in PAGES)


def our_words() -> str:
    """The text of all pages without commands of other tools, and the table columns on them."""
    without_commands = re.sub(r"^\$ (aws|s5cmd|rclone) .*", "", everything(), flags=re.MULTILINE)
    theirs_first = re.compile(r"^\| [^|]+ \| asyncload \|\n(\|.*\n)+", re.MULTILINE)
    return theirs_first.sub(
        lambda t: re.sub(r"^\|[^|]*", "", t[0], flags=re.MULTILINE), without_commands
    )


def holding(text: str) -> Path:
    """The one page that has this text."""
    (page,) = (path for path in PAGES if text in path.read_text())
    return page


def section(title: str) -> str:
    """The text below the one heading with this title, to the next one of its level or above."""
    heading = re.compile(rf"^(#+) {re.escape(title)}\n", re.MULTILINE)
    (found,) = (m for path in PAGES for m in heading.finditer(path.read_text()))
    rest = found.string[found.end() :]
    without_code = re.sub(
        r"^```.*?^```$", lambda m: " " * len(m[0]), rest, flags=re.MULTILINE | re.DOTALL
    )
    end = re.search(rf"^#{{1,{len(found[1])}}} ", without_code, re.MULTILINE)
    return rest[: end.start()] if end else rest


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])
