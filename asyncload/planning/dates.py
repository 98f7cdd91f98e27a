"""The date of each file of a load of many dates: from its path or its last modification. Pure.

A pattern such as `{date:%Y-%m-%d}` is searched in the path below the volume.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from string import Formatter
from typing import Protocol

from asyncload.errors import InvalidKey, UsageError
from asyncload.model.names import split_volume
from asyncload.model.values import SourceFile

_DIRECTIVES = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "j": r"\d{3}",
    "H": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
}
_EXAMPLE = "use for example '{date:%Y-%m-%d}' or 'export_{date:%Y%m%d}_*.csv'"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Dates(Protocol):
    """Determines the date of each file."""

    def day_of(self, source: SourceFile) -> date:
        """Return the date of a file.

        Raises:
            InvalidKey: it has none; the message says why.
        """


class ModificationDates:
    """The day on which a file was last modified, in a time zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def day_of(self, source: SourceFile) -> date:
        try:
            time = _EPOCH + timedelta(microseconds=source.mtime_ns // 1000)
            return time.astimezone(self._zone).date()
        except OverflowError as error:
            raise InvalidKey(
                "the file has no date: its time of modification is not in the calendar",
                hint="set it with touch, or use --date",
            ) from error


class ArrivalDates:
    """The day on which a file appeared in its folder in its present version, in a time zone.

    That is the time of its last change of content, name or attributes, which copying a file with
    its time of modification does not preserve; the latter if the former is not known. That of a
    member is its archive's.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._modified = ModificationDates(zone)

    def day_of(self, source: SourceFile) -> date:
        version = source.version
        if source.member is not None:
            version = source.member.version
        if version is not None:
            source = source._replace(mtime_ns=version.ctime_ns)
        return self._modified.day_of(source)


class PathDates:
    """The date in a file's path, where a pattern matches.

    Args:
        pattern: text with one field `{date:FORMAT}`; `*` and `?` stay within a folder or name, `**`
            crosses folders. The pattern may match anywhere in the path, or from its start if it
            begins with `/`. The digits of the date must not be part of a longer number.
        volumes: the volumes of a run that has several; they are not searched.

    Raises:
        UsageError: the pattern can't be used; the message says why.
    """

    def __init__(self, pattern: str, volumes: frozenset[str] = frozenset()) -> None:
        self.pattern = pattern
        self._volumes = volumes
        self._regex = re.compile(f"(?={_translate(pattern)})", re.DOTALL | re.ASCII)
        self._from_start = pattern.startswith("/")

    def day_of(self, source: SourceFile) -> date:
        found = set(self._days_in(split_volume(source.path, self._volumes)[1]))
        if len(found) == 1:
            return found.pop()
        if found:
            days = " and ".join(map(str, sorted(found)))
            raise InvalidKey(
                f"the file's date is ambiguous: --date-from {self.pattern!r} finds {days} in its "
                "path",
                hint="add a part of the path to the pattern, such as '/*/{date:%Y-%m-%d}/'",
            )
        raise InvalidKey(
            f"the file has no date: --date-from {self.pattern!r} does not match its path",
            hint="check the pattern, or leave out such files with --exclude",
        )

    def _days_in(self, path: str) -> Iterator[date]:
        text = f"/{path}"
        matches = self._regex.finditer(text)
        for match in matches:
            if self._from_start and match.start():
                return
            try:
                yield _day_of(match.groupdict())
            except ValueError:
                # Digits that are not a date, such as 2022-13-01.
                continue


def _translate(pattern: str) -> str:
    """Return the regular expression of a pattern, with a group for each directive."""
    try:
        parsed = list(Formatter().parse(pattern))
    except ValueError as error:
        raise UsageError(
            f"--date-from: {pattern!r} is not a valid pattern: {error}", hint=_EXAMPLE
        ) from None
    fields = [name for _, name, _, _ in parsed if name is not None]
    if fields != ["date"] or any(conversion for *_, conversion in parsed):
        raise UsageError(
            f"--date-from: the pattern {pattern!r} must have exactly one field, {{date:FORMAT}}",
            hint=_EXAMPLE,
        )
    pieces = []
    for literal, name, spec, _ in parsed:
        pieces.append(_translate_literal(literal))
        if name is not None:
            pieces.append(f"(?<![0-9]){_translate_format(pattern, spec or '%Y-%m-%d')}(?![0-9])")
    return "".join(pieces)


def _translate_literal(text: str) -> str:
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*|\*|\?)", text))


def _translate_format(pattern: str, spec: str) -> str:
    pieces, names = [], []
    for literal, directive in re.findall(r"([^%]+)|%(.?)", spec):
        if literal or directive == "%":
            pieces.append(re.escape(literal or "%"))
        elif directive in _DIRECTIVES and directive not in names:
            names.append(directive)
            pieces.append(f"(?P<{directive}>{_DIRECTIVES[directive]})")
        else:
            raise UsageError(
                f"--date-from: the format {spec!r} in {pattern!r} can't be read back from a path",
                hint=f"use each of these at most once: {' '.join(f'%{d}' for d in _DIRECTIVES)}",
            )
    if not {"Y", "y"} & {*names} or not ({"m", "d"} <= {*names} or "j" in names):
        raise UsageError(
            f"--date-from: the format {spec!r} in {pattern!r} does not name a day",
            hint="it needs a year (%Y or %y), and a month and day (%m and %d) or a day of the year "
            "(%j)",
        )
    return "".join(pieces)


def _day_of(found: Mapping[str, str]) -> date:
    """Return the date of the directives' digits.

    Raises:
        ValueError: it is not in the calendar.
    """
    number = {name: int(digits) for name, digits in found.items()}
    # As in strptime: 69 is 1969, and 68 is 2068.
    year = number["Y"] if "Y" in number else number["y"] + (1900 if number["y"] > 68 else 2000)
    if "j" not in number:
        return date(year, number["m"], number["d"])
    day = date(year, 1, 1) + timedelta(days=number["j"] - 1)
    if day.year != year:
        raise ValueError("the year has no such day")
    return day
