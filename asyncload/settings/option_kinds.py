"""The kinds of option values: on the command line, in Python and in a settings file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from asyncload.settings.parsing import (
    MAX_CONCURRENCY,
    MAX_PROCESSES,
    as_concurrency,
    as_count,
    as_day,
    as_flag,
    as_moment,
    as_pairs,
    as_path,
    as_paths,
    as_patterns,
    as_processes,
    as_rate,
    as_request_rate,
    as_rules,
    as_scheduler,
    as_seconds,
    as_shard,
    as_size,
    as_text,
    as_then,
    as_until,
    as_weekdays,
    as_zone,
    optional,
)
from asyncload.source.file_state import check_trust


class Kind(NamedTuple):
    """The values that an option accepts.

    Args:
        convert: converts a value for `Settings`, given the flag and the value; raises a
            `UsageError` that names the flag.
        expected: describes the values that a settings file may contain.
        toml: the TOML types of these values; a `bool` does not count as an `int`.
        word: the Python type of one word of the command line.
        repeats: whether the flag may be given several times.
    """

    convert: Callable[[str, object], object]
    expected: str
    toml: tuple[type, ...] = (str,)
    word: type = str
    repeats: bool = False


def _or_none(convert: Callable[[str, object], Any]) -> Callable[[str, object], object]:
    return lambda flag, value: optional(convert, flag, value)


TEXT = Kind(as_text, "a string")
OPTIONAL_TEXT = Kind(_or_none(as_text), "a string")
FLAG = Kind(as_flag, "true or false", (bool,), word=bool)
CONCURRENCY = Kind(as_concurrency, f"auto, or an integer from 1 to {MAX_CONCURRENCY}", (str, int))
PROCESSES = Kind(as_processes, f"auto, or an integer from 1 to {MAX_PROCESSES}", (str, int))
SCHEDULER = Kind(_or_none(as_scheduler), "an address, such as tcp://host:8786")
RATE = Kind(
    _or_none(as_rate), "a rate, such as 50MiB, or an integer in bytes per second", (str, int)
)
SIZE = Kind(as_size, "a size, such as 64MiB, or an integer in bytes", (str, int))
DURATION = Kind(as_seconds, "a duration, such as 15m, or an integer in seconds", (str, int))
OPTIONAL_DURATION = Kind(
    _or_none(as_seconds), "a duration, such as 15m, or an integer in seconds", (str, int)
)
MOMENT = Kind(
    _or_none(as_moment), "a date, a date with a time, or a duration", (str, date, datetime)
)
UNTIL = Kind(_or_none(as_until), "a date, a date with a time, or a duration", (str, date, datetime))
DAY = Kind(as_day, "a date, today, yesterday or mtime", (str, date))
WEEKDAYS = Kind(_or_none(as_weekdays), "days of the week, such as mon-fri")
ZONE = Kind(as_zone, "the name of a time zone")
PATHS = Kind(as_paths, "a path or an array of paths", (str, list), word=Path, repeats=True)
OPTIONAL_PATH = Kind(_or_none(as_path), "a path", word=Path)
LIST_OF_FILES = Kind(_or_none(as_path), "a path, or - for standard input", word=Path)
THEN = Kind(_or_none(as_then), "delete, or move and a folder")
SHARD = Kind(_or_none(as_shard), "a shard, such as 3/8")
TRUSTED = Kind(
    lambda flag, value: check_trust(as_patterns(flag, value)),
    "a string or an array of strings",
    (str, list),
)
COUNT = Kind(_or_none(as_count), "a whole number from 1", (int,), word=int)
REQUEST_RATE = Kind(
    _or_none(as_request_rate), "a number of requests per second", (int, float), word=float
)
TEXTS = Kind(_or_none(as_patterns), "a string or an array of strings", (str, list), repeats=True)
PATTERNS = Kind(as_patterns, "a string or an array of strings", (str, list), repeats=True)
RULES = Kind(
    as_rules,
    "a table of patterns and names, or an array of PATTERN=NAME",
    (str, list, dict),
    repeats=True,
)
PAIRS = Kind(
    as_pairs,
    "a table of strings, or an array of KEY=VALUE",
    (str, list, dict),
    repeats=True,
)
OPTIONAL_PAIRS = Kind(
    _or_none(as_pairs),
    "a table of strings, or an array of KEY=VALUE",
    (str, list, dict),
    repeats=True,
)
