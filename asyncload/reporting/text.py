"""The text output for people."""

from __future__ import annotations

from collections.abc import Iterator

from asyncload.errors import AsyncloadError
from asyncload.model.reasons import excluded_text, reason_text
from asyncload.model.values import Excluded, Failed, LimitReason, Warned
from asyncload.reporting.report import MAX_NAMED, DatasetTotals, Report

_MAX_UNMARKED = 20
_MAX_DATASETS = 10
MAX_VOLUMES = 10
"""Maximum number of volumes with a line each; the files of others are counted together."""


def printable(text: str) -> str:
    """Escape control characters, and bytes that are not valid UTF-8, for a terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )


def format_size(size: int) -> str:
    """Format bytes in a suitable unit: `84.3 kB`, `1.2 GB` (powers of 1,000)."""
    value, units = float(size), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while value >= 999.95 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{size:,} B" if unit == "B" else f"{value:.1f} {unit}"


def format_count(number: int, noun: str) -> str:
    """Format a number with a noun, given in the singular: `1 part`, `1,200 parts`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


_LIMIT_WORDS: dict[LimitReason, str] = {
    "throughput": "more did not increase throughput",
    "throttled": "the store throttles",
    "open files": "limited by open files (ulimit -Hn)",
    "memory": "limited by --memory",
    "ceiling": "the maximum of --concurrency auto",
}


def describe_limit(limit: int, reason: LimitReason) -> str:
    """Describe the limit on concurrent requests and its reason; "" if it is not of interest."""
    words = _LIMIT_WORDS.get(reason)
    return f"up to {format_count(limit, 'concurrent request')}: {words}" if words else ""


def format_error(error: AsyncloadError) -> str:
    """Format an error: its message, and its hint on a separate line."""
    lines = [printable(line) for line in error.lines]
    return "\n".join(lines) + (f"\n  hint: {printable(error.hint)}" if error.hint else "")


def summary_lines(report: Report, seconds: float) -> Iterator[str]:
    """Yield the summary: totals, excluded entries, failures, manifest."""
    bucket, sent = report.bucket, report.sent
    rate = f", {format_size(round(sent / seconds))}/s" if seconds > 0 and sent else ""
    counts = [
        f"{report.counts[kind]:,} {kind}"
        for kind in ("uploaded", "unchanged", "present", "skipped", "failed")
        if report.counts[kind]
    ]
    if report.not_reached:
        counts.append(f"{report.not_reached:,} not reached")
    if not report.files:
        yield "no files to load"
        yield from shard_line(report)
        yield from excluded_counts(report)
        yield from _manifest_line(report)
        return
    in_zone = "is in the raw zone" if report.files == 1 else "are in the raw zone"
    proof = (
        f", verified by {' and '.join(sorted(report.verified_by))}" if report.verified_by else ""
    )
    yield (
        f"{report.landed:,} of {format_count(report.files, 'file')}"
        f"{' found so far' * report.is_early} {in_zone}: {', '.join(counts)}{proof} "
        f"({format_size(sent)} sent in {seconds:.1f} s{rate})"
    )
    yield from shard_line(report)
    yield from _volume_lines(report)
    yield from _dataset_lines(report)
    yield from _particulars(report)
    yield from excluded_counts(report)
    yield from skipped_lines(report)
    yield from failed_lines(report)
    yield from _source_lines(report)
    for upload in report.left_open:
        yield (
            f"left open: multipart upload {printable(upload.upload_id)} of "
            f"s3://{bucket}/{printable(upload.key)}: {printable(upload.reason)}"
        )
    for unmarked in report.unmarked[:_MAX_UNMARKED]:
        where = f"s3://{bucket}/{printable(unmarked.partition)}"
        yield f"not marked: {where}: {printable(unmarked.reason)}"
    if len(report.unmarked) > _MAX_UNMARKED:
        more = format_count(len(report.unmarked) - _MAX_UNMARKED, "more partition")
        yield f"not marked: {more}; see --json"
    for marker in report.markers_failed:
        yield f"no success marker in s3://{bucket}/{printable(marker.partition)}"
        for line in format_error(marker.error).splitlines():
            yield f"  {line.strip()}"
    yield from _manifest_line(report)


def shard_line(report: Report) -> Iterator[str]:
    """Yield which part of a run this was, and how the parts are put together."""
    if (shard := report.shard) is not None:
        yield (
            f"shard {shard.number}/{shard.total} of run {shard.run}: for all shards see asyncload "
            f"report --run {shard.run}"
        )


def _dataset_lines(report: Report) -> Iterator[str]:
    """Yield a line for each of the first datasets, if there are several."""
    if len(report.datasets) < 2:
        return
    first, rest = report.first_datasets(_MAX_DATASETS)
    for dataset, totals in first:
        yield f"  {printable(dataset) or 'no key'}: {_describe_totals(totals)}"
    if rest.files:
        yield f"  and further datasets: {_describe_totals(rest)}"


def _volume_lines(report: Report) -> Iterator[str]:
    """Yield a line for each of the first volumes, if there are several."""
    first, rest = report.first_volumes(MAX_VOLUMES)
    for volume, totals in first:
        yield f"  from {printable(volume)}: {_describe_totals(totals)}"
    if rest.files:
        yield f"  from further volumes: {_describe_totals(rest)}"


def _describe_totals(totals: DatasetTotals) -> str:
    counts = ", ".join(f"{files:,} {status}" for status, files in sorted(totals.counts.items()))
    text = f"{format_count(totals.files, 'file')}, {format_size(totals.size)}"
    # Of several volumes, one may have no files.
    return f"{text}: {counts}" if counts else text


def _manifest_line(report: Report) -> Iterator[str]:
    if report.manifest:
        yield f"manifest: s3://{report.bucket}/{printable(report.manifest)}"


def _source_lines(report: Report) -> Iterator[str]:
    """Yield what was done with the source files: counts, and the first ones that were kept."""
    for status in ("deleted", "moved"):
        if files := report.sources[status]:
            yield f"{status}: {format_count(files, 'source file')}"
    if files := report.sources["gone"]:
        yield f"already removed or renamed by another program: {format_count(files, 'source file')}"
    for path, reason in report.kept_sources:
        yield f"source kept: {printable(path)}: {printable(reason)}"
    more = report.sources["kept"] - len(report.kept_sources)
    if more > 0:
        yield f"and {format_count(more, 'more source file')} kept; see --json or the manifest"


def skipped_lines(report: Report) -> Iterator[str]:
    """Yield the first skipped files with the reason, and the number of others."""
    for skipped in report.skipped:
        target = f"s3://{report.bucket}/{printable(skipped.key)}"
        yield f"skipped: {printable(skipped.path)} -> {target}: {printable(skipped.reason)}"
    more = report.counts["skipped"] - len(report.skipped)
    if more > 0:
        yield f"and {more:,} more skipped; see --json or the manifest"


def failed_lines(report: Report) -> Iterator[str]:
    """Yield the failed files by kind: the first ones by name, the others counted."""
    for group in sorted(report.failure_groups.values(), key=lambda group: -group.files):
        for failed in group.first:
            yield from failure_lines(failed, report.bucket, hint=not group.hint)
        more = group.files - len(group.first)
        of_kind = f" ({group.kind})" if group.kind else ""
        if not group.first:
            yield f"failed: {format_count(more, 'file')}{of_kind}; see the manifest"
        elif more > 0:
            yield f"and {more:,} more failed in the same way{of_kind}; see --json or the manifest"
        if group.hint:
            yield f"  hint: {printable(group.hint)}"


def _particulars(report: Report) -> Iterator[str]:
    """Yield further facts about the run."""
    judged = report.store
    if judged is not None and judged.proofs[:1] not in ((), (judged.sent,)):
        yield (
            f"verified by the {judged.proofs[0]} in ETags: the store accepts data that does not "
            f"match its {judged.sent} checksum"
        )
    if report.processes > 1:
        yield f"loaded by {report.processes} processes"
    settled = report.concurrency
    if settled is not None and (limit := describe_limit(settled.limit, settled.reason)):
        yield limit
    if report.replaced:
        yield f"replaced: {format_count(report.replaced, 'object')} with different content"
        for file in report.replaced_files:
            yield f"  {printable(file.path)} -> s3://{report.bucket}/{printable(file.key)}"
        more = report.replaced - len(report.replaced_files)
        if more > 0:
            yield f"  and {more:,} more; see --json or the manifest"
    if report.kept:
        yield f"resumed: {format_size(report.kept)} had been sent by an earlier run"
    if report.aborted_uploads:
        uploads = format_count(report.aborted_uploads, "stale multipart upload")
        yield f"aborted: {uploads} of earlier runs"


def warning_lines(warned: Warned) -> Iterator[str]:
    """Yield a warning and its hint."""
    yield f"warning: {printable(warned.message)}"
    if warned.hint:
        yield f"  hint: {printable(warned.hint)}"


def excluded_counts(report: Report) -> Iterator[str]:
    """Yield the numbers of excluded entries by reason, if any."""
    if report.excluded:
        yield f"excluded: {excluded_text(report.excluded)}"


def excluded_entry_lines(entry: Excluded, count: int) -> Iterator[str]:
    """Yield an excluded entry, the `count`-th with its reason, if a user should know of it.

    Hidden and excluded files are skipped on purpose, so they are only counted. The others may be
    data that a user expects.
    """
    if entry.reason in ("hidden", "excluded"):
        return
    if count <= MAX_NAMED:
        yield excluded_line(entry)
    elif count == MAX_NAMED + 1:
        reason = reason_text(entry.reason)
        yield f"excluded: further entries ({reason}) are counted in the summary"


def excluded_line(entry: Excluded) -> str:
    """Describe an excluded entry and the reason."""
    csvs = f" with {format_count(entry.csvs, 'CSV')}: see --archives" if entry.csvs else ""
    return f"excluded: {printable(entry.path)} ({reason_text(entry.reason)}{csvs})"


def failure_lines(failure: Failed, bucket: str, *, hint: bool = True) -> Iterator[str]:
    """Yield a failed file, its target and the error, with the hint unless `hint` is false."""
    target = f" -> s3://{bucket}/{printable(failure.key)}" if failure.key else ""
    yield f"failed: {printable(failure.path)}{target}"
    first, *details = failure.error.lines
    shown = failure.error if hint else AsyncloadError(first, details=details)
    for line in format_error(shown).splitlines():
        yield f"  {line.strip()}"
