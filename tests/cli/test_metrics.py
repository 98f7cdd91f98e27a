"""`--metrics-file`: what a monitoring system reads after a run, however it ended."""

from __future__ import annotations

import signal
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from asyncload.cli import outlets
from asyncload.cli.ending import Ending
from asyncload.cli.interruption import Signalled
from asyncload.cli.outlets import make_outlets
from asyncload.errors import SourceStalled
from asyncload.model.values import LoadStarted, WatchProgress
from asyncload.reporting.machines.metrics import MetricsFile
from asyncload.reporting.machines.outlet import Delivery
from asyncload.reporting.report import Report
from asyncload.settings.arguments import Arguments
from tests.support.loads import write_files
from tests.support.vocabulary import check_lines

pytestmark = pytest.mark.usefixtures("patient")

NO_PROGRESS = WatchProgress(loaded=1, waiting=2, in_flight=1, failing=1, trouble="no volume")


def read(path):
    """All samples: the value by name, and by the label that is not of all of them."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            labels = dict(sample.labels)
            shared = tuple(labels.pop(name) for name in ("command", "bucket", "source"))
            found["labels"] = {*found.get("labels", ()), shared}
            key = (sample.name.removeprefix("asyncload_"), *labels.values())
            assert key not in found, "a sample is there twice"
            found[key] = sample.value
    return found


@pytest.fixture
def metrics(tmp_path):
    """The file of the metrics."""
    folder = tmp_path / "collector"
    folder.mkdir()
    return folder / "load.prom"


def test_a_run_writes_its_metrics(asyncload, volume, lake, metrics):
    """Counts, sizes, requests and the time of the success; nothing else is left beside the file."""
    write_files(volume, {"a.csv": b"123", "d/b.csv": b"45", ".hidden.csv": b""})
    options, _ = lake
    assert asyncload("run", volume, *options, "--metrics-file", metrics).code == 0
    found = read(metrics)
    assert found["labels"] == {("run", "lake", str(volume))}
    assert found["files", "uploaded"] == 2
    assert found["files", "failed"] == found["files", "not_reached"] == 0
    assert found["bytes", "uploaded"] == found["sent_bytes",] == 5
    assert found["exit_code",] == found["retries",] == found["warnings",] == 0
    assert found["excluded", "hidden"] == 1
    assert found["requests",] >= 3
    assert found["last_success_timestamp_seconds",] == found["timestamp_seconds",] > 1.6e9
    assert list(metrics.parent.iterdir()) == [metrics]


def test_a_failure_keeps_the_time_of_the_last_success(asyncload, volume, lake, metrics):
    """Some files failed, or the run ended at once: the metrics say so."""
    options, _ = lake
    write_files(volume, {"a.csv": b"1"})
    where = ("run", volume, *options, "--metrics-file", metrics)
    assert asyncload(*where).code == 0
    success = read(metrics)["last_success_timestamp_seconds",]
    write_files(volume, {"bad.csv": b"1"})
    assert asyncload(*where).code == 3
    found = read(metrics)
    assert (found["exit_code",], found["files", "failed"]) == (3, 1)
    assert found["failures", "RequestRejected"] == 1
    assert found["last_success_timestamp_seconds",] == success < found["timestamp_seconds",]
    assert asyncload(*where, "--layout", "{layer}").code == 2
    found = read(metrics)
    assert (found["exit_code",], found["files", "uploaded"]) == (2, 0)
    assert found["last_success_timestamp_seconds",] == success


@pytest.mark.parametrize("before", [None, b"asyncload_last_success\xff", "other labels"])
def test_without_a_success_its_time_is_zero(asyncload, volume, lake, metrics, before):
    """So that an alert on the age of the last success fires; also after a broken file."""
    options, _ = lake
    if before == "other labels":
        metrics.write_text('asyncload_last_success_timestamp_seconds{bucket="x"} 12\n')
    elif before is not None:
        metrics.write_bytes(before)
    assert asyncload("run", volume, *options, "--metrics-file", metrics).code == 4
    assert read(metrics)["last_success_timestamp_seconds",] == 0


def test_metrics_that_can_not_be_written_are_a_warning(asyncload, volume, lake, tmp_path):
    """The exit code is that of the load; the warning is in the summary, too."""
    write_files(volume, {"a.csv": b"1"})
    options, _ = lake
    nowhere = tmp_path / "missing" / "x.prom"
    ended = asyncload("run", volume, *options, "--metrics-file", nowhere, "--json")
    assert ended.code == 0
    assert f"could not be written to {nowhere}: No such file or directory" in ended.err
    assert "No such file" in check_lines(ended.out)[-1]["warnings"][0]["message"]


def test_a_file_of_another_kind_is_neither_replaced_nor_appended_to(
    asyncload, volume, lake, tmp_path
):
    """A mistyped name must not destroy a file; it is a warning, as for other outputs."""
    write_files(volume, {"a.csv": b"1"})
    options, _ = lake
    for option, what in (("--metrics-file", "metrics"), ("--lineage", "events")):
        data = tmp_path / "data.csv"
        data.write_bytes(b"id,name\n")
        ended = asyncload("run", volume, *options, option, data)
        assert (ended.code, data.read_bytes()) == (0, b"id,name\n")
        assert f"{data}: the file exists and does not contain {what}" in ended.err


def test_a_folder_in_place_of_the_file_stays(asyncload, volume, lake, tmp_path):
    """And no part of a file is left beside it."""
    write_files(volume, {"a.csv": b"1"})
    options, _ = lake
    (tmp_path / "x.prom").mkdir()
    before = sorted(tmp_path.iterdir())
    ended = asyncload("run", volume, *options, "--metrics-file", tmp_path / "x.prom")
    assert (ended.code, sorted(tmp_path.iterdir())) == (0, before)
    assert "the metrics could not be written" in ended.err


def test_an_output_that_can_not_be_made_is_a_failure_in_the_metrics(
    asyncload, volume, lake, metrics
):
    """The options are read one after the other."""
    options, _ = lake
    more = ("--metrics-file", metrics, "--lineage", "ftp://host")
    assert asyncload("run", volume, *options, *more).code == 2
    assert read(metrics)["exit_code",] == 2


def test_a_dry_run_leaves_the_metrics_alone(asyncload, volume, lake, metrics):
    """They are those of the last run."""
    write_files(volume, {"a.csv": b"1"})
    options, _ = lake
    more = ("--dry-run", "--offline", "--metrics-file", metrics)
    assert asyncload("run", volume, *options, *more).code == 0
    assert not metrics.exists()


def test_the_metrics_of_a_watch_are_those_of_its_last_minute(tmp_path):
    """While it runs it has no exit code; what waits, and whether it can load, is there."""
    metrics, report = tmp_path / "x.prom", Report(bucket="lake")
    outlet = MetricsFile(metrics, command="watch", bucket="lake", source='/odd"\\\n\udce9')
    outlet.observe(LoadStarted(1, 1), report)
    assert not metrics.exists()
    outlet.observe(NO_PROGRESS, report)
    assert list(outlet.close(5)) == []
    found = read(metrics)
    assert found["labels"] == {("watch", "lake", '/odd"\\\n\ufffd')}
    assert [found[f"watch_{name}",] for name in ("waiting_files", "in_flight_files")] == [2, 1]
    assert [found[f"watch_{name}",] for name in ("failing_files", "stalled")] == [1, 1]
    assert ("exit_code",) not in found
    assert ("files", "not_reached") not in found


def test_a_collection_counts_the_requests_to_its_api(tmp_path):
    """Under the command's own names."""
    report = Report(bucket="lake", api_requests=7, api_retries=2)
    with Ending("collect", bucket="lake", json=False) as ending:
        path = tmp_path / "x.prom"
        ending.outlets = [MetricsFile(path, command="collect", bucket="lake", source="tmdb")]
        ending.report = report
    found = read(tmp_path / "x.prom")
    assert (found["api_requests",], found["api_retries",]) == (7, 2)


class Stuck:
    """An output that never ends, until a signal arrives."""

    def __init__(self, closes):
        self.closes = closes

    def observe(self, event, report):
        raise AssertionError

    def end(self, end):
        assert end.seconds >= 0

    def close(self, seconds):
        self.closes.append(seconds)
        raise Signalled(signal.SIGTERM)


@pytest.mark.parametrize(
    ("code", "hurried", "most"), [(0, False, 60.0), (143, False, 1.0), (0, True, 1.0)]
)
def test_a_signal_ends_the_wait_for_an_output(code, hurried, most):
    """The command has its result already. After a signal there is little time."""
    closes = []
    with Ending("run", bucket=None, json=False) as ending:
        ending.outlets = [Stuck(closes), Stuck(closes)]
        ending.exit_code, ending.hurried = code, hurried
    assert len(closes) == 2
    assert all(0 < seconds <= most for seconds in closes)


def test_a_delivery_that_takes_too_long_is_given_up():
    """What waits behind it is dropped, and the error says so."""
    release, made = threading.Event(), []
    delivery = Delivery("test")
    delivery.submit(release.wait)
    delivery.submit(lambda: made.append(1))
    assert delivery.close(0.01) == ["it takes too long"]
    release.set()
    # The errors so far are kept, and nothing is left to do.
    assert delivery.close(30) == ["it takes too long"]
    assert made == []


def test_without_threads_nothing_is_delivered(monkeypatch):
    """As in a container with too small a limit: an error, not an end."""

    def no_thread(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", no_thread)
    delivery = Delivery("test")
    delivery.submit(lambda: None)
    assert delivery.close(0) == ["can't start new thread"]


def sources_of(command, metrics, **values):
    """The label of a command that was given these options."""
    arguments = Arguments({}, {"bucket": "lake", **values}, {}, None)
    for outlet in make_outlets(
        command, arguments, {"metrics_file": metrics, "log_format": "text", "lineage": None}
    ):
        outlet.observe(NO_PROGRESS, Report())
        assert list(outlet.close(30)) == []
    return read(metrics)["labels"]


def test_the_source_of_a_collection_is_the_api(metrics):
    """Also if none was given."""
    assert sources_of("collect", metrics) == {("collect", "lake", "tmdb")}
    assert sources_of("collect", metrics, source="Weather") == {("collect", "lake", "weather")}


def test_the_source_without_a_volume_is_the_default(metrics, tmp_path, monkeypatch):
    """Also if that does not respond: then the metrics must tell of the failure."""
    monkeypatch.setattr(outlets, "default_volume", lambda: tmp_path)
    assert sources_of("run", metrics) == {("run", "lake", str(tmp_path))}

    def stalled():
        raise SourceStalled("it does not respond")

    monkeypatch.setattr(outlets, "default_volume", stalled)
    assert sources_of("run", metrics) == {("run", "lake", "/data")}
