"""The HTML page of a past run: one file that fetches nothing, of at most 1 MB. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from asyncload.errors import AsyncloadError
from asyncload.model.version import VERSION
from asyncload.reporting.manifest_reading import ManifestEntry
from asyncload.reporting.page.charts import area_chart, bar, duration, step_chart
from asyncload.reporting.page.figures import SIZES, TIMES, Figures
from asyncload.reporting.records import result_of
from asyncload.reporting.report import DatasetTotals, Report
from asyncload.reporting.text import describe_limit, format_count, format_size, printable

MAX_TABLE_BYTES = 650_000
"""Maximum size of the table of objects in the page."""

_NOT_RECORDED = "not recorded"
_MAX_TEXT = 300
# A page that an odd name got into still fetches nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_MAX_NAMED = 50
# Names of partitions are in the page once. Each file at the top of a volume has one of its own.
_MAX_PARTITION_BYTES = 100_000
_STATUSES = ("uploaded", "unchanged", "present", "skipped", "failed")


class RunEnded(Protocol):
    """A run: its totals, its duration in seconds, and how it ended."""

    @property
    def report(self) -> Report:
        """Its totals."""

    @property
    def seconds(self) -> float:
        """Its duration in seconds."""

    @property
    def exit_code(self) -> int:
        """Its exit code."""

    @property
    def error(self) -> AsyncloadError | None:
        """The error that ended it, if any."""


def render_page(past: RunEnded, figures: Figures, note: str = "") -> str:
    """Return the page of a run; `note` is a remark about its record, "" for none."""
    report = past.report
    title = f"asyncload run {_text(report.run_id)}"
    table = ObjectTable(figures)
    script = f'<script id="data" type="application/json">{table.json()}</script>'
    return "\n".join(
        (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f'<link rel="icon" href="data:,"><title>{title}</title>',
            f"<style>{_file('style.css')}</style></head><body><main>",
            *_header(past, note),
            *_totals(past),
            *_over_time(past, figures),
            *_groups("Sizes", "Size", _size_labels(), figures.sizes),
            *_groups("Times", "Time per file", _time_labels(), figures.times),
            *_failures(past, figures),
            *_slowest(figures),
            *_breakdown("Datasets", "Dataset", "no key", past.report.first_datasets(_MAX_NAMED)),
            *_breakdown("Volumes", "Volume", "", past.report.first_volumes(_MAX_NAMED)),
            *_objects(figures, len(table.rows)),
            f'</main><footer><p class="soft">Written by asyncload {VERSION}.</p></footer>',
            script,
            f"<script>{_file('script.js')}</script></body></html>\n",
        )
    )


def _header(past: RunEnded, note: str) -> Iterator[str]:
    report = past.report
    kind = "result complete" if past.exit_code == 0 and not note else "result"
    day = f", date {report.day}" if report.day else ""
    started = f"{report.started:%Y-%m-%d %H:%M:%S} UTC" if report.started else "an unknown time"
    yield f"<h1>Run {_text(report.run_id)}</h1>"
    code = "" if note else f", exit code {past.exit_code}"
    result = _NOT_RECORDED if note else result_of(past.exit_code)
    yield f'<p><span class="{kind}">{result}</span>{code}</p>'
    yield f'<p class="soft">Bucket {_text(report.bucket)}{day}, started {started}</p>'
    if note:
        yield f'<p class="warning">{_text(note)}</p>'
    if past.error is not None:
        yield f'<p class="warning">{_text(past.error.message)}<br>{_text(past.error.hint)}</p>'
    for warned in report.warnings[:_MAX_NAMED]:
        yield f'<p class="warning">{_text(warned.message)}<br>{_text(warned.hint)}</p>'


def _totals(past: RunEnded) -> Iterator[str]:
    report, seconds = past.report, past.seconds
    rate = f"{format_size(round(report.sent / seconds))}/s" if seconds > 0 else "unknown"
    facts = [("Files", f"{report.files:,}"), ("Size", format_size(report.size))]
    facts += [
        (status.capitalize(), f"{n:,}") for status in _STATUSES if (n := report.counts[status])
    ]
    if report.not_reached:
        facts.append(("Not reached", f"{report.not_reached:,}"))
    facts += [("Sent", format_size(report.sent)), ("Duration", duration(seconds)), ("Rate", rate)]
    if report.requests:
        facts += [("Requests", f"{report.requests:,}"), ("Retries", f"{report.retries:,}")]
    if report.verified_by:
        facts.append(("Verified by", ", ".join(sorted(report.verified_by))))
    if report.processes > 1:
        facts.append(("Processes", f"{report.processes}"))
    if report.excluded:
        facts.append(("Excluded", f"{report.excluded.total():,}"))
    yield "<h2>Totals</h2><dl>"
    for name, value in facts:
        yield f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>"
    yield "</dl>"


def _over_time(past: RunEnded, figures: Figures) -> Iterator[str]:
    sent, busy, report = figures.sent, figures.busy, past.report
    yield "<h2>Over time</h2>"
    if not any(busy.amounts):
        yield '<p class="soft">The record has no times of files.</p>'
    else:
        yield area_chart(
            "Throughput of uploaded files", sent.rates, sent.width, lambda v: f"{_size(v)}/s"
        )
        yield area_chart("Files in work", busy.rates, busy.width, lambda v: f"{v:.1f}")
    if report.limits:
        changes = [(at, limit, reason == "throttled") for at, limit, reason in report.limits]
        yield step_chart(
            "Limit on concurrent requests (red: throttled by the store)",
            changes,
            max(past.seconds, changes[-1][0]),
            lambda v: f"{v:.0f}",
        )
    settled = report.concurrency
    if settled is not None:
        why = describe_limit(settled.limit, settled.reason)
        peak = f"At most {format_count(settled.peak, 'request')} at once"
        yield f'<p class="soft">{_text(f"{peak}; {why}" if why else peak)}</p>'


def _groups(
    title: str, heading: str, labels: Sequence[str], counts: Sequence[int]
) -> Iterator[str]:
    top = max(counts)
    if not top:
        return
    yield f"<h2>{title}</h2><table><thead><tr><th scope='col'>{heading}</th>"
    yield "<th scope='col' class='number'>Files</th><td class='bar'></td></tr></thead><tbody>"
    used = [at for at, count in enumerate(counts) if count]
    for label, count in list(zip(labels, counts, strict=True))[used[0] : used[-1] + 1]:
        yield f"<tr><th scope='row'>{label}</th><td class='number'>{count:,}</td>"
        yield f"<td class='bar'>{bar(count / top)}</td></tr>"
    yield "</tbody></table>"


def _size_labels() -> list[str]:
    bounds = [format_size(size).replace(".0 ", " ") for size in SIZES]
    between = [f"{low} to {high}" for low, high in pairwise(bounds)]
    return ["empty", *between, f"{bounds[-1]} and more"]


def _time_labels() -> list[str]:
    words = [f"{time:g} s" for time in TIMES]
    between = [f"{low} to {high}" for low, high in pairwise(words)]
    return [f"under {words[0]}", *between, f"{words[-1]} and more"]


def _failures(past: RunEnded, figures: Figures) -> Iterator[str]:
    report = past.report
    if not report.counts["failed"] and not figures.failed:
        return
    yield "<h2>Failures</h2>"
    for group in list(report.failure_groups.values())[:_MAX_NAMED]:
        hint = f": {group.hint}" if group.hint else ""
        kind = f"{format_count(group.files, 'file')} ({group.kind or 'other errors'}){hint}"
        yield f'<p class="warning">{_text(kind)}</p>'
    yield "<table><thead><tr><th scope='col'>File</th><th scope='col'>Error</th></tr></thead>"
    yield "<tbody>"
    for entry in figures.failed:
        yield f"<tr><th scope='row'>{_text(entry.path)}</th><td>{_text(entry.error)}</td></tr>"
    yield "</tbody></table>"
    if (more := figures.counts["failed"] - len(figures.failed)) > 0:
        yield f'<p class="soft">and {format_count(more, "more file")}; see the manifest</p>'


def _slowest(figures: Figures) -> Iterator[str]:
    if not figures.slowest:
        return
    yield "<h2>Slowest files</h2><table><thead><tr><th scope='col'>File</th>"
    yield "<th scope='col' class='number'>Bytes</th><th scope='col' class='number'>Seconds</th>"
    yield "</tr></thead><tbody>"
    for seconds, entry in figures.slowest:
        yield f"<tr><th scope='row'>{_text(entry.path)}</th><td class='number'>{entry.size:,}</td>"
        yield f"<td class='number'>{seconds:.3f}</td></tr>"
    yield "</tbody></table>"


def _breakdown(
    title: str,
    heading: str,
    unnamed: str,
    totals_of: tuple[list[tuple[str, DatasetTotals]], DatasetTotals],
) -> Iterator[str]:
    """Yield the table of totals by dataset or volume: the first ones, and the rest together."""
    first, rest = totals_of
    if not first:
        return
    yield f"<h2>{title}</h2><table><thead><tr><th scope='col'>{heading}</th>"
    yield "<th scope='col' class='number'>Files</th><th scope='col' class='number'>Size</th>"
    yield "<th scope='col'>Results</th></tr></thead><tbody>"
    further = [(f"further {title.lower()}", rest)] if rest.files else []
    for name, totals in [*first, *further]:
        counts = ", ".join(f"{n:,} {status}" for status, n in sorted(totals.counts.items()))
        yield f"<tr><th scope='row'>{_text(name or unnamed)}</th>"
        yield f"<td class='number'>{totals.files:,}</td>"
        yield f"<td class='number'>{format_size(totals.size)}</td><td>{_text(counts)}</td></tr>"
    yield "</tbody></table>"


def _objects(figures: Figures, shown: int) -> Iterator[str]:
    yield "<h2>Objects</h2><noscript><p>The table needs JavaScript.</p></noscript>"
    if shown < figures.files:
        files = f"The first {shown:,} of {figures.files:,} files"
        yield f'<p class="soft">{files}; the manifest has all of them.</p>'
    yield '<div id="objects" hidden><div class="controls">'
    yield '<input id="search" type="search" placeholder="Search paths and keys" '
    yield 'aria-label="Search paths and keys"><select id="status" aria-label="Status">'
    yield '<option value="">all</option>'
    for status in _STATUSES:
        if figures.counts[status]:
            yield f"<option>{status}</option>"
    yield "</select></div><table><caption id='shown' aria-live='polite'></caption><thead><tr>"
    yield "<th scope='col'>Path</th><th scope='col'>Status</th>"
    yield "<th scope='col' class='number'>Bytes</th>"
    yield "<th scope='col' class='number wide'>Seconds</th><th scope='col' class='wide'>Key</th>"
    yield "</tr></thead><tbody id='rows'></tbody></table>"
    yield '<p><button id="more" type="button">Show more</button></p></div>'


class ObjectTable:
    """The rows of the table of objects in JSON, as many as fit.

    A row is path, status, bytes, seconds, partition and the rest of the key. Statuses and
    partitions are numbers in lists of them; the rest is a number if it equals that many characters
    at the end of the path.
    """

    def __init__(self, figures: Figures) -> None:
        self.rows: list[str] = []
        # Keys that begin with no known partition refer to the first one.
        self._partitions = {"": 0}
        self._left = _MAX_PARTITION_BYTES
        left = MAX_TABLE_BYTES
        for entry in figures.rows:
            partition, rest = self._shortened_key(entry)
            status = _STATUSES.index(entry.status)
            row = _json([entry.path, status, entry.size, entry.seconds, partition, rest])
            left -= len(row) + 1
            if left < 0:
                return
            self.rows.append(row)

    def _shortened_key(self, entry: ManifestEntry) -> tuple[int | None, int | str | None]:
        if entry.key is None:
            return None, None
        number = self._number_of(entry.partition) if entry.key.startswith(entry.partition) else 0
        rest = entry.key.removeprefix(entry.partition if number else "")
        if not rest or not entry.path.endswith(rest):
            return number, rest
        # JavaScript counts UTF-16 units.
        return number, len(rest.encode("utf-16-le", "surrogatepass")) // 2

    def _number_of(self, partition: str) -> int:
        number = self._partitions.get(partition)
        if number is None:
            size = len(_json(partition)) + 1
            if size > self._left:
                return 0
            self._left -= size
            number = self._partitions[partition] = len(self._partitions)
        return number

    def json(self) -> str:
        """Return the table as JSON."""
        names = _json(list(self._partitions))
        rows = ",".join(self.rows)
        return f'{{"statuses":{_json(_STATUSES)},"partitions":{names},"rows":[{rows}]}}'


def _json(value: Any) -> str:
    """Return JSON in ASCII that can't end the element that it is in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _text(text: str) -> str:
    """Return a text for HTML: escaped, printable and not too long."""
    shown = printable(text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}...")
    return escape(shown)


def _size(value: float) -> str:
    return format_size(round(value))


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
