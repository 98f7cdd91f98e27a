"""`asyncload collect --dry-run`: print the requests and their keys, without any request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from asyncload.cli.ending import Ending
from asyncload.cli.output import stdout
from asyncload.planning.keys import KeyLayout
from asyncload.reporting.records import collect_totals, request_record, to_json
from asyncload.reporting.report import Report
from asyncload.reporting.text import printable
from asyncload.settings.collect import CollectSettings
from asyncload.settings.run import layout_of
from asyncload.source.web.description import SINCE, Query
from asyncload.source.web.requests import Asking


def collect_dry_run(settings: CollectSettings, ending: Ending, *, quiet: bool) -> int:
    """Print the first request of each query, and the forms of those that follow; return 0.

    Raises:
        InvalidKey: a query gives no valid key.
    """
    layout = layout_of(settings.target, datetime.now(UTC))
    report = Report(bucket=settings.target.bucket, day=layout.date)
    ending.totals = lambda: collect_totals(report) | {"dry_run": True}
    out = stdout()
    for planned in _plan(settings, layout):
        if ending.json:
            record = request_record(planned.url, planned.key, report, per_result=planned.per_result)
            out.line(to_json(record))
        elif not quiet:
            indent = "  " * planned.depth
            each = "for each result, " if planned.per_result else ""
            target = f"s3://{report.bucket}/{printable(planned.key)}"
            out.line(f"{indent}{each}would request {printable(planned.url)} -> {target}")
    out.flush()
    return 0


class _Planned(NamedTuple):
    """A request: its address and key, which may have placeholders if it is made per result."""

    url: str
    key: str
    depth: int = 0
    per_result: bool = False


def _plan(settings: CollectSettings, layout: KeyLayout) -> Iterator[_Planned]:
    assert layout.date is not None, "a collection has one date"
    asking = Asking(settings.api, layout.date, settings.max_results)
    base = settings.api.base_url.rstrip("/")
    for query in settings.queries:
        # The date of the last collection is in the bucket, which is not asked.
        for request in asking.begin(query, None):
            path = request.path
            if SINCE in query.placeholders:
                path = path.replace(request.filled.stem, "{hash}")
            yield _Planned(f"{base}/{request.target}", layout.key_for(path))
        yield from _details(query, base, layout, asking, 1)


def _details(
    query: Query, base: str, layout: KeyLayout, asking: Asking, depth: int
) -> Iterator[_Planned]:
    for detail in query.details:
        request = asking.example(detail)
        # Placeholders of parameters are encoded as values would be.
        url = f"{base}/{request.target}".replace("%7B", "{").replace("%7D", "}")
        yield _Planned(url, layout.key_for(request.path), depth, per_result=True)
        yield from _details(detail, base, layout, asking, depth + 1)
