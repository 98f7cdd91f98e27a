"""The documents' table of options: `python -m tests.support.options_table --write` renders it."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import MISSING

from asyncload.cli.parameters import default_of, shown_default
from asyncload.settings.options import LIKE_RUN, OPTIONS, options_of
from tests.support.documents import holding
from tests.support.markdown import cell, replace_between

BEGIN = "<!-- The options: written by python -m tests.support.options_table --write -->"
OTHERS = ("watch", "collect", "verify", "clean", "report", "runs", "where", "check", "ddl")
END = "<!-- The end of the options -->"


def rendered():
    """The options of `run`, which of them the other commands take, and the others."""
    others = [option for option in OPTIONS if "run" not in option.commands]
    return "\n\n".join(
        [
            table("option", [o for o in options_of("run") if not o.positional]),
            *(shares(command) for command in OTHERS),
            *(shares_all(command) for command in LIKE_RUN),
            table("option of other commands", others),
        ]
    )


def table(heading, options):
    """A table with a row for each option."""
    lines = [f"| {heading}, variable | default | description |", "|---|---|---|"]
    lines += [f"| {' | '.join(map(cell, row(option)))} |" for option in options]
    return "\n".join(lines)


def row(option):
    """What is told of an option: flags above variables, default, and what it does.

    In one column, so that the table fits into a window.
    """
    flags = [option.flag, *([option.short] if option.short else [])]
    if default_of(option) is True:
        flags.append(f"--no-{option.key}")
    commands = ", ".join(f"`{command}`" for command in option.commands)
    whose = "" if "run" in option.commands else f" Of {commands}."
    names = [", ".join(f"`{name}`" for name in group) for group in (flags, option.variables)]
    return (
        "<br>".join(filter(None, names)),
        default(option),
        # The help quotes punctuation, for which Markdown has backticks.
        re.sub("`'([^']+)'`", r"`\1`", f"{option.help} {option.notes}".strip()) + whose,
    )


def default(option):
    """The default as a person would write it, or what holds without one."""
    match shown_default(option):
        case None:
            return option.unset or "required" * (default_of(option) is MISSING)
        case bool() as on:
            return "on" if on else "off"
        case value:
            return f"`{value}`"


def shares(command):
    """Which options of `run` another command takes."""
    taken = [o for o in options_of(command) if "run" in o.commands and not o.positional]
    flags = ", ".join(f"`{option.flag}`" for option in taken)
    placed = (o.metavar or o.name.upper() for o in options_of(command) if o.positional)
    volume = "".join(f" [{name}]" for name in placed)
    return f"`asyncload {command}{volume}` takes {flags}."


def shares_all(command):
    """The few options of `run` that a command like it does not take."""
    taken = {option.name for option in options_of(command)}
    others = ", ".join(f"`{o.flag}`" for o in options_of("run") if o.name not in taken)
    return f"`asyncload {command} [VOLUME]` takes all except {others}."


def document():
    """The page that has the table."""
    return holding(BEGIN)


def filled(document):
    """The document with this table between its markers.

    Raises:
        ValueError: a marker is missing.
    """
    return replace_between(BEGIN, END, document, rendered())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.support.options_table")
    parser.add_argument("--write", action="store_true", help="write it to its page")
    if parser.parse_args().write:
        document().write_text(filled(document().read_text()))
    else:
        sys.stdout.write(rendered() + "\n")
