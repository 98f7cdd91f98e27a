"""README.pt-BR.md is README.md in Brazilian Portuguese, and changes with it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.support.documents import README, REPOSITORY, blocks_of

TRANSLATION = REPOSITORY / "README.pt-BR.md"
_PROMPT = re.compile(r"^\$ .*", re.MULTILINE)


def code(text: str) -> list[tuple[str, tuple[str, ...], str]]:
    """The fenced blocks of a document, without the comments behind commands."""
    return [
        (b.language, b.words, _PROMPT.sub(lambda m: re.sub(r"\s+# .*", "", m[0]), b.text))
        for b in blocks_of(text)
    ]


def names(text: str) -> Counter[str]:
    """What is written as code in the prose."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return Counter(re.findall(r"`([^`\n]+)`", prose))


def structure(text: str) -> list[str]:
    """The marks that headings, items and rows begin with, in their order."""
    return re.findall(r"^(#+ |- |\||```)", text, re.MULTILINE)


def links(text: str) -> Counter[str]:
    """What the links lead to, without headings, whose names are translated, and other languages."""
    found = re.findall(r"\]\(([^)#]+)", text) + re.findall(r"^\[\w+\]: (\S+)", text, re.MULTILINE)
    return Counter(found) - Counter([README.name, TRANSLATION.name])


def figures(text: str) -> list[str]:
    """The numbers of the prose and the tables."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\d+(?:[.,]\d+)*", prose)


def figures_in_portuguese(text: str) -> list[str]:
    """The same of a translation, with points and commas as in English."""
    return [number.translate(str.maketrans(".,", ",.")) for number in figures(text)]


def differences(original: str, translation: str) -> list[str]:
    """In which respects a translation differs from its original."""
    versions = re.compile(r"(?<=Python )3\.\d+")
    original, translation = (versions.sub("", t) for t in (original, translation))
    compared = {
        "code": (code(original), code(translation)),
        "names": (names(original), names(translation)),
        "structure": (structure(original), structure(translation)),
        "links": (links(original), links(translation)),
        "figures": (figures(original), figures_in_portuguese(translation)),
    }
    return [name for name, (one, other) in compared.items() if one != other]


def test_the_readmes_have_the_same_commands_structure_links_and_figures():
    """The prose is for its translator to compare."""
    assert differences(README.read_text(), TRANSLATION.read_text()) == []


def test_the_readmes_lead_to_each_other():
    """At their beginnings, and the headings that they link to exist."""
    assert f"]({TRANSLATION.name})" in README.read_text()[:100]
    assert f"]({README.name})" in TRANSLATION.read_text()[:100]
    for text in (README.read_text(), TRANSLATION.read_text()):
        titles = [title.lower() for title in re.findall(r"^#+ (.*)", text, re.MULTILINE)]
        assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(titles)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("--date yesterday", "--date today", ["code"]),
        ("`asyncload verify`", "`asyncload check`", ["names"]),
        ("\n## Recipes\n", "\n", ["structure"]),
        ("- **Fast.**", "**Fast.**", ["structure"]),
        ("docs/how-to/plan.md", "docs/how-to/clean.md", ["links"]),
        ("| 3.4 |", "| 3.5 |", ["figures"]),
        ("100,000", "100,001", ["figures"]),
        ("# then load your own files", "# then load your files", []),
    ],
)
def test_a_change_to_the_original_alone_is_found(old, new, found):
    """A comment behind a command is prose."""
    original = README.read_text()
    assert old in original
    assert differences(original.replace(old, new), TRANSLATION.read_text()) == found
