"""What a run came to, in words for people."""

from __future__ import annotations

from collections.abc import Iterator

from asyncload.errors import AsyncloadError
from asyncload.model.values import Excluded, Failed, LimitReason, Warned
from asyncload.reporting.report import Report

_UNMARKED_NAMED = 20


def printable(text: str) -> str:
    """Escape what a terminal would obey or can't show: controls, and names that aren't UTF-8."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )


def format_size(size: int) -> str:
    """Return bytes in the unit that reads best: `84.3 kB`, `1.2 GB`, by powers of 1,000."""
    value, units = float(size), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while value >= 999.95 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{size:,} B" if unit == "B" else f"{value:.1f} {unit}"


def format_count(number: int, noun: str) -> str:
    """Return how many of a thing: `1 part`, `1,200 parts`; the noun is given in its singular."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


_LIMIT_WORDS: dict[LimitReason, str] = {
    "throughput": "more brought no more throughput",
    "throttled": "the store asked to slow down",
    "open files": "limited by open files (ulimit -n)",
    "memory": "limited by --memory",
    "ceiling": "the most that are tried",
}


def describe_limit(limit: int, reason: LimitReason) -> str:
    """Say how many requests are made at once, and why; "" where there is nothing to say."""
    words = _LIMIT_WORDS.get(reason)
    return f"up to {format_count(limit, 'request')} at once: {words}" if words else ""


def format_error(error: AsyncloadError) -> str:
    """Return an error's message, and its hint on a line of its own."""
    lines = [printable(line) for line in error.lines]
    return "\n".join(lines) + (f"\n  hint: {printable(error.hint)}" if error.hint else "")


def summary_lines(report: Report, seconds: float) -> Iterator[str]:
    """Yield the closing summary: totals, what was left out, each failure, the manifest."""
    bucket, sent = report.bucket, report.sent
    rate = f", {format_size(round(sent / seconds))}/s" if seconds > 0 and sent else ""
    counts = [
        f"{report.counts[kind]:,} {kind}"
        for kind in ("uploaded", "unchanged", "skipped", "failed")
        if report.counts[kind]
    ]
    if report.not_reached:
        counts.append(f"{report.not_reached:,} not reached")
    if not report.files:
        yield "there was nothing to load"
        yield from excluded_counts(report)
        yield from _manifest_line(report)
        return
    proof = f", verified by {' and '.join(sorted(report.verified_by))}" if report.landed else ""
    yield (
        f"{report.landed:,} of {report.files:,} files are in the raw zone: {', '.join(counts)}"
        f"{proof} ({format_size(sent)} sent in {seconds:.1f} s{rate})"
    )
    yield from _particulars(report)
    yield from excluded_counts(report)
    yield from skipped_lines(report)
    yield from failed_lines(report)
    for upload in report.left_open:
        yield (
            f"left open: multipart upload {printable(upload.upload_id)} of "
            f"s3://{bucket}/{printable(upload.key)}: {printable(upload.reason)}"
        )
    for unmarked in report.unmarked[:_UNMARKED_NAMED]:
        where = f"s3://{bucket}/{printable(unmarked.partition)}"
        yield f"not marked: {where}: {printable(unmarked.reason)}"
    if len(report.unmarked) > _UNMARKED_NAMED:
        yield f"not marked: {len(report.unmarked) - _UNMARKED_NAMED:,} more partitions: see --json"
    for marker in report.markers_failed:
        yield f"no success marker in s3://{bucket}/{printable(marker.partition)}"
        for line in format_error(marker.error).splitlines():
            yield f"  {line.strip()}"
    yield from _manifest_line(report)


def _manifest_line(report: Report) -> Iterator[str]:
    if report.manifest:
        yield f"manifest: s3://{report.bucket}/{printable(report.manifest)}"


def skipped_lines(report: Report) -> Iterator[str]:
    """Yield the first files that were skipped, with the reason, and how many more there are."""
    for skipped in report.skipped:
        target = f"s3://{report.bucket}/{printable(skipped.key)}"
        yield f"skipped: {printable(skipped.path)} -> {target}: {printable(skipped.reason)}"
    more = report.counts["skipped"] - len(report.skipped)
    if more > 0:
        yield f"and {more:,} more that were skipped: see --json or the manifest"


def failed_lines(report: Report) -> Iterator[str]:
    """Yield the files that failed, kind by kind: the first by name, the others counted."""
    for group in sorted(report.failure_groups.values(), key=lambda group: -group.files):
        for failed in group.first:
            yield from failure_lines(failed, report.bucket, hint=not group.hint)
        more = group.files - len(group.first)
        if more > 0:
            of_kind = f" ({group.kind})" if group.kind else ""
            yield f"and {more:,} more that failed alike{of_kind}: see --json or the manifest"
        if group.hint:
            yield f"  hint: {printable(group.hint)}"


def _particulars(report: Report) -> Iterator[str]:
    """Yield what else was done on the way."""
    judged = report.store
    if judged is not None and judged.proofs[:1] not in ((), (judged.sent,)):
        yield (
            f"proof: {judged.proofs[0]} by ETag, as the store takes bodies that don't match their "
            f"{judged.sent}"
        )
    settled = report.concurrency
    if settled is not None and (limit := describe_limit(settled.limit, settled.reason)):
        yield limit
    if report.replaced:
        yield f"replaced: {format_count(report.replaced, 'object')} that held other bytes"
    if report.kept:
        yield f"resumed: {format_size(report.kept)} were there from an earlier run"
    if report.aborted:
        yield f"aborted: {report.aborted:,} multipart uploads that earlier runs had left open"


def warning_lines(warned: Warned) -> Iterator[str]:
    """Yield what went wrong although no file failed, and what to do."""
    yield f"warning: {printable(warned.message)}"
    if warned.hint:
        yield f"  hint: {printable(warned.hint)}"


def excluded_counts(report: Report) -> Iterator[str]:
    """Yield how many entries were left out for what reason, where any were."""
    if report.excluded:
        counts = ", ".join(f"{n:,} {reason}" for reason, n in sorted(report.excluded.items()))
        yield f"left out: {counts}"


def excluded_line(excluded: Excluded) -> str:
    """Say of one entry that it is left out, and why."""
    return f"left out: {printable(excluded.path)} ({excluded.reason})"


def failure_lines(failure: Failed, bucket: str, *, hint: bool = True) -> Iterator[str]:
    """Yield what failed, where it was to go, why, and what to do unless `hint` is false."""
    target = f" -> s3://{bucket}/{printable(failure.key)}" if failure.key else ""
    yield f"failed: {printable(failure.path)}{target}"
    first, *details = failure.error.lines
    shown = failure.error if hint else AsyncloadError(first, details=details)
    for line in format_error(shown).splitlines():
        yield f"  {line.strip()}"
