"""What a run came to: counted, in words for people, in records for programs."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import ObjectConflict, RequestRejected, ServerError, SourceUnreadable
from asyncload.model.values import (
    Checksum,
    ConcurrencySettled,
    Excluded,
    Failed,
    FileFinished,
    LoadStarted,
    LoadStartedEarly,
    ManifestWritten,
    MarkerFailed,
    ObjectKey,
    PartKept,
    PartSent,
    ProcessesStarted,
    RequestsMade,
    RunStarted,
    Scanned,
    Skipped,
    StaleUploadAborted,
    Unchanged,
    Uploaded,
    UploadLeftOpen,
    Warned,
)
from asyncload.reporting import report as report_module
from asyncload.reporting.preview import FilePlanned
from asyncload.reporting.preview_records import planned_record
from asyncload.reporting.records import (
    clean_totals,
    excluded_record,
    file_record,
    run_totals,
    summary_record,
    to_json,
    verify_totals,
)
from asyncload.reporting.report import Report
from asyncload.reporting.text import (
    excluded_line,
    failed_lines,
    failure_lines,
    format_count,
    format_error,
    format_size,
    printable,
    skipped_lines,
    summary_lines,
    warning_lines,
)
from tests.support.vocabulary import check_record

SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")
UPLOADED = Uploaded("a.csv", ObjectKey("Raw/a.csv"), 1_234_567, SUM)
UNCHANGED = Unchanged(
    "b.csv", ObjectKey("Raw/b.csv"), 20, Checksum("MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")
)
CONFLICT = Failed(
    "x/caf\u00e9.csv",
    ObjectKey("Raw/x/caf\u00e9.csv"),
    300,
    ObjectConflict(
        "the key already holds an object of 7 bytes", hint="replace it with --overwrite"
    ),
)
LOCKED = Failed(
    "locked", None, 0, SourceUnreadable("the path can't be listed: Permission denied", hint="")
)
BUSY = Failed(
    "c.csv",
    ObjectKey("Raw/c.csv"),
    4,
    ServerError("the store is busy", code="SlowDown", status=503, request_id="R1"),
)
LEFT_OPEN = UploadLeftOpen("d.csv", ObjectKey("Raw/d.csv"), "upload-1", "AccessDenied")


NOW = datetime(2022, 5, 2, 12, tzinfo=UTC)
BEGUN = RunStarted("run-1", "lake", date(2022, 5, 2), NOW)


def observe(*events):
    report = Report()
    report.observe(BEGUN)
    for event in events:
        report.observe(event)
    return report


def finished(*outcomes):
    return [FileFinished(outcome) for outcome in outcomes]


# Counting


def test_a_run_whose_files_are_all_in_the_zone_is_a_success():
    """Uploaded now or there before."""
    report = observe(
        Scanned(1, 20),
        LoadStarted(2, 1_234_587),
        PartSent("a.csv", 1_000_000),
        *finished(UPLOADED, UNCHANGED),
    )
    assert (report.files, report.size, report.landed) == (2, 1_234_587, 2)
    assert report.sizes == {"uploaded": 1_234_567, "unchanged": 20}
    assert report.exit_code == 0


@pytest.mark.parametrize("outcomes", [[UPLOADED, CONFLICT], [UPLOADED]], ids=["failed", "missing"])
def test_a_run_without_one_of_its_files_is_not_a_success(outcomes):
    """Whether the file failed or was not reached."""
    report = observe(LoadStarted(2, 1), *finished(*outcomes))
    assert report.landed == 1
    assert report.exit_code == 3


def test_what_was_left_out_or_left_open_is_counted():
    """By reason, and one by one."""
    report = observe(
        Excluded(".a.csv", "hidden"),
        Excluded(".b.csv", "hidden"),
        Excluded("c", "symlink"),
        LEFT_OPEN,
    )
    assert report.excluded == {"hidden": 2, "symlink": 1}
    assert report.left_open == [LEFT_OPEN]


def test_so_many_failures_are_kept_and_all_are_counted(monkeypatch):
    """Memory stays flat, however many fail."""
    monkeypatch.setattr(report_module, "MAX_FAILURES_KEPT", 2)
    report = observe(LoadStarted(3, 0), *finished(CONFLICT, LOCKED, BUSY))
    assert report.failures == [CONFLICT, LOCKED]
    assert report.counts["failed"] == 3


# In words


def test_the_summary_of_a_success_is_one_line():
    """How many landed how, how much was sent, how fast."""
    report = observe(
        LoadStarted(2, 1_234_587),
        *finished(UPLOADED, UNCHANGED),
        RequestsMade(4, 0, 1_234_567),
    )
    assert list(summary_lines(report, 0.5)) == [
        (
            "2 of 2 files are in the raw zone: 1 uploaded, 1 unchanged, "
            "verified by CRC64NVME and MD5 (1.2 MB sent in 0.5 s, 2.5 MB/s)"
        )
    ]


def test_the_summary_of_a_run_that_ended_while_it_scanned_does_not_claim_a_total():
    """Its number of files is that of those found so far, until the whole volume is known."""
    events = [LoadStartedEarly(2, 20), *finished(UPLOADED, UNCHANGED), Scanned(3, 30)]
    (line,) = summary_lines(observe(*events), 0.5)
    assert line.startswith("2 of 3 files found so far are in the raw zone: 1 uploaded, 1 unchanged")
    (line,) = summary_lines(observe(*events, LoadStarted(3, 30)), 0.5)
    assert line.startswith("2 of 3 files are in the raw zone: 1 uploaded, 1 unchanged")


def test_the_summary_says_what_else_was_done():
    """Replaced, resumed, aborted, markers that are missing, and where the record is."""
    denied = RequestRejected("no markers", hint="permit it")
    report = observe(
        LoadStarted(2, 2_000_020),
        PartKept("a.csv", 1_000_000),
        StaleUploadAborted("Raw/a.csv", "upload-1"),
        *finished(UPLOADED._replace(replaced=True), UNCHANGED),
        MarkerFailed("Raw/D/", denied),
        ManifestWritten("_asyncload/run-1.json"),
    )
    _, *others = summary_lines(report, 1.0)
    assert others == [
        "replaced: 1 object with different content",
        f"  {UPLOADED.path} -> s3://lake/{UPLOADED.key}",
        "resumed: 1.0 MB had been sent by an earlier run",
        "aborted: 1 stale multipart upload of earlier runs",
        "no success marker in s3://lake/Raw/D/",
        "  no markers",
        "  hint: permit it",
        "manifest: s3://lake/_asyncload/run-1.json",
    ]
    assert report.exit_code == 3


def test_objects_that_were_replaced_are_named_up_to_a_number():
    """The others are counted."""
    replaced = [UPLOADED._replace(path=f"{n}.csv", replaced=True) for n in range(22)]
    report = observe(LoadStarted(22, 0), *finished(*replaced))
    lines = list(summary_lines(report, 1.0))
    assert lines[1] == "replaced: 22 objects with different content"
    assert lines[21:] == [f"  19.csv -> s3://lake/{UPLOADED.key}", lines[-1]]
    assert lines[-1] == "  and 2 more; see --json or the manifest"


def test_datasets_are_lines_up_to_ten_and_records_up_to_a_hundred(monkeypatch):
    """The others are counted together, also those beyond a number that bounds the memory."""
    monkeypatch.setattr(report_module, "MAX_DATASETS", 105)
    outcomes = [UNCHANGED._replace(path=f"{n}.csv") for n in range(120)]
    events = [FileFinished(o, "Raw/", f"D{n:03}") for n, o in enumerate(outcomes)]
    report = observe(LoadStarted(121, 0), *events, FileFinished(UPLOADED, "Raw/", "D000"))
    lines = list(summary_lines(report, 1.0))[1:]
    assert lines[0] == "  D000: 2 files, 1.2 MB: 1 unchanged, 1 uploaded"
    assert lines[9] == "  D009: 1 file, 20 B: 1 unchanged"
    assert lines[10:] == ["  and further datasets: 110 files, 2.2 kB: 110 unchanged"]
    records = run_totals(report)["datasets"]
    assert len(records) == 101
    rest = {"dataset": None, "files": 20, "bytes": 400, "statuses": {"unchanged": 20}}
    assert records[-1] == rest


def test_a_warning_says_what_to_do():
    """If there is one."""
    assert list(warning_lines(Warned("a\x1b[31m", "b"))) == [
        "warning: a\\x1b[31m",
        "  hint: b",
    ]
    assert list(warning_lines(Warned("a"))) == ["warning: a"]


@pytest.mark.parametrize(("outcome", "seconds"), [(UNCHANGED, 2.0), (UPLOADED, 0.0)])
def test_the_summary_omits_a_rate_that_is_unknown(outcome, seconds):
    """Nothing was sent, or the clock stood still."""
    (line,) = summary_lines(observe(LoadStarted(1, 20), *finished(outcome)), seconds)
    assert line.endswith(" s)")


def test_the_summary_names_each_failure():
    """With where it was to go, why, and what to do; then what was left out and left open."""
    report = observe(
        Excluded(".e.csv", "hidden"),
        Excluded("f.csv", "symlink"),
        Excluded(".g.csv", "hidden"),
        LoadStarted(2_005, 9),
        *finished(CONFLICT, LOCKED, BUSY, UPLOADED),
        LEFT_OPEN,
        RequestsMade(9, 2, 1_234_567),
    )
    totals, *others = summary_lines(report, 61.25)
    assert totals == (
        "1 of 2,005 files are in the raw zone: 1 uploaded, 3 failed, 2,001 not reached, "
        "verified by CRC64NVME (1.2 MB sent in 61.2 s, 20.2 kB/s)"
    )
    assert others == [
        "excluded: 2 hidden, 1 symlink",
        "failed: x/caf\u00e9.csv -> s3://lake/Raw/x/caf\u00e9.csv",
        "  the key already holds an object of 7 bytes",
        "  hint: replace it with --overwrite",
        "failed: locked",
        "  the path can't be listed: Permission denied",
        "failed: c.csv -> s3://lake/Raw/c.csv",
        "  the store is busy",
        "left open: multipart upload upload-1 of s3://lake/Raw/d.csv: AccessDenied",
    ]


@pytest.mark.fault("I6")
def test_files_that_failed_alike_are_counted_together(monkeypatch):
    """The largest group comes first; the first of each are named, and its hint is given once."""
    monkeypatch.setattr(report_module, "MAX_NAMED", 2)
    conflicts = [CONFLICT._replace(path=f"{n}.csv") for n in range(1_005)]
    report = observe(*finished(LOCKED, *conflicts, BUSY, BUSY._replace(path="e.csv")))
    target = "-> s3://lake/Raw/x/caf\u00e9.csv"
    assert list(failed_lines(report)) == [
        f"failed: 0.csv {target}",
        "  the key already holds an object of 7 bytes",
        f"failed: 1.csv {target}",
        "  the key already holds an object of 7 bytes",
        "and 1,003 more failed in the same way (ObjectConflict); see --json or the manifest",
        "  hint: replace it with --overwrite",
        "failed: c.csv -> s3://lake/Raw/c.csv",
        "  the store is busy",
        "failed: e.csv -> s3://lake/Raw/c.csv",
        "  the store is busy",
        "failed: locked",
        "  the path can't be listed: Permission denied",
    ]
    assert sum(group["files"] for group in run_totals(report)["failures"]) == 1_008


@pytest.mark.fault("I6")
@given(st.lists(st.integers(0, 40), max_size=200))
def test_however_files_fail_few_lines_tell_of_them(hints):
    """Groups are bounded as their members are; every file is counted once."""
    report = observe()
    for hint in hints:
        error = ObjectConflict("taken", hint=f"hint {hint}" if hint else "")
        report.observe(FileFinished(CONFLICT._replace(error=error)))
    assert sum(group.files for group in report.failure_groups.values()) == len(hints)
    assert len(report.failure_groups) <= report_module.MAX_NAMED + 1
    lines = list(failed_lines(report))
    assert len(lines) <= (report_module.MAX_NAMED + 1) * (3 * report_module.MAX_NAMED + 2)
    named = sum(line.startswith("failed: ") for line in lines)
    more = [int(line.split()[1]) for line in lines if line.startswith("and ")]
    assert named + sum(more) == len(hints)


@pytest.mark.fault("I5")
def test_files_that_were_skipped_are_named(monkeypatch):
    """The first ones, with where they were to go and why not."""
    monkeypatch.setattr(report_module, "MAX_NAMED", 1)
    skipped = [Skipped(f"{n}\n.csv", ObjectKey(f"Raw/{n}.csv"), 1, "taken") for n in range(3)]
    assert list(skipped_lines(observe(*finished(*skipped)))) == [
        "skipped: 0\\n.csv -> s3://lake/Raw/0.csv: taken",
        "and 2 more skipped; see --json or the manifest",
    ]


def test_an_entry_that_is_left_out_is_named_with_the_reason():
    """In one line, with any name."""
    assert excluded_line(Excluded("a\nb.csv", "hidden")) == "excluded: a\\nb.csv (hidden)"


def test_an_error_of_several_lines_keeps_them():
    """What a terminal would obey is escaped in each."""
    error = ObjectConflict("first\nof one", details=["  second\x1b[31m"], hint="look\rthere")
    assert format_error(error) == "first\\nof one\n  second\\x1b[31m\n  hint: look\\rthere"
    failure = Failed("a\tb.csv", None, 0, error)
    assert list(failure_lines(failure, "lake")) == [
        "failed: a\\tb.csv",
        "  first\\nof one",
        "  second\\x1b[31m",
        "  hint: look\\rthere",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\u00e9 \N{CLAPPER BOARD}.csv", "caf\u00e9 \N{CLAPPER BOARD}.csv"),
        ("\x1b[2Jgone.csv", "\\x1b[2Jgone.csv"),
        ("a\nb.csv", "a\\nb.csv"),
        ("right\u202eleft.csv", "right\\u202eleft.csv"),
        (os.fsdecode(b"caf\xe9 \xc3\xa9.csv"), "caf\\xe9 \u00e9.csv"),
    ],
)
def test_a_name_is_shown_without_what_a_terminal_would_obey(text, shown):
    """Letters of all scripts stay; controls, reordering marks and stray bytes are escaped."""
    assert printable(text) == shown


@given(st.binary(max_size=40).map(os.fsdecode))
def test_every_name_can_be_printed(name):
    """In one line, on any terminal that shows Unicode."""
    shown = printable(name)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (84_321, "84.3 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5 * 2**40, "5.5 TB"),
        (12_345 * 10**12, "12345.0 TB"),
    ],
)
def test_sizes_read_well(size, text):
    """Powers of 1,000, one decimal."""
    assert format_size(size) == text


# In records


def record_of(outcome, **about):
    event = FileFinished(outcome, **about)
    record = json.loads(to_json(file_record(event, observe(), NOW)))
    check_record(record)
    return record


OF_RUN = {"version": 1, "run_id": "run-1", "bucket": "lake", "date": "2022-05-02"}


@pytest.mark.fault("I14")
def test_the_record_of_a_file_in_the_zone():
    """Path, object, size, times, and what proved it."""
    about = {"partition": "Raw/", "dataset": "B", "seconds": 0.25}
    assert record_of(UNCHANGED, **about) == OF_RUN | {
        "type": "file",
        "status": "unchanged",
        "path": "b.csv",
        "key": "Raw/b.csv",
        "dataset": "B",
        "partition": "Raw/",
        "size": 20,
        "finished": "2022-05-02T12:00:00.000+00:00",
        "seconds": 0.25,
        "mtime_ns": 0,
        "verified_by": "MD5",
        "checksums": {"MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
    }


def test_the_record_of_a_file_that_failed():
    """What went wrong by its kind, in words, and in the store's."""
    record = record_of(BUSY, partition="Raw/", dataset="C")
    assert record["status"] == "failed"
    assert record["error"] == {
        "kind": "ServerError",
        "message": "the store is busy",
        "hint": "",
        "code": "SlowDown",
        "http_status": 503,
        "request_id": "R1",
    }


def test_the_record_of_a_file_without_a_key():
    """Key, dataset and partition are null; an error that is not the store's has no code of it."""
    record = record_of(LOCKED)
    assert (record["key"], record["dataset"], record["partition"]) == (None, None, None)
    assert record["error"] == {
        "kind": "SourceUnreadable",
        "message": "the path can't be listed: Permission denied",
        "hint": "",
    }


def test_the_record_of_a_file_that_would_be_uploaded():
    """As that of one that was, without proof; a dry run has no id."""
    planned = FilePlanned("upload", "a.csv", ObjectKey("Raw/a.csv"), 3, "Raw/", "A")
    report = Report(bucket="lake", day=date(2022, 5, 2))
    record = json.loads(to_json(planned_record(planned, report, NOW)))
    check_record(record)
    assert record == OF_RUN | {
        "type": "file",
        "run_id": None,
        "status": "planned",
        "action": "upload",
        "path": "a.csv",
        "key": "Raw/a.csv",
        "dataset": "A",
        "partition": "Raw/",
        "size": 3,
    }


def test_the_record_of_what_is_left_out():
    """Its path and the reason."""
    record = json.loads(to_json(excluded_record(Excluded("~a.csv", "temporary"), observe())))
    check_record(record)
    assert record == OF_RUN | {"type": "excluded", "path": "~a.csv", "reason": "temporary"}


def summary_of(command, totals, exit_code, error=None):
    record = summary_record(
        command,
        totals,
        bucket="lake",
        started=NOW,
        finished=NOW + timedelta(seconds=1.23456),
        exit_code=exit_code,
        error=error,
    )
    record = json.loads(to_json(record))
    check_record(record)
    return record


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("throughput", "up to 96 concurrent requests: more did not increase throughput"),
        ("throttled", "up to 96 concurrent requests: the store throttles"),
        ("open files", "up to 96 concurrent requests: limited by open files (ulimit -Hn)"),
        ("memory", "up to 96 concurrent requests: limited by --memory"),
        ("ceiling", "up to 96 concurrent requests: the maximum of --concurrency auto"),
        ("asked for", None),
        ("enough", None),
    ],
)
def test_the_summary_says_the_limit_on_concurrent_requests(reason, line):
    """And why, where there is something to say."""
    report = observe(LoadStarted(1, 1), *finished(UPLOADED), ConcurrencySettled(96, 128, reason))
    lines = [line for line in summary_lines(report, 1.0) if "concurrent" in line]
    assert lines == ([line] if line else [])


@pytest.mark.fault("I14")
def test_the_number_of_processes_is_reported_if_there_are_several():
    """In the summary; records always have it."""
    report = Report(files=1, size=1)
    report.counts["uploaded"] = 1
    assert not [line for line in summary_lines(report, 1.0) if "processes" in line]
    report.observe(ProcessesStarted(3))
    assert "loaded by 3 processes" in list(summary_lines(report, 1.0))
    assert run_totals(report)["processes"] == 3


def test_the_summary_record_of_a_run():
    """Its totals, and that nothing ended it."""
    report = observe(
        Excluded(".e.csv", "hidden"),
        LoadStarted(4, 1_234_887),
        *finished(UPLOADED, UNCHANGED, CONFLICT),
        LEFT_OPEN,
        MarkerFailed("Raw/", RequestRejected("no")),
        Warned("look", "there"),
        RequestsMade(9, 2, 1_234_567),
        ConcurrencySettled(96, 128, "throughput"),
    )
    assert summary_of("run", run_totals(report), 3) == {
        "version": 1,
        "type": "summary",
        "command": "run",
        "bucket": "lake",
        "started": "2022-05-02T12:00:00.000+00:00",
        "finished": "2022-05-02T12:00:01.234+00:00",
        "seconds": 1.235,
        "exit_code": 3,
        "result": "incomplete",
        "error": None,
        "run_id": "run-1",
        "date": "2022-05-02",
        "files": 4,
        "bytes": 1_234_887,
        "uploaded": 1,
        "unchanged": 1,
        "skipped": 0,
        "failed": 1,
        "not_reached": 1,
        "failures": [{"kind": "ObjectConflict", "hint": "replace it with --overwrite", "files": 1}],
        "replaced": 0,
        "datasets": [
            {
                "dataset": None,
                "files": 3,
                "bytes": 1_234_567 + UNCHANGED.size + CONFLICT.size,
                "statuses": {"uploaded": 1, "unchanged": 1, "failed": 1},
            }
        ],
        "volumes": [],
        "sources": {},
        "verified_by": {"CRC64NVME": 1, "MD5": 1},
        "bytes_sent": 1_234_567,
        "bytes_kept": 0,
        "requests": 9,
        "retries": 2,
        "concurrency": {"limit": 96, "peak": 128, "reason": "throughput"},
        "limits": [],
        "processes": 1,
        "shard": None,
        "excluded": {"hidden": 1},
        "left_open": [{"key": "Raw/d.csv", "upload_id": "upload-1", "reason": "AccessDenied"}],
        "aborted_uploads": 0,
        "manifest": None,
        "warnings": [{"message": "look", "hint": "there"}],
        "markers_failed": [
            {
                "partition": "Raw/",
                "error": {
                    "kind": "RequestRejected",
                    "message": "no",
                    "hint": "",
                    "code": "",
                    "http_status": 0,
                    "request_id": "",
                },
            }
        ],
        "store": None,
        "unmarked": [],
    }


@pytest.mark.parametrize(
    ("exit_code", "result"),
    [
        (0, "complete"),
        (1, "internal error"),
        (2, "usage error"),
        (3, "incomplete"),
        (4, "nothing to load"),
        (5, "refused"),
        (6, "store unavailable"),
        (130, "interrupted"),
        (143, "interrupted"),
    ],
)
def test_a_summary_has_its_exit_code_in_words(exit_code, result):
    """And the error that ended the run, with all counts at zero."""
    error = ServerError("the store is busy", hint="wait", code="SlowDown", status=503)
    record = summary_of("run", run_totals(Report()), exit_code, error)
    assert (record["result"], record["error"]["code"]) == (result, "SlowDown")
    assert (record["files"], record["run_id"], record["date"]) == (0, None, None)


@pytest.mark.parametrize(
    ("command", "totals"),
    [("verify", verify_totals()), ("clean", clean_totals()), (None, {})],
)
def test_the_summaries_of_the_other_commands_are_described(command, totals):
    """Also where there was no command."""
    assert summary_of(command, totals, 2)["command"] == command


@given(st.binary(min_size=1, max_size=40).map(os.fsdecode))
def test_every_name_survives_json(name):
    """A record is one line of ASCII; a name that is not UTF-8 comes back as it was."""
    line = to_json(excluded_record(Excluded(name, "hidden"), observe()))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["path"] == name


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 parts"), (1, "1 part"), (2, "2 parts"), (1200, "1,200 parts")]
)
def test_one_of_a_thing_is_reported_in_the_singular(number, text):
    """And none in the plural."""
    assert format_count(number, "part") == text
