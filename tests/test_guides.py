"""Each command in the documents does what its page says, or has a reason not to be run."""

from __future__ import annotations

import re

import pytest

from tests.support.commands import Command, all_commands
from tests.support.documents import DOCS, blocks_of
from tests.support.guides import GUIDES, NOT_RUN, reasons_not_to_run
from tests.support.reader import Guide, Reader, is_shown

COMMANDS = all_commands()
RUN = [c for c in COMMANDS if c.page in GUIDES and not reasons_not_to_run(c)]


def test_each_command_is_run_or_has_a_reason():
    """A new one needs a page of GUIDES that it can be run on, or an entry of NOT_RUN."""
    neither = [
        f"{c.page}:{c.line}: {c.text}"
        for c in COMMANDS
        if c not in RUN and not reasons_not_to_run(c)
    ]
    assert neither == []


def test_each_reason_and_guide_has_commands():
    """One whose command has gone goes, too."""
    assert {entry for c in COMMANDS for entry in reasons_not_to_run(c)} == set(NOT_RUN)
    assert {c.page for c in RUN} == set(GUIDES)


@pytest.mark.parametrize(
    ("shown", "output", "equal"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nc\n", False),
        ("a\n", "a\nb\n", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("a\n...\nd\n", "d\na\n", True),
        ("a\n...\n", "b\nc\n", False),
        (
            "20220502T060000Z-8f3a52c1 in 0.1 s, 864.2 kB/s\n",
            "20261126T154510Z-eced05d5 in 2 s\n",
            True,
        ),
        ("47,220 bytes in 0.1 s\n", "47,221 bytes in 0.1 s\n", False),
    ],
)
def test_an_output_is_compared_with_the_page(shown, output, equal):
    """But for times, rates and the names of runs."""
    assert is_shown(shown, output) == equal


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", GUIDES)
def test_a_page_can_be_followed(page, seaweedfs, tmp_path):
    """Its commands in their order, with the exit codes, outputs and objects that it speaks of."""
    reader = Reader(tmp_path, seaweedfs, page, GUIDES[page])
    for command in RUN:
        if command.page == page:
            reader.follow(command)
    reader.end()


@pytest.mark.nightly
def test_the_line_for_cron_can_be_run(seaweedfs, tmp_path):
    """By the shell, and with the variables, that cron gives it."""
    text = (DOCS / "how-to" / "cron.md").read_text()
    (crontab,) = (block.text for block in blocks_of(text) if block.language == "text")
    *variables, entry = crontab.splitlines()
    command = re.fullmatch(r"(?:\S+ ){5}(.*)", entry)[1]
    assert "'" not in command
    reader = Reader(tmp_path, seaweedfs, "crontab", Guide(landed=8))
    environment = " ".join(v for v in variables if not v.startswith("MAILTO="))
    reader.follow(Command("", 1, f"""env -i HOME="$HOME" {environment} /bin/sh -c '{command}'"""))
    reader.end()
