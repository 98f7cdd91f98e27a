"""Turn a scan of the volume into a plan, slice by slice, with progress events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from asyncload.errors import NothingToLoad, UsageError
from asyncload.model.reasons import excluded_text
from asyncload.model.values import (
    Archive,
    Excluded,
    PlannedUpload,
    ScanEvent,
    Scanned,
    SourceFile,
    Warned,
)
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import LoadPlan
from asyncload.source.roots import named_volumes
from asyncload.source.scanner import Found, Scanner

if TYPE_CHECKING:
    from asyncload.source.scanners import Scanners

SLICE = 2_000
"""The number of entries between two checks of clock, signals and progress."""


_LINKS_HINT = "--follow-symlinks follows symbolic links that stay inside the volume"


def add_found(plan: LoadPlan, found: Iterable[Found], observe: Callable[[ScanEvent], None]) -> None:
    """Add a slice of a scan's results to the plan, and emit what is excluded."""
    for item in found:
        if isinstance(item, SourceFile):
            plan.add(item)
        elif isinstance(item, Archive):
            plan.add_archive(item)
        elif isinstance(item, Excluded):
            plan.excluded[item.reason] += 1
            observe(item)
        else:
            plan.add_failure(item)


def drop_duplicates(
    plan: LoadPlan, equal: Iterable[Sequence[PlannedUpload]], observe: Callable[[ScanEvent], None]
) -> None:
    """Keep one of the files of each group, which have the same bytes: none of an archive if any."""
    for group in equal:
        _, *others = sorted(group, key=lambda upload: upload.source.member is not None)
        for upload in others:
            plan.drop(upload)
            add_found(plan, [Excluded(upload.source.path, "duplicate")], observe)
            observe(Scanned(plan.files, plan.size))


_PACKED_HINTS = {
    "compressed": "CSVs are loaded if they end in .csv.gz, .csv.zst or .csv.bz2",
    "archive": "--archives loads the CSVs of ZIP archives",
}


def warnings_of(
    scanner: Scanner | Scanners, layout: KeyLayout, excluded: Mapping[str, int]
) -> Iterator[Warned]:
    """Yield warnings after the scan: about packed files, and options without effect.

    `excluded` is the number of excluded entries by reason.
    """
    kinds = [kind for kind in ("compressed", "archive") if excluded.get(kind)]
    if kinds:
        counts = excluded_text({kind: excluded[kind] for kind in kinds})
        hints = [*(_PACKED_HINTS[kind] for kind in kinds), "unpack the others, or use --exclude"]
        yield Warned(f"packed files were excluded ({counts})", hint="; ".join(hints))
    for rule in (*scanner.unused_rules, *layout.unused_rules):
        yield Warned(
            f"{rule} matched no file",
            hint="a pattern without '/' matches names, one with '/' matches paths relative to the "
            "volume, one that ends in '/' matches folders; patterns are case-sensitive",
        )


def finish_plan(
    plan: LoadPlan,
    scanner: Scanner | Scanners,
    observe: Callable[[ScanEvent], None],
    *,
    allow_empty: bool,
    others: int = 0,
) -> None:
    """Emit the warnings about a complete scan, and check the plan. Raises as `check_plan`.

    Raises:
        NothingToLoad: one of several volumes has no file to load, and must have one.
    """
    for warned in warnings_of(scanner, plan.layout, plan.excluded):
        observe(warned)
    listed = scanner.listed.origin if scanner.listed else ""
    check_plan(plan, allow_empty=allow_empty, listed=listed, others=others)
    if scanner.empty and not allow_empty:
        raise _volumes_empty(scanner.empty)


def check_plan(plan: LoadPlan, *, allow_empty: bool, listed: str = "", others: int = 0) -> None:
    """Check that there is something to load, and that no two files have one key.

    `listed` is the origin of the list of files, "" without one; `others` are the files of other
    shards.

    Raises:
        NothingToLoad: the plan is empty, and must not be.
        UsageError: no file has a date.
        KeyCollision: see `LoadPlan.check_collisions`.
    """
    if not plan.files and not others and not allow_empty:
        raise _nothing_to_load(plan.excluded, listed, several=bool(plan.layout.volumes))
    if plan.files and plan.undated == plan.files and not others:
        first = plan.failures[0]
        raise UsageError(
            f"no file has a date, so nothing can be loaded; {first.path}: {first.error.message}",
            hint=first.error.hint,
        )
    plan.check_collisions()


_EXCLUDED_HINTS = {
    "too recent": "--min-age excludes recently modified files: run later, or lower it",
    "too old": "--modified-since and --max-age exclude files modified earlier",
    "excluded": "check --include and --exclude",
    "symlink": _LINKS_HINT,
    "hidden": "rename files and folders that begin with a dot",
    "temporary": "temporary files are loaded once they are renamed",
    "compressed": "unpack the compressed files, or recompress them as .csv.gz",
    "archive": "--archives loads the CSVs of ZIP archives; unpack other archives",
}


def _volumes_empty(empty: Mapping[str, Mapping[str, int]]) -> NothingToLoad:
    """Return the error of some of several volumes, which have no CSV to load."""
    names = [
        f"{name} (excluded: {excluded_text(excluded)})" if excluded else name
        for name, excluded in empty.items()
    ]
    message, details = named_volumes(names, "has no CSV to load", "have no CSV to load")
    reasons = {reason for excluded in empty.values() for reason in excluded}
    hints = [hint for reason, hint in _EXCLUDED_HINTS.items() if reason in reasons]
    if not all(empty.values()):
        hints.insert(0, "check the paths and mounts")
    hints.append("--allow-empty accepts volumes without CSVs")
    return NothingToLoad(message, details=details, hint="; ".join(hints))


def _nothing_to_load(excluded: Mapping[str, int], listed: str, *, several: bool) -> NothingToLoad:
    """Return the error of an empty plan: what was excluded, and a hint for each kind."""
    counts = excluded_text(excluded)
    hints = [hint for reason, hint in _EXCLUDED_HINTS.items() if excluded.get(reason)]
    if not counts and listed:
        hints = ["give one path a line, relative to the volume"]
    elif not counts:
        hints = ["files named *.csv in any letter case are loaded; check the volume and its mount"]
    hints.append("--allow-empty makes this a success")
    message = "the volumes have no CSV to load" if several else "the volume has no CSV to load"
    if listed:
        message = f"--files-from: {listed} names no file to load"
    return NothingToLoad(
        f"{message}; excluded: {counts}" if counts else message, hint="; ".join(hints)
    )
