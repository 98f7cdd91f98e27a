"""`--log-format json`: each line on standard error is as the page on records says."""

from __future__ import annotations

import re

import pytest

from asyncload.cli.ending import Ending
from asyncload.cli.outlets import make_outlets
from asyncload.cli.output import print_traceback, use_log_format
from asyncload.cli.watch import _Output
from asyncload.errors import InternalError, SourceChanged
from asyncload.model.values import (
    ApiRequestsMade,
    Checksum,
    ConcurrencyChanged,
    Excluded,
    Failed,
    FileFinished,
    LoadStarted,
    LoadStartedEarly,
    ManifestWritten,
    MarkerFailed,
    ObjectKey,
    PartitionUnmarked,
    PartKept,
    PartSent,
    ProcessesStarted,
    Scanned,
    ShardJoined,
    Skipped,
    StaleUploadAborted,
    StoreJudged,
    Uploaded,
    UploadLeftOpen,
    Warned,
    WatchProgress,
)
from asyncload.reporting.machines.log import MAX_FILES, JsonLog
from asyncload.reporting.report import Report
from asyncload.settings.arguments import Arguments
from tests.support.documents import REPOSITORY
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, put_accepted, scripted_s3
from tests.support.vocabulary import DOCUMENT, check_log

pytestmark = pytest.mark.usefixtures("patient")

KEY = ObjectKey("Raw/a.csv")
SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")
FAILED = FileFinished(Failed("a.csv", KEY, 5, SourceChanged("it changed")))


@pytest.fixture(autouse=True)
def _text_afterwards():
    yield
    use_log_format("text")


def events_of(err):
    return [record["event"] for record in check_log(err)]


def test_a_run_logs_lines_of_json(asyncload, volume, lake):
    """From its start to its end; the summary for people stays on standard output."""
    write_files(volume, {"a.csv": b"123", "bad.csv": b"1", "x.csv.tmp": b"", ".hidden.csv": b""})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--log-format", "json")
    records = check_log(ended.err)
    by_event = {record["event"]: record for record in records}
    assert [r["event"] for r in records if r["event"] != "store.judged"] == [
        "run.started",
        "entry.excluded",
        "load.started",
        "file.failed",
        "manifest.written",
        "command.finished",
    ]
    assert (by_event["load.started"]["files"], by_event["load.started"]["bytes"]) == (2, 4)
    assert by_event["file.failed"]["path"] == "bad.csv"
    assert by_event["file.failed"]["error"]["kind"] == "RequestRejected"
    finished = by_event["command.finished"]
    assert (finished["level"], finished["exit_code"], finished["uploaded"]) == ("error", 3, 1)
    assert len({record["run_id"] for record in records}) == 1
    assert "1 of 2 files are in the raw zone" in ended.out


def test_quiet_logs_failures_only(asyncload, volume, lake):
    """Each of them once; standard output stays empty."""
    write_files(volume, {"a.csv": b"123", "bad.csv": b"1", "x.csv.tmp": b""})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--log-format", "json", "--quiet")
    assert events_of(ended.err) == ["file.failed", "command.finished"]
    assert ended.out == ""


def test_a_run_that_ends_with_an_error_logs_it(asyncload, volume, lake):
    """After the end of the command; other outputs' warnings come before."""
    options, _ = lake
    metrics = ("--metrics-file", volume / "missing" / "x.prom")
    ended = asyncload("run", volume, *options, *metrics, "--log-format", "json")
    *_, warning, finished, failed = check_log(ended.err)
    assert (warning["event"], finished["event"]) == ("warning", "command.finished")
    assert finished["warnings"][0]["message"] == warning["message"]
    assert (failed["event"], failed["exit_code"]) == ("command.failed", 4)
    assert failed["error"]["kind"] == "NothingToLoad"


@pytest.mark.parametrize("place", ["flag", "one word", "variable", "file"])
def test_options_that_can_not_be_used_are_logged(asyncload, tmp_path, monkeypatch, place):
    """However the format was chosen, and before the options were read."""
    given = {"flag": ("--log-format", "json"), "one word": ("--log-format=json",)}.get(place, ())
    if place == "variable":
        monkeypatch.setenv("ASYNCLOAD_LOG_FORMAT", "json")
    if place == "file":
        (tmp_path / "asyncload.toml").write_text('log-format = "json"\n')
        monkeypatch.chdir(tmp_path)
    # A settings file is read once the options are known.
    wrong = () if place == "file" else ("--no-such-option",)
    ended = asyncload("run", *wrong, *given)
    assert (ended.code, events_of(ended.err)) == (2, ["command.failed"])
    if given:
        assert asyncload("run", *wrong, "--", *given).err.startswith("error: ")
        assert asyncload("run", *wrong, "--log-format").err.startswith("error: ")


def test_an_unknown_format_is_a_usage_error(asyncload, volume):
    """It names the known ones."""
    ended = asyncload("run", volume, "--bucket", "lake", "--log-format", "xml")
    assert ended.code == 2
    assert ended.err.startswith("error: --log-format: 'xml' is not a known value\n")
    assert "text, json" in ended.err


def test_warnings_of_the_command_line_are_logged(asyncload, volume, monkeypatch):
    """And what a dry run excludes."""
    monkeypatch.setenv("ASYNCLOAD_BUKET", "x")
    write_files(volume, {"x.csv.tmp": b"", ".hidden.csv": b"", "a.csv": b"1"})
    ended = asyncload(
        "run", volume, "--bucket", "lake", "--dry-run", "--offline", "--log-format", "json"
    )
    assert events_of(ended.err) == ["warning", "entry.excluded"]


def test_a_traceback_is_one_record(capsys):
    """With all its lines."""
    use_log_format("json")
    try:
        raise InternalError("oops")
    except InternalError as error:
        print_traceback(error)
    (record,) = check_log(capsys.readouterr().err)
    assert record["event"] == "traceback"
    assert record["traceback"].endswith("InternalError: oops\n")


# One event after the other


class Log:
    """A log whose clock the test sets."""

    def __init__(self, **options):
        self.lines, self.now, self.report = [], 1000.0, Report()
        self.log = JsonLog(self.lines.append, clock=lambda: self.now, **options)

    def add(self, *events):
        """The records of some events."""
        before = len(self.lines)
        for event in events:
            self.report.observe(event)
            self.log.observe(event, self.report)
        return check_log("\n".join(self.lines[before:]))


def test_a_load_that_begins_during_the_scan_is_logged_once():
    """Then the scan's progress is not; the complete plan is."""
    log = Log()
    early, *others = log.add(LoadStartedEarly(2, 9), LoadStartedEarly(3, 12))
    assert (early["event"], early["files"], others) == ("load.started_early", 2, [])
    log.now += 6
    assert log.add(Scanned(4, 16)) == []
    started, *others = log.add(LoadStarted(5, 20))
    assert (started["event"], started["files"], others) == ("load.started", 5, [])


@pytest.mark.parametrize(
    ("event", "name", "level"),
    [
        (ProcessesStarted(2), "processes.started", "info"),
        (ShardJoined("night", 3, 8, 1), "shard.joined", "info"),
        (StaleUploadAborted(KEY, "id"), "upload.aborted", "info"),
        (UploadLeftOpen("a.csv", KEY, "id", "denied"), "upload.left_open", "warning"),
        (StoreJudged("CRC64NVME", (), {}), "store.judged", "info"),
        (StoreJudged("CRC64NVME", ("MD5",), {}), "store.judged", "info"),
        (ManifestWritten(KEY), "manifest.written", "info"),
        (MarkerFailed("Raw/", SourceChanged("it changed")), "marker.failed", "error"),
        (PartitionUnmarked("Raw/", "a file failed"), "partition.unmarked", "warning"),
        (Warned("odd", "do this"), "warning", "warning"),
        (WatchProgress(1, 2, 3, 4), "watch.progress", "info"),
        (WatchProgress(1, 2, 3, 4, "no volume"), "watch.progress", "warning"),
        (FAILED, "file.failed", "error"),
        (FileFinished(Skipped("a.csv", KEY, 5, "it is there")), "file.skipped", "info"),
        (FileFinished(Uploaded("a.csv", KEY, 5, SUM, replaced=True)), "file.replaced", "info"),
        (Excluded("a.csv", "symlink"), "entry.excluded", "info"),
    ],
)
def test_each_event_has_its_name_and_level(event, name, level):
    """With `--quiet` it is not logged if it is for information only."""
    (record,) = Log().add(event)
    assert (record["event"], record["level"]) == (name, level)
    assert len(Log(quiet=True).add(event)) == (level != "info")


def test_files_that_landed_and_numbers_of_requests_are_no_events():
    """`--json` has a record for each file."""
    landed = FileFinished(Uploaded("a.csv", KEY, 5, SUM))
    assert Log().add(LoadStarted(1, 5), landed, ApiRequestsMade(1, 0))[1:] == []


def test_files_and_excluded_entries_are_logged_up_to_a_number():
    """The manifest and the summary have the rest."""
    log = Log()
    assert len(log.add(*[FAILED] * (MAX_FILES + 5))) == MAX_FILES
    assert len(log.add(*[Excluded("a.csv", "symlink")] * 30)) == 20
    assert log.add(Excluded(".a.csv", "hidden"), Excluded("b.csv", "excluded")) == []


def test_progress_is_logged_every_five_seconds():
    """Of the scan, and of the load: files, bytes, rate and time left."""
    log = Log()
    assert log.add(Scanned(1, 10)) == []
    log.now += 5
    (scanned,) = log.add(Scanned(2, 200), Scanned(3, 300))
    assert (scanned["event"], scanned["files"]) == ("scan.progress", 2)
    log.add(LoadStarted(3, 300))
    log.now += 2
    assert log.add(PartSent("big.csv", 50, 1, 200)) == []
    log.now += 3
    (record,) = log.add(PartKept("big.csv", 50, 2, 200), PartSent("big.csv", 50, 3, 200))
    assert record["event"] == "load.progress"
    assert (record["bytes_done"], record["bytes_sent"], record["bytes"]) == (100, 50, 300)
    assert (record["bytes_per_second"], record["seconds_left"]) == (10, 10)
    log.now += 1
    assert log.add(PartSent("big.csv", 50, 4, 200)) == []


def test_a_watch_has_progress_of_its_own():
    """Its loads are many and small."""
    log = Log(watching=True)
    assert log.add(LoadStarted(1, 5)) == []
    log.now += 60
    assert log.add(PartSent("big.csv", 50, 1)) == []


def test_a_store_that_throttles_is_logged_once_until_it_recovers():
    """Not each step of the limit."""
    log = Log()
    limits = [(64, 64), (32, 64), (16, 64), (48, 64), (64, 64), (128, 128)]
    records = log.add(*[ConcurrencyChanged(*limit) for limit in limits])
    assert [(r["event"], r["limit"]) for r in records] == [
        ("store.throttled", 32),
        ("store.recovered", 64),
    ]


def test_a_watch_writes_nothing_else_to_standard_error(capsys):
    """The lines for people are the log's."""
    use_log_format("json")
    with Ending("watch", bucket="lake", json=False) as ending:
        arguments = Arguments({}, {"bucket": "lake", "volume": "/v"}, {}, None)
        options = {"log_format": "json", "metrics_file": None, "lineage": None, "quiet": False}
        ending.outlets = list(make_outlets("watch", arguments, options))
        output = _Output(ending, Report(), quiet=False)
        for event in (WatchProgress(0, 0, 0, 0), FAILED, Warned("odd"), ManifestWritten(KEY)):
            output.observe(event)
    assert events_of(capsys.readouterr().err) == [
        "watch.progress",
        "file.failed",
        "warning",
        "manifest.written",
        "command.finished",
    ]


def test_the_notice_of_an_api_is_logged(asyncload, monkeypatch):
    """As everything else that a collection says."""
    monkeypatch.setenv("TMDB_TOKEN", "t" * 40)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with scripted_s3(lambda r: EMPTY_LISTING if r.method == "GET" else put_accepted(r)) as (url, _):
        ended = asyncload(
            *("collect", "tmdb", "--title", "x", "--bucket", "lake", "--endpoint-url", url),
            *("--log-format", "json", "--api-url", "http://127.0.0.1:9", "--deadline", "31s"),
        )
    assert events_of(ended.err)[:2] == ["notice", "run.started"]
    assert ended.code != 0


def test_the_names_of_all_events_are_documented():
    """Those that the code has, and no others."""
    section = DOCUMENT.read_text().partition("## `log`")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", row)}
    modules = ("reporting/machines/log.py", "cli/output.py", "cli/plan.py")
    texts = [(REPOSITORY / "asyncload" / module).read_text() for module in modules]
    used = {name for text in texts for name in re.findall(r'"([a-z]+\.[a-z_]+)"', text)}
    assert documented == used
