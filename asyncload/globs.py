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

    flags = glob.GLOBSTAR | glob.MATCHBASE | glob.DOTGLOB | glob.CASE
    return glob.compile([pattern.removeprefix("/") for pattern in patterns], flags=flags).match
