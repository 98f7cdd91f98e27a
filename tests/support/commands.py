"""The commands in the documents, as a shell is given them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.documents import Block, all_blocks

_CONTINUED = re.compile(r" *\\\n\s*(?:> )?")


class Command(NamedTuple):
    """What is behind a prompt, or a script: its page and line, its text, and the output shown."""

    page: str
    line: int
    text: str
    output: str = ""


def commands_of(block: Block) -> Iterator[Command]:
    """Yield the commands of a block for a shell; without prompts, it is one script."""
    if block.language != "console":
        yield Command(block.page, block.line + 1, block.text)
        return
    found = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
    for match in found.finditer(block.text):
        line = block.line + 1 + block.text[: match.start()].count("\n")
        text = _CONTINUED.sub(" ", match[1]).partition("  #")[0].strip()
        # A comment just above a command is about it.
        output = re.sub(r"(^# .*\n)+\Z", "", match[2], flags=re.MULTILINE)
        yield Command(block.page, line, text, output)


def all_commands() -> list[Command]:
    """Those of all pages."""
    return [c for block in all_blocks("console", "sh", "bash") for c in commands_of(block)]


def calls_of(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each `asyncload` in a command or script."""
    for line in _CONTINUED.sub(" ", text).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
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
