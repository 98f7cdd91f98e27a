"""Path patterns, as the options `--include`, `--exclude` and `--dataset` take them.

A pattern without `/` is matched against the file's name at any depth; one with `/` against the
path from the volume's root. `*` and `?` stay within a segment, `**` crosses segments. Case
counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

PathMatcher = Callable[[str], bool]


def compile_globs(patterns: Sequence[str]) -> PathMatcher:
    """Return a function that tells whether a relative path matches any of the patterns."""
    if not patterns:
        return lambda _: False
    # Imported here: most runs name no pattern, and start-up should not pay for it.
    from wcmatch import glob

    flags = glob.GLOBSTAR | glob.DOTGLOB | glob.CASE
    paths = [pattern.removeprefix("/") for pattern in patterns if "/" in pattern]
    names = [pattern for pattern in patterns if "/" not in pattern]
    by_path = glob.compile(paths, flags=flags, limit=0).match
    by_name = glob.compile(names, flags=flags | glob.MATCHBASE, limit=0).match
    return lambda path: bool(by_path(path) or by_name(path))
