"""What a run would do, as text for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from asyncload.reporting.preview import (
    FilePlanned,
    PlannedAction,
    PlannedFiles,
    PlannedPartition,
    Preview,
    Prices,
    RequestCounts,
)
from asyncload.reporting.text import (
    MAX_VOLUMES,
    excluded_counts,
    failed_lines,
    format_count,
    format_size,
    printable,
    skipped_lines,
)

MAX_LINES = 40
"""Maximum number of lines of the tree; further datasets are only counted."""

_WORDS: dict[PlannedAction, str] = {
    "upload": "to upload",
    "replace": "to replace",
    "unchanged": "unchanged",
    "skip": "to skip",
    "conflict": "in conflict",
    "fail": "to fail",
    "unknown": "unknown",
}
_WOULD: dict[PlannedAction, str] = {
    "upload": "would upload",
    "replace": "would replace",
    "unchanged": "unchanged",
    "skip": "would skip",
    "conflict": "conflict",
    "fail": "would fail",
    "unknown": "unknown",
}


def planned_line(planned: FilePlanned, bucket: str) -> str:
    """Describe what a run would do with a file."""
    target = f" -> {_address(bucket, planned.key)}" if planned.key else ""
    reason = f": {printable(planned.reason)}" if planned.reason else ""
    return f"{_WOULD[planned.action]} {printable(planned.path)}{target}{_then(planned)}{reason}"


def _then(planned: FilePlanned) -> str:
    """Describe what would follow for the source file, or its archive; "" if nothing would."""
    source = planned.source
    if source is None:
        return ""
    verb = {"deleted": "delete", "moved": "move", "kept": "keep"}[source.result.status]
    what = "it" if source.path == planned.path else printable(source.path)
    return f", then {verb} {what}"


def preview_lines(preview: Preview, prices: Prices | None) -> Iterator[str]:
    """Yield the tree by dataset and partition, files to look at, and the totals."""
    report = preview.report
    yield from _tree_lines(preview)
    for action in ("replace", "unknown"):
        yield from _named_lines(preview, action)
    yield from skipped_lines(report)
    yield from failed_lines(report)
    others = preview.counts.copy()
    del others["upload"]
    more = f": {_counts(others)}" if others.total() else ""
    yield (
        f"would upload {preview.to_send:,} of {format_count(report.files, 'file')}, "
        f"{format_size(preview.bytes_to_send)}{more}"
    )
    yield from _volume_lines(preview)
    yield from _source_lines(preview)
    yield from excluded_counts(report)
    if preview.needed is not None:
        yield from _request_lines(preview.needed, prices)


def _tree_lines(preview: Preview) -> Iterator[str]:
    datasets: defaultdict[str, list[PlannedPartition]] = defaultdict(list)
    for group in preview.partitions.values():
        datasets[group.dataset].append(group)
    bucket = preview.report.bucket
    written = 0
    left = PlannedFiles()
    left_out = 0
    for dataset in sorted(datasets):
        groups = sorted(datasets[dataset], key=lambda group: group.partition)
        lines = list(_dataset_lines(dataset, groups, bucket))
        if written + len(lines) > MAX_LINES and written:
            left_out += 1
            left.add(_together(groups))
            continue
        written += len(lines)
        yield from lines
    left.add(preview.more)
    if left.counts:
        named = format_count(left_out, "more dataset") if left_out else "more partitions"
        yield f"and {named}: {_totals(left)}"


def _dataset_lines(dataset: str, groups: list[PlannedPartition], bucket: str) -> Iterator[str]:
    name = printable(dataset) if dataset else "no key"
    if len(groups) == 1:
        yield f"{name}: {_totals(groups[0])}{_target(groups[0], bucket)}"
        return
    yield f"{name}: {_totals(_together(groups))}"
    for group in groups[: MAX_LINES // 2]:
        yield f"  {_totals(group)}{_target(group, bucket)}"
    if len(groups) > MAX_LINES // 2:
        more = format_count(len(groups) - MAX_LINES // 2, "more partition")
        yield f"  and {more}: {_totals(_together(groups[MAX_LINES // 2 :]))}"


def _volume_lines(preview: Preview) -> Iterator[str]:
    """Yield a line for each of the first volumes, if there are several."""
    ordered = sorted(preview.volumes.items())
    for volume, files in ordered[:MAX_VOLUMES]:
        yield f"  from {printable(volume)}: {_totals(files)}"
    if further := ordered[MAX_VOLUMES:]:
        yield f"  from further volumes: {_totals(_together(files for _, files in further))}"


def _together(groups: Iterable[PlannedFiles]) -> PlannedFiles:
    total = PlannedFiles()
    for group in groups:
        total.add(group)
    return total


def _target(group: PlannedPartition, bucket: str) -> str:
    return f" -> {_address(bucket, group.partition)}" if group.partition else ""


def _totals(group: PlannedFiles) -> str:
    files = f"{format_count(group.counts.total(), 'file')}, {format_size(group.sizes.total())}"
    # A volume may have none.
    return f"{files}: {_counts(group.counts)}" if group.counts else files


def _counts(counts: Counter[PlannedAction]) -> str:
    return ", ".join(
        f"{counts[action]:,} {word}" for action, word in _WORDS.items() if counts[action]
    )


def _named_lines(preview: Preview, action: PlannedAction) -> Iterator[str]:
    first = preview.named.get(action, [])
    for planned in first:
        yield planned_line(planned, preview.report.bucket)
    more = preview.counts[action] - len(first)
    if more > 0:
        yield f"and {more:,} more {_WORDS[action]}; see --files or --json"


def _source_lines(preview: Preview) -> Iterator[str]:
    """Yield what would be done with the source files: counts, and the first that would stay."""
    for status, verb in (("deleted", "delete"), ("moved", "move")):
        if files := preview.sources[status]:
            size = format_size(preview.source_sizes[status])
            yield f"would {verb} {format_count(files, 'source file')} after the load, {size}"
    for source in preview.kept_sources:
        yield f"source would stay: {printable(source.path)}: {printable(source.result.reason)}"
    more = preview.sources["kept"] - len(preview.kept_sources)
    if more > 0:
        yield f"and {format_count(more, 'more source file')} would stay; see --json"


def _request_lines(needed: RequestCounts, prices: Prices | None) -> Iterator[str]:
    kinds = f"{needed.puts:,} PUT, {needed.listings:,} LIST, {needed.gets:,} GET and HEAD"
    price = f", {_price(prices.of(needed))}" if prices else ""
    yield f"requests of the run: about {needed.total:,} ({kinds}){price}"


def _price(dollars: float) -> str:
    return f"about {dollars:,.2f} USD" if dollars >= 0.005 else "less than 0.01 USD"


def _address(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{printable(key)}"
