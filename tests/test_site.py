"""The documentation site has all pages, and its commands are valid."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator

import pytest
import typer

from asyncload.cli.app import make_app
from asyncload.cli.usage import normalized_arguments
from tests.support.commands import all_commands, calls_of, commands_of
from tests.support.documents import DOCS, OTHERS, PAGES, Block, name_of
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


def test_the_commands_of_a_block_are_found():
    """With their output, and each `asyncload` behind an assignment or a pipe, without comments."""
    text = "# Of the next\n$ A=1 asyncload run x \\\n    --date y > f || exit 1  # z\nasyncload\n"
    text += "# Of the next\n$ a | asyncload where f\n"
    first, second = commands_of(Block("page", 1, "console", (), text))
    assert first == ("page", 3, "A=1 asyncload run x --date y > f || exit 1", "asyncload\n")
    assert second == ("page", 7, "a | asyncload where f", "")
    assert list(calls_of(first.text)) == [["run", "x", "--date", "y"]]
    assert list(calls_of(second.text)) == [["where", "f"]]
    script = "for x in a b; do\n  asyncload run $x\ndone\n"
    (whole,) = commands_of(Block("page", 1, "sh", (), script))
    assert whole == ("page", 2, script, "")


COMMANDS = [command for command in all_commands() if any(True for _ in calls_of(command.text))]


def test_the_documents_have_commands():
    """Those that the next test checks."""
    assert len(COMMANDS) > 90


@pytest.mark.parametrize("page", sorted({command.page for command in COMMANDS}))
def test_each_command_of_a_page_has_valid_options(page, monkeypatch, tmp_path):
    """As the program itself reads them, with the settings file that one names; it is not run."""
    (tmp_path / "nightly.toml").touch()
    monkeypatch.chdir(tmp_path)
    app = typer.main.get_command(make_app())
    for name in list(os.environ):
        if name.startswith("ASYNCLOAD_"):
            monkeypatch.delenv(name)
    calls = [c for command in COMMANDS if command.page == page for c in calls_of(command.text)]
    for arguments in map(normalized_arguments, calls):
        with app.make_context("asyncload", list(arguments)) as context:
            if arguments[0] in app.commands:
                called = app.commands[arguments[0]]
                called.make_context(arguments[0], arguments[1:], parent=context)


def commands_in_prose(text: str) -> Iterator[list[str]]:
    """The arguments of each `asyncload` that is written as code in a sentence."""
    prose = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`(asyncload\s[^`]+)`", prose):
        yield from calls_of(" ".join(code.split()))


def test_commands_in_the_prose_have_the_options_that_are_named():
    """They may be shortened: a bucket or a value can be missing."""
    known = {
        name: {"--help"}.union(*((*p.opts, *p.secondary_opts) for p in command.params))
        for name, command in typer.main.get_command(make_app()).commands.items()
    }
    unknown = [
        f"{name_of(page)}: asyncload {' '.join([name, *words])}"
        for page in (*PAGES, *OTHERS)
        for name, *words in commands_in_prose(page.read_text())
        if name != "COMMAND" and not name.startswith("-")
        if not {word for word in words if word.startswith("--")} <= known.get(name, set())
    ]
    assert unknown == []


def test_commands_in_the_prose_are_found():
    """Also over the end of a line, and not those in a block."""
    text = "Use `asyncload run\n--quiet` or `--json`.\n```console\n$ asyncload plan x\n```\n"
    assert list(commands_in_prose(text)) == [["run", "--quiet"]]
