r"""Path patterns of the options `--include`, `--exclude` and `--dataset`.

A pattern without `/` matches names at any depth; one with `/` matches paths relative to the volume;
one that ends in `/` matches everything below such a folder. `*` and `?` stay within a segment, `**`
crosses segments, `[...]` matches one of several characters, and a `\` makes the next character
literal. Patterns are case-sensitive; composed and decomposed letters are equal.

Matching takes time in proportion to pattern and path: of a run of `*` or `**` only the shortest
match of its continuation is tried, which suffices because the parts between have fixed lengths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from asyncload.model.names import composed

_Segment = Callable[[str], object]


@dataclass(frozen=True)
class Glob:
    """One pattern.

    Args:
        pattern: the text as given.
    """

    pattern: str

    @property
    def by_name(self) -> bool:
        """Whether it matches names only."""
        return "/" not in self.pattern

    @property
    def plain(self) -> bool:
        """Whether it is just the name of a file or folder."""
        return self.by_name and not _SPECIAL.search(self.pattern)

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The pattern by path segments; `**` stands for any number of them."""
        text = composed(self.pattern)
        only_folder = text.endswith("/") and "/" not in text[:-1]
        if self.by_name or only_folder:
            text = f"**/{text.replace('**', '*') if self.by_name else text}"
        elif text.startswith("/"):
            text = text[1:]
        if self.pattern.endswith("/"):
            text += "**"
        # At the end, `**` stands for at least the name of a file.
        if text == "**" or text.endswith("/**"):
            text += "/*"
        return tuple(text.split("/"))

    @cached_property
    def _runs(self) -> list[list[_Segment]]:
        """The runs between the `**`, as one matcher per segment."""
        runs: list[list[_Segment]] = [[]]
        for segment in self.segments:
            if segment == "**":
                runs.append([])
            else:
                runs[-1].append(_compile(segment))
        return runs

    @cached_property
    def _folder_runs(self) -> list[list[_Segment]] | None:
        """The runs of the folders that it covers with their contents; None without any."""
        if self.by_name or self.segments[-2:] != ("**", "*"):
            return None
        return [*self._runs[:-1], []]

    def matches(self, path: str) -> bool:
        """Return whether it matches a path below the volume."""
        path = composed(path)
        if self.by_name:
            return bool(self._runs[-1][-1](path[path.rfind("/") + 1 :]))
        return _match(self._runs, path.split("/"))

    def covers(self, folder: str) -> bool:
        """Return whether it matches a folder by name, or every path below it."""
        if self.by_name:
            return self.matches(folder)
        return self._folder_runs is not None and _match(
            self._folder_runs, composed(folder).split("/")
        )

    def reaches(self, folder: str) -> bool:
        """Return whether it may match a path below this folder."""
        if self.by_name:
            return True
        first, folders = self._runs[0], composed(folder).split("/")
        if len(self._runs) == 1 and len(folders) >= len(first):
            return False
        return all(segment(name) for segment, name in zip(first, folders, strict=False))

    def names(self, is_of_kind: Callable[[str], bool]) -> bool:
        """Return whether one of its segments spells a name of the given kind."""
        return any(is_of_kind(segment) for segment in self.segments)


class GlobRules:
    """Several patterns, and which of them have matched.

    There may be thousands of plain names, so those are looked up, not tried one by one.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self.globs = [Glob(pattern) for pattern in dict.fromkeys(patterns)]
        self._plain = {composed(glob.pattern): glob for glob in self.globs if glob.plain}
        self._others = [glob for glob in self.globs if not glob.plain]
        self._unused = dict.fromkeys(self.globs)

    def __bool__(self) -> bool:
        return bool(self.globs)

    def match(self, path: str) -> bool:
        """Return whether any pattern matches the path. Each that does counts as used."""
        return self._ask(Glob.matches, path)

    def cover(self, folder: str) -> bool:
        """Return whether any pattern covers the folder. Each that does counts as used."""
        return self._ask(Glob.covers, folder)

    def reach(self, folder: str) -> bool:
        """Return whether any pattern may match a path below the folder."""
        return any(glob.reaches(folder) for glob in self.globs)

    def _ask(self, matches: Callable[[Glob, str], bool], path: str) -> bool:
        plain = self._plain.get(composed(path[path.rfind("/") + 1 :]))
        if plain is not None:
            self._unused.pop(plain, None)
        found = plain is not None
        for glob in self._others:
            # Unused patterns are tried even if another one matches.
            if (not found or glob in self._unused) and matches(glob, path):
                self._unused.pop(glob, None)
                found = True
        return found

    @property
    def all_used(self) -> bool:
        """Whether each pattern has matched something."""
        return not self._unused

    @property
    def unused(self) -> list[str]:
        """The patterns that have not matched anything so far."""
        return [glob.pattern for glob in self._unused]


def _match(runs: list[list[_Segment]], names: list[str]) -> bool:
    """Return whether runs of segments, with any number of names between them, match the names."""
    first, last = runs[0], runs[-1]
    if len(runs) == 1:
        return len(first) == len(names) and _match_at(first, names, 0)
    end = len(names) - len(last)
    at = len(first)
    if end < at or not _match_at(first, names, 0) or not _match_at(last, names, end):
        return False
    for run in runs[1:-1]:
        # The earliest match leaves the most names for the rest.
        while at + len(run) <= end and not _match_at(run, names, at):
            at += 1
        at += len(run)
        if at > end:
            return False
    return True


def _match_at(run: list[_Segment], names: list[str], at: int) -> bool:
    return all(segment(names[at + offset]) for offset, segment in enumerate(run))


def _compile(segment: str) -> _Segment:
    """Return a matcher of one segment of a pattern."""
    if not _SPECIAL.search(segment):
        return segment.__eq__
    first, *others = _pieces(segment)
    if not others:
        return re.compile(first, re.DOTALL).fullmatch
    # The text before the last star takes its first match; backtracking is not needed.
    middle = "".join(f"(?>.*?{piece})" for piece in others[:-1])
    return re.compile(f"{first}{middle}.*{others[-1]}", re.DOTALL).fullmatch


_SPECIAL = re.compile(r"[*?\[\\]")


def _pieces(segment: str) -> list[str]:
    """Cut a segment at its stars into regular expressions of fixed length."""
    pieces, at = [""], 0
    while at < len(segment):
        char = segment[at]
        at += 1
        if char == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif char == "?":
            pieces[-1] += "."
        elif char == "[" and (end := _end_of_set(segment, at)):
            pieces[-1] += _set(segment[at:end])
            at = end + 1
        else:
            if char == "\\" and at < len(segment):
                char = segment[at]
                at += 1
            pieces[-1] += re.escape(char)
    return pieces


def _end_of_set(segment: str, at: int) -> int:
    """Return the index of the `]` of a set that begins here; 0 if it has no end."""
    start = at + (segment[at : at + 1] in ("!", "^"))
    # A leading bracket belongs to the set.
    return max(0, segment.find("]", start + 1))


def _set(text: str) -> str:
    negated = text[0] in "!^"
    chars = text[negated:]
    parts, at = [], 0
    while at < len(chars):
        if chars[at + 1 : at + 2] == "-" and at + 2 < len(chars):
            low, high = chars[at], chars[at + 2]
            # A range from high to low is empty.
            parts += [f"{re.escape(low)}-{re.escape(high)}"] if low <= high else []
            at += 3
        else:
            parts.append(re.escape(chars[at]))
            at += 1
    if not parts:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"
