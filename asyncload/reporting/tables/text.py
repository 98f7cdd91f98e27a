"""The text of a check, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asyncload.model.values import Failed
from asyncload.reporting.tables.results import (
    CheckReport,
    DatasetChecked,
    describe_dialect,
    describe_type,
)
from asyncload.reporting.text import failure_lines, format_count, format_size, printable
from asyncload.source.tables.values import CheckedFile, Column, Finding

_MAX_COLUMNS = 40
_MAX_NAME = 40


def file_lines(checked: CheckedFile | Failed) -> Iterator[str]:
    """Yield the lines about one CSV: what it is, and the findings."""
    if isinstance(checked, Failed):
        yield from failure_lines(checked, "")
        return
    path = printable(checked.path)
    if not checked.columns:
        yield path
    else:
        facts = [
            format_count(checked.rows, "row"),
            format_count(len(checked.columns), "column"),
            describe_dialect(checked.dialect) if len(checked.columns) > 1 else "",
            checked.encoding,
            "header" if checked.header else "no header",
        ]
        yield f"{path}: {', '.join(filter(None, facts))}"
    yield from _finding_lines(checked.findings)


def _finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        where = f", line {finding.line:,}" if finding.line else ""
        column = f" in column {printable(finding.column)!r}" if finding.column is not None else ""
        yield f"  {finding.kind}{column}{where}: {printable(finding.message)}"


def dataset_lines(dataset: DatasetChecked, *, table: bool = True) -> Iterator[str]:
    """Yield a dataset's findings and, if `table`, its columns."""
    rows, files = format_count(dataset.rows, "row"), format_count(dataset.files, "file")
    yield f"dataset {printable(dataset.dataset)}: {files}, {rows}"
    yield from _finding_lines(dataset.findings)
    if not table or not dataset.columns:
        return
    shown = dataset.columns[:_MAX_COLUMNS]
    cells = [("column", "type", "values", "nulls"), *map(_cells, shown)]
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    for name, kind, values, nulls in cells:
        yield (
            f"  {name:<{widths[0]}}  {kind:<{widths[1]}}  {values:>{widths[2]}}  "
            f"{nulls:>{widths[3]}}"
        )
    if len(dataset.columns) > _MAX_COLUMNS:
        more = format_count(len(dataset.columns) - _MAX_COLUMNS, "more column")
        yield f"  and {more}; see --json"


def _cells(column: Column) -> tuple[str, str, str, str]:
    name = printable(column.name) or '""'
    short = name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 3] + "..."
    return short, describe_type(column), f"{column.values:,}", f"{column.nulls:,}"


def total_line(report: CheckReport) -> str:
    """Return the last line: totals, and the number of findings."""
    if not report.files:
        return "no files to check"
    text = (
        f"checked {format_count(report.files - report.failed, 'file')}, "
        f"{format_size(report.size)}, {format_count(report.rows, 'row')}"
    )
    if report.clean and not report.failed:
        return f"OK: {text}; no findings"
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(report.findings.items()))
    parts = [f"{text}; {report.with_findings:,} with findings"]
    if kinds:
        parts[0] += f" ({kinds})"
    if report.failed:
        parts.append(f"{report.failed:,} failed")
    return "; ".join(parts)
