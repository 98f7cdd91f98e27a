"""Complete options' values for a shell that asks. Imported only if one does.

Typer completes commands and options, and leaves paths to the shell. Values come from the option
table, time zones and profiles from this machine; nothing is asked over the network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path

from asyncload.settings.options import Option

_PROFILE = re.compile(r"(?m)^\s*\[\s*(?:profile\s+)?[\"']?([^\]\"']+?)[\"']?\s*\]")
# Sections that are not profiles begin with one of these.
_NOT_PROFILES = ("sso-session ", "services ")


def values_of(option: Option) -> Callable[..., Iterable[str]] | None:
    """Return the function that completes the values of an option; None if the shell is to do it.

    It may take what was typed of the value.
    """
    if option.name == "timezone":
        return _zones
    if option.name == "profile":
        return _profiles
    if not option.choices:
        return None

    def complete(incomplete: str) -> Iterable[str]:
        # Some options take several, as in `size,mtime`.
        before, comma, _ = incomplete.rpartition(",")
        return [f"{before}{comma}{choice}" for choice in option.choices]

    return complete


def _zones() -> Iterable[str]:
    from zoneinfo import available_timezones

    return sorted(available_timezones())


def _profiles() -> Iterable[str]:
    found = set()
    for variable, default in (
        ("AWS_CONFIG_FILE", "~/.aws/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ):
        path = Path(os.environ.get(variable, default)).expanduser()
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        found |= {n for n in _PROFILE.findall(text) if not n.startswith(_NOT_PROFILES)}
    return sorted(found)


def prepare_words(environ: MutableMapping[str, str]) -> None:
    """Rewrite the words that the shell sends so that Typer understands them.

    Bash makes three words of `--checksum=crc`. `asyncload help run` has a first word that is not a
    command.
    """
    if "COMP_WORDS" in environ:
        words = environ["COMP_WORDS"].split("\n")
        at = int(environ["COMP_CWORD"])
        for index, word in ((at - 1, "="), (1, "help")):
            if index < at and words[index : index + 1] == [word]:
                del words[index]
                at -= 1
        environ["COMP_WORDS"], environ["COMP_CWORD"] = "\n".join(words), str(at)
    elif (line := environ.get("_TYPER_COMPLETE_ARGS")) is not None:
        environ["_TYPER_COMPLETE_ARGS"] = re.sub(r"^(\S+\s+)help\s+", r"\1", line)
