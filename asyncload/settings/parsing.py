"""Convert settings from the forms that users write: `volume="data"`, `memory="64MiB"`. Pure.

Each function returns the converted value, or raises a `UsageError` that names the flag.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TypeVar

from asyncload.errors import UsageError
from asyncload.model.suggestions import with_guess
from asyncload.planning.shards import parse_shard
from asyncload.settings.objects import parse_duration, parse_pairs

T = TypeVar("T")

AUTO_NUMBER = "auto"
"""As many concurrent requests as increase throughput, or processes as shorten the run."""
ACTIONS = ("delete", "move")
"""Actions of `--then`; the second one needs a folder."""
MAX_CONCURRENCY = 1024
MAX_PROCESSES = 64
_SCHEDULER = re.compile(r"(tcp|tls|wss?)://([\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}", re.ASCII)
MAX_REQUEST_RATE = 1000
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SIZE = re.compile(
    r"(\d{1,18}(?:\.\d{1,9})?)\s*([kmgt]i?b?)|(\d{1,18})\s*b?", re.IGNORECASE | re.ASCII
)
# As links are measured: `8Mbps`, `1 Gb/s`, `100kbit`; but `50mb` and `50MBps` are read as bytes.
_BITS = re.compile(r"(bps|[KMGT]i?b(/s)?|bits?(/s|ps)?)\s*$")
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}


def as_path(option: str, value: object) -> Path:
    """Return a path, given as a path, as text or as bytes.

    Raises:
        UsageError: the value is empty, or something else.
    """
    if isinstance(value, str | bytes | os.PathLike) and (path := os.fsdecode(value)):
        return Path(path)
    raise _refusal(option, value, "a path")


def as_paths(option: str, value: object) -> Path | tuple[Path, ...]:
    """Return a path, or several absolute ones, so that each says of which folder its files are.

    Raises:
        UsageError: a value is empty, or something else than a path.
    """
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | os.PathLike | Mapping):
        return as_path(option, value)
    paths = tuple(as_path(option, item) for item in value)
    if not paths:
        raise UsageError(f"{option}: the list is empty", hint="give a path, or several of them")
    return paths[0] if len(paths) == 1 else tuple(map(_absolute, paths))


def _absolute(path: Path) -> Path:
    """Return a path as an absolute one; links in it, and `..` behind them, stay."""
    if path.is_absolute():
        # POSIX lets a system treat two slashes as another root.
        return Path("/", *path.parts[1:])
    # The working directory has no links.
    folder, parts = Path.cwd(), path.parts
    while parts[:1] == ("..",):
        folder, parts = folder.parent, parts[1:]
    return folder.joinpath(*parts)


def as_text(option: str, value: object) -> str:
    """Return a text.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, str):
        return value
    raise _refusal(option, value, "a string")


def as_flag(option: str, value: object) -> bool:
    """Return True or False; text such as `"no"` is rejected.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, bool):
        return value
    raise _refusal(option, value, "True or False")


def as_number(option: str, value: object) -> int:
    """Return a whole number.

    Raises:
        UsageError: the value is something else.
    """
    if not isinstance(value, bool):
        try:
            return operator.index(value)  # type: ignore[arg-type]  # checked by the call
        except TypeError:
            pass
    raise _refusal(option, value, "a whole number")


def as_count(option: str, value: object) -> int:
    """Return a whole number from 1.

    Raises:
        UsageError: the value is something else.
    """
    text = isinstance(value, str) and value.strip()
    given = int(text) if text and re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) else value
    number = as_number(option, given)
    if number < 1:
        raise UsageError(f"{option}: {number} is too small", hint="the minimum is 1")
    return number


def as_request_rate(option: str, value: object) -> float:
    """Return a number of requests per second.

    Raises:
        UsageError: the value is something else, or out of range.
    """
    rate: object = value
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value.strip(), re.ASCII):
        rate = float(value)
    if not isinstance(rate, int | float) or isinstance(rate, bool):
        raise _refusal(option, value, "a number of requests per second")
    if not 0 < rate <= MAX_REQUEST_RATE:
        raise UsageError(
            f"{option}: {rate} is not between 0 and {MAX_REQUEST_RATE:,} requests per second",
            hint="use a number above 0; 0.5 is one request in two seconds",
        )
    return float(rate)


def as_concurrency(option: str, value: object) -> int | str:
    """Return a number of requests, or `auto`.

    Raises:
        UsageError: the value is something else, or out of range.
    """
    return _number_or_auto(option, value, "requests", MAX_CONCURRENCY)


def as_processes(option: str, value: object) -> int | str:
    """Return a number of processes, or `auto`.

    Raises:
        UsageError: the value is something else, or out of range.
    """
    return _number_or_auto(option, value, "processes", MAX_PROCESSES)


def as_weekdays(option: str, value: object) -> frozenset[int]:
    """Return days of the week, from 0 for Monday: names and ranges, such as `mon-wed,sat`.

    A range may go over the end of a week, such as `sat-mon`.

    Raises:
        UsageError: the value is something else.
    """
    text = as_text(option, value)
    days: set[int] = set()
    for item in text.lower().split(","):
        first, _, last = (name.strip() for name in item.partition("-"))
        last = last or ("" if "-" in item else first)
        if first not in _WEEKDAYS or last not in _WEEKDAYS:
            raise UsageError(
                f"{option}: {text!r} does not name days of the week",
                hint=f"use names of {', '.join(_WEEKDAYS)}, such as mon-fri or mon,wed,sat",
            )
        begin = _WEEKDAYS.index(first)
        length = (_WEEKDAYS.index(last) - begin) % 7 + 1
        days |= {day % 7 for day in range(begin, begin + length)}
    return frozenset(days)


def as_scheduler(option: str, value: object) -> str:
    """Return the address of a Dask scheduler, with its protocol.

    Raises:
        UsageError: the value is something else.
    """
    text = as_text(option, value).strip()
    address = text if "://" in text else f"tcp://{text}"
    if _SCHEDULER.fullmatch(address) is None:
        raise UsageError(
            f"{option}: {text!r} is not the address of a Dask scheduler",
            hint="use tcp://HOST:PORT or tls://HOST:PORT, as `dask scheduler` prints it",
        )
    return address


def _number_or_auto(option: str, value: object, noun: str, most: int) -> int | str:
    given = _parse_number_or_auto(option, value, noun, most) if isinstance(value, str) else value
    if given == AUTO_NUMBER:
        return AUTO_NUMBER
    number = as_number(option, given)
    if not 1 <= number <= most:
        raise UsageError(
            f"{option}: {number} is not between 1 and {most}",
            hint=f"the default, {AUTO_NUMBER}, chooses the number automatically",
        )
    return number


def _parse_number_or_auto(option: str, text: str, noun: str, most: int) -> int | str:
    meant = text.strip().lower()
    if meant == AUTO_NUMBER:
        return meant
    if re.fullmatch(r"[+-]?\d{1,18}", meant, re.ASCII):
        return int(meant)
    raise UsageError(
        f"{option}: {text!r} is not a number of {noun}",
        hint=with_guess(meant, [AUTO_NUMBER], f"use {AUTO_NUMBER}, or a number from 1 to {most:,}"),
    )


def as_rate(option: str, value: object) -> int:
    """Return bytes per second, given as a number, as `50MiB` or as `50MiB/s`.

    Raises:
        UsageError: the value is something else, such as a number of bits.
    """
    if isinstance(value, str):
        if _BITS.search(value):
            raise UsageError(
                f"{option}: {value!r} is a number of bits",
                hint="give bytes per second: eight bits are one byte, so 100Mbps are about 12MiB",
            )
        return parse_size(option, re.sub(r"\s*(/\s*s|ps)$", "", value.strip().lower()))
    return as_number(option, value)


def as_size(option: str, value: object) -> int:
    """Return a size in bytes, given as a number or as `64MiB`.

    Raises:
        UsageError: the value is something else.
    """
    return parse_size(option, value) if isinstance(value, str) else as_number(option, value)


def parse_size(option: str, text: str) -> int:
    """Return the bytes for `256MiB`, `1.5G`, `500MB` or `268435456`, a fraction rounded down.

    Units are those of GNU's tools: `M` and `MiB` are powers of 1,024, `MB` is one of 1,000, in
    capital or small letters.

    Raises:
        UsageError: the text is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{option}: {text!r} is not a valid size",
            hint="use a number and a unit: 256MiB, 1.5GiB, or 500MB for 500,000,000 bytes",
        )
    number, unit, plain = match.groups()
    if plain is not None:
        return int(plain)
    base = 1000 if len(unit) == 2 and unit[1] in "bB" else 1024
    whole, _, fraction = number.partition(".")
    factor: int = base ** _POWERS[unit[0].lower()]
    return int(whole + fraction) * factor // int(10 ** len(fraction))


def format_exactly(size: int) -> str:
    """Return the text that `parse_size` takes for this number of bytes: `64MiB`, `1000`."""
    units = iter("KMGT")
    unit = ""
    while size and size % 1024 == 0 and unit != "TiB":
        size, unit = size // 1024, f"{next(units)}iB"
    return f"{size}{unit}"


def as_seconds(option: str, value: object) -> int:
    """Return whole seconds, given as a number, as `15m` or as a timedelta.

    Raises:
        UsageError: the value is something else, or negative.
    """
    if isinstance(value, str):
        return parse_duration(option, value)
    seconds = -(-value // timedelta(seconds=1)) if isinstance(value, timedelta) else value
    number = as_number(option, seconds)
    if number < 0:
        raise _refusal(option, value, "zero or a positive number of seconds")
    return number


def as_day(option: str, value: object) -> str:
    """Return a date as text, given as text, as a date or as a datetime.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else as_text(option, value)


def as_moment(option: str, value: object) -> str:
    """Return a point in time as text: given so, as a date or datetime, or as a time ago.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, timedelta):
        return f"{as_seconds(option, value)}s"
    return value.isoformat() if isinstance(value, date) else as_text(option, value)


def as_until(option: str, value: object) -> str:
    """Return a point in the future as text: given so, as a date or datetime, or as a time from now.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, timedelta):
        # Rounded up: nothing is to be unlocked too early.
        return f"{-(-value // timedelta(days=1))}d"
    return as_moment(option, value)


def as_shard(option: str, value: object) -> str:
    """Return a shard as `K/N`.

    Raises:
        UsageError: the value is something else, or there is no such shard.
    """
    return str(parse_shard(as_text(option, value)))


def as_then(option: str, value: object) -> str:
    """Return `delete`, or `move` and a folder: `move /archive`.

    Raises:
        UsageError: the value is something else.
    """
    action, folder = split_then(as_text(option, value))
    if (action, bool(folder)) not in zip(ACTIONS, (False, True), strict=True):
        raise UsageError(
            f"{option}: {value!r} is neither 'delete' nor 'move FOLDER'",
            hint=with_guess(action, ACTIONS, f"use {option} delete, or {option} move /archive"),
        )
    return f"{action} {folder}".strip()


def split_then(text: str) -> tuple[str, str]:
    """Return the action and the folder of `--then`, "" if it has none."""
    action, _, folder = text.strip().partition(" ")
    return action.lower(), folder.strip()


def as_zone(option: str, value: object) -> str:
    """Return the name of a time zone, given so or as a zone that has one.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, tzinfo):
        # Late: few runs need it, and with the files that it reads it takes 1.5 ms.
        from zoneinfo import ZoneInfo

        if isinstance(value, ZoneInfo) and value.key:
            return value.key
        if value.utcoffset(None) == timedelta(0):
            return "UTC"
    return as_text(option, value)


def as_patterns(option: str, value: object) -> tuple[str, ...]:
    """Return patterns, given as one text or as several.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, str | os.PathLike):
        return (_pattern(option, value),)
    if isinstance(value, Iterable) and not isinstance(value, bytes | Mapping):
        return tuple(_pattern(option, item) for item in value)
    raise _refusal(option, value, "a pattern, or several of them")


def _pattern(option: str, value: object) -> str:
    return as_text(option, os.fspath(value) if isinstance(value, os.PathLike) else value)


def as_rules(option: str, value: object) -> tuple[tuple[str, str], ...]:
    """Return patterns and names, given as pairs, as a mapping, or as `PATTERN=NAME`.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, str):
        return (parse_rule(option, value),)
    if isinstance(value, Mapping):
        return tuple((as_text(option, k), as_text(option, v)) for k, v in value.items())
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        raise _refusal(option, value, "PATTERN=NAME, or several of them")
    return tuple(_rule(option, item) for item in value)


def _rule(option: str, item: object) -> tuple[str, str]:
    if isinstance(item, str):
        return parse_rule(option, item)
    if isinstance(item, Iterable):
        match [as_text(option, part) for part in item]:
            case [pattern, name]:
                return pattern, name
    raise _refusal(option, item, "PATTERN=NAME, or a pair of both")


def parse_rule(option: str, text: str) -> tuple[str, str]:
    """Split `PATTERN=NAME` into its two parts.

    Raises:
        UsageError: one part is missing.
    """
    pattern, _, name = text.rpartition("=")
    if not pattern or not name:
        raise UsageError(
            f"{option}: {text!r} does not have the form PATTERN=NAME",
            hint=f"use, for example, {option} 'films_*.csv=Movies'",
        )
    return pattern, name


def as_pairs(option: str, value: object) -> dict[str, str]:
    """Return names and values, given as a mapping or as `KEY=VALUE`, one or several.

    Raises:
        UsageError: the value is something else.
    """
    if isinstance(value, str):
        return parse_pairs(option, [value])
    if isinstance(value, Mapping):
        return {as_text(option, k): as_text(option, v) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return parse_pairs(option, [as_text(option, item) for item in value])
    raise _refusal(option, value, "KEY=VALUE pairs")


def optional(convert: Callable[[str, object], T], option: str, value: object) -> T | None:
    """Apply `convert`, except to None."""
    return None if value is None else convert(option, value)


def _refusal(option: str, value: object, wanted: str) -> UsageError:
    kind = type(value).__name__
    return UsageError(f"{option}: {value!r} ({kind}) is not {wanted}")
