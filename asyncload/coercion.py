"""Take settings as people write them in Python: `volume="data"`, `memory="64MiB"`, a date. Pure.

Each function returns the value that is meant, or refuses it by the name of its flag.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from asyncload.errors import UsageError
from asyncload.object_settings import parse_duration, parse_pairs

T = TypeVar("T")


def as_path(option: str, value: object) -> Path:
    """Return a path, given as one, as text or as bytes.

    Raises:
        UsageError: it is empty, or something else.
    """
    if isinstance(value, str | bytes | os.PathLike) and (path := os.fsdecode(value)):
        return Path(path)
    raise _refusal(option, value, "a path")


def as_text(option: str, value: object) -> str:
    """Return a text.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, str):
        return value
    raise _refusal(option, value, "a text")


def as_flag(option: str, value: object) -> bool:
    """Return True or False; `"no"` would count as true.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, bool):
        return value
    raise _refusal(option, value, "True or False")


def as_number(option: str, value: object) -> int:
    """Return a whole number.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, bool):
        try:
            return operator.index(value)  # type: ignore[arg-type]  # this finds out
        except TypeError:
            pass
    raise _refusal(option, value, "a whole number")


def as_size(option: str, value: object, parse: Callable[[str], int]) -> int:
    """Return a size in bytes, given as a number or as `parse` understands it.

    Raises:
        UsageError: it is something else.
    """
    return parse(value) if isinstance(value, str) else as_number(option, value)


def as_seconds(option: str, value: object) -> int:
    """Return whole seconds, given as a number, as `15m` or as a timedelta.

    Raises:
        UsageError: it is something else, or negative.
    """
    if isinstance(value, str):
        return parse_duration(option, value)
    seconds = -(-value // timedelta(seconds=1)) if isinstance(value, timedelta) else value
    number = as_number(option, seconds)
    if number < 0:
        raise _refusal(option, value, "a time from now back")
    return number


def as_day(option: str, value: object) -> str:
    """Return a day as text, given so or as a date; of a datetime it is the date.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else as_text(option, value)


def as_zone(option: str, value: object) -> str:
    """Return the name of a time zone, given so or as a zone that has one.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, ZoneInfo) and value.key:
        return value.key
    if isinstance(value, tzinfo) and value.utcoffset(None) == timedelta(0):
        return "UTC"
    return as_text(option, value)


def as_patterns(option: str, value: object) -> tuple[str, ...]:
    """Return patterns, given as one text or as several.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, str | os.PathLike):
        return (_pattern(option, value),)
    if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping):
        return tuple(_pattern(option, item) for item in value)
    raise _refusal(option, value, "a pattern, or several of them")


def _pattern(option: str, value: object) -> str:
    return as_text(option, os.fspath(value) if isinstance(value, os.PathLike) else value)


def as_rules(
    option: str, value: object, parse: Callable[[str], tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return pairs, given as such, as a mapping, or as texts that `parse` understands.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, str):
        return (parse(value),)
    if isinstance(value, Mapping):
        return tuple((as_text(option, k), as_text(option, v)) for k, v in value.items())
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        raise _refusal(option, value, "PATTERN=NAME, or several of them")
    return tuple(_rule(option, item, parse) for item in value)


def _rule(option: str, item: object, parse: Callable[[str], tuple[str, str]]) -> tuple[str, str]:
    if isinstance(item, str):
        return parse(item)
    if isinstance(item, Iterable):
        match [as_text(option, part) for part in item]:
            case [pattern, name]:
                return pattern, name
    raise _refusal(option, item, "PATTERN=NAME, or a pair of both")


def as_pairs(option: str, value: object) -> dict[str, str]:
    """Return names and values, given as a mapping or as `KEY=VALUE`, one or several.

    Raises:
        UsageError: it is something else.
    """
    if isinstance(value, str):
        return parse_pairs(option, [value])
    if isinstance(value, Mapping):
        return {as_text(option, k): as_text(option, v) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return parse_pairs(option, [as_text(option, item) for item in value])
    raise _refusal(option, value, "KEY=VALUE pairs")


def optional(convert: Callable[[str, object], T], option: str, value: object) -> T | None:
    """Return what `convert` does, and None for None."""
    return None if value is None else convert(option, value)


def _refusal(option: str, value: object, wanted: str) -> UsageError:
    kind = type(value).__name__
    return UsageError(f"{option}: {value!r} ({kind}) is not {wanted}")
