"""A run's totals, rebuilt from its record: what was written is what is read."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from asyncload.errors import AccessDenied, ObjectConflict
from asyncload.model.checksums import checksum_of
from asyncload.model.values import (
    Disposed,
    Excluded,
    Failed,
    FileFinished,
    MarkerFailed,
    ObjectKey,
    PartitionUnmarked,
    RequestsMade,
    RunStarted,
    Scanned,
    StoreJudged,
    Unchanged,
    Uploaded,
    UploadLeftOpen,
    Warned,
)
from asyncload.reporting.manifest import describe_run
from asyncload.reporting.recorded import OddRecordError, past_run, run_record
from asyncload.reporting.records import run_totals, summary_record, to_json
from asyncload.reporting.report import MAX_DATASETS, DatasetTotals, Report

STARTED = datetime(2022, 5, 2, 6, tzinfo=UTC)
CRC = checksum_of(b"1", "CRC64NVME")


@pytest.fixture
def report():
    """The totals of a run in which much happened."""
    report = Report()
    error = ObjectConflict("the key already holds an object", hint="use --overwrite")
    denied = AccessDenied("denied", code="AccessDenied", status=403)
    key = ObjectKey("Raw/A/a.csv")
    for event in (
        RunStarted("20220502T060000Z-00000000", "lake", date(2022, 5, 2), STARTED),
        Scanned(5, 12),
        Excluded(".x.csv", "hidden"),
        FileFinished(Uploaded("a.csv", key, 5, CRC, replaced=True), "Raw/A/", "A"),
        FileFinished(Unchanged("b.csv", key, 5, CRC), "Raw/B/", "B", source=Disposed("moved")),
        FileFinished(Failed("c.csv", key, 1, error), "Raw/B/", "B"),
        FileFinished(Failed("d.csv", None, 1, error)),
        UploadLeftOpen("e.csv", key, "id", "no answer"),
        MarkerFailed("Raw/A/", denied),
        PartitionUnmarked("Raw/B/", "c.csv failed"),
        StoreJudged("CRC64NVME", ("MD5",), {"basis": "probed", "checks": {}}),
        Warned("the clock is wrong", "set it"),
        RequestsMade(9, 1, 11),
    ):
        report.observe(event)
    report.kept, report.aborted_uploads, report.processes = 3, 2, 4
    return report


def lines_of(report, **summary):
    """The first and the last line of a manifest."""
    first = f'{{"run":{to_json(describe_run({}, report))},"files":['
    record = summary_record(
        "run",
        run_totals(report),
        bucket="lake",
        started=STARTED,
        finished=datetime(2022, 5, 2, 6, 1, tzinfo=UTC),
        exit_code=3,
        error=AccessDenied("denied: GetObject", hint="permit it"),
    )
    return first.encode(), f'],"summary":{to_json(record | summary)}}}'.encode()


def test_the_totals_survive_being_recorded(report):
    """Written, read and written again, they are the same."""
    past = past_run(run_record(*lines_of(report)), "_asyncload/x.json")
    again, before = run_totals(past.report), run_totals(report)
    assert again.pop("manifest") == "_asyncload/x.json"
    assert before.pop("manifest") is None
    (failed,) = before["markers_failed"]
    failed["error"] = {name: failed["error"][name] for name in ("kind", "message", "hint")}
    assert again == before
    assert (past.seconds, past.exit_code) == (60, 3)
    assert type(past.error).__name__ == "AccessDenied"
    assert (past.error.message, past.error.hint) == ("denied: GetObject", "permit it")


def test_a_record_of_an_earlier_version_lacks_some_fields(report):
    """Those that were added since count as zero."""
    first, last = lines_of(report)
    summary = json.loads(last[len(b'],"summary":') : -1])
    for name in ("datasets", "sources", "store", "processes", "failures", "unmarked"):
        del summary[name]
    past = past_run(run_record(first, f'],"summary":{to_json(summary)}}}'.encode()), "k")
    assert (past.report.files, past.report.processes, past.report.datasets) == (5, 1, {})


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (b"x", None, "not a manifest"),
        (b'{"run":{}', None, "not a manifest"),
        (None, b"", "incomplete"),
        (b'{"run":{"version":2},"files":[', None, "its version is 2"),
        (None, b'],"summary":{"version":1}}', "can't be read: KeyError: 'error'|'files'"),
        (b'{"run":[],"files":[', None, "not a JSON object"),
        (b'{"run":{,"files":[', None, "not valid JSON"),
        (None, b'],"summary":' + b"[" * 100_000 + b"}}", "not valid JSON"),
    ],
)
def test_what_is_not_a_record_is_said(report, first, last, message):
    """Also if it is nested too deeply."""
    begin, end = lines_of(report)
    with pytest.raises(OddRecordError, match=message):
        past_run(run_record(begin if first is None else first, end if last is None else last), "k")


def test_datasets_beyond_the_first_are_counted_together():
    """As they are while they are counted one by one."""
    report, one = Report(), DatasetTotals()
    one.count("uploaded", 2)
    for number in range(MAX_DATASETS + 1):
        report.add_dataset(f"D{number}", one)
    report.add_dataset(None, one)
    report.add_dataset("D0", one)
    assert (len(report.datasets), report.datasets["D0"].files) == (MAX_DATASETS, 2)
    assert report.other_datasets.files == 2
