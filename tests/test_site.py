"""The documentation site has all pages, and its commands are valid."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Iterator

import pytest
import typer

from asyncload.cli.app import make_app
from asyncload.cli.usage import normalized_arguments
from tests.support.documents import DOCS, Block, all_blocks
from tests.support.site import CONFIGURATION, faults_of


def entries(nav) -> Iterator[str]:
    """The pages of a navigation, in its order."""
    if isinstance(nav, str):
        yield nav
    else:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from entries(entry)


def test_the_navigation_has_each_page_once():
    """A page that a reader can't find is as good as none."""
    listed = list(entries(tomllib.loads(CONFIGURATION.read_text())["project"]["nav"]))
    assert sorted(listed) == sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))


def test_the_index_of_how_to_guides_has_each_guide_once():
    """Under the group that it belongs to."""
    folder = DOCS / "how-to"
    listed = re.findall(r"^- \[.*\]\((\S+)\)", (folder / "index.md").read_text(), re.MULTILINE)
    assert sorted([*listed, "index.md"]) == sorted(path.name for path in folder.iterdir())


def test_dead_links_dead_anchors_and_what_is_fetched_from_elsewhere_are_found(tmp_path):
    """Links to the web and to headings and files that exist are none of them."""
    (tmp_path / "other.html").write_text('<h1 id="here">')
    (tmp_path / "index.html").write_text(
        '<a href="other.html#here"><a href="#"><a href="https://example.com"><a href="gone.html">'
        '<a href="other.html#gone"><script src="https://example.com/a.js"></script>'
        '<img src="gone.svg"><pre class="mermaid">'
    )
    assert sorted(faults_of(tmp_path)) == [
        "index.html fetches https://example.com/a.js",
        "index.html fetches https://unpkg.com/mermaid",
        "index.html links to gone.html, which does not exist",
        "index.html links to gone.svg, which does not exist",
        "index.html links to other.html#gone, which has no such heading",
    ]


def commands_of(block: Block) -> Iterator[list[str]]:
    """The arguments of each `asyncload` in a block of a shell."""
    text = re.sub(r" *\\\n\s*(?:> )?", " ", block.text)
    for line in text.splitlines():
        if block.language == "console" and not line.startswith("$ "):
            continue
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word.strip(";&|<>") and not words:
                # Assignments stand before a command.
                words = [] if re.match(r"\w+=", word) else [word]
            elif word in (";", "&&", "||", "|", "&"):
                if words and words[0].rpartition("/")[2] == "asyncload":
                    yield words[1 : words.index(">") if ">" in words else None]
                words = []
            else:
                words.append(word)


def test_the_commands_of_a_block_are_found():
    """Behind a prompt, an assignment or a pipe, over several lines, without comment and output."""
    text = "$ A=1 asyncload run x \\\n    --date y > f || exit 1  # z\nasyncload\n"
    text += "$ a | asyncload where f\n"
    found = commands_of(Block("", 1, "console", (), text))
    assert list(found) == [["run", "x", "--date", "y"], ["where", "f"]]


BLOCKS = [b for b in all_blocks("console", "sh", "bash") if any(True for _ in commands_of(b))]


def test_the_documents_have_commands():
    """Those that the next test checks."""
    assert len(BLOCKS) > 20


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_each_command_in_the_documents_has_valid_options(block, monkeypatch, tmp_path):
    """As the program itself reads them, with the settings file that one names; it is not run."""
    (tmp_path / "nightly.toml").touch()
    monkeypatch.chdir(tmp_path)
    app = typer.main.get_command(make_app())
    for name in list(os.environ):
        if name.startswith("ASYNCLOAD_"):
            monkeypatch.delenv(name)
    for arguments in map(normalized_arguments, commands_of(block)):
        with app.make_context("asyncload", list(arguments)) as context:
            if arguments[0] in app.commands:
                command = app.commands[arguments[0]]
                command.make_context(arguments[0], arguments[1:], parent=context)
