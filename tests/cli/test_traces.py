"""`--traces`: spans of the run, its files and their requests, as a collector receives them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from asyncload.errors import Interrupted, ServerError, UsageError
from asyncload.model.values import (
    Checksum,
    ConcurrencySettled,
    Failed,
    FileFinished,
    LoadStarted,
    ObjectKey,
    RequestMade,
    RequestsMade,
    RunStarted,
    Uploaded,
)
from asyncload.operations.running import begin_run
from asyncload.reporting.machines import otlp, traces
from asyncload.reporting.machines.outlet import RunEnd
from asyncload.reporting.machines.traces import Traces, require_opentelemetry
from asyncload.reporting.report import Report
from asyncload.settings.run import Settings
from asyncload.store.retries import RetryPolicy
from tests.support.loads import NOW, write_files
from tests.support.memory_store import MemoryStore
from tests.support.scripted_s3 import Answer, scripted_s3

pytestmark = pytest.mark.usefixtures("patient")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(autouse=True)
def _patient_with_collectors(monkeypatch):
    monkeypatch.setattr(otlp, "_TIMEOUT", 60.0)


@pytest.fixture
def collector(monkeypatch):
    """A collector of traces; yields the requests that it has had."""
    for name in ("TRACEPARENT", "TRACESTATE"):
        monkeypatch.delenv(name, raising=False)
    with scripted_s3(lambda request: Answer(200)) as (url, requests):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        yield requests


def spans_of(requests):
    """All spans that were received, and the attributes of their resource."""
    found, resource = [], {}
    for request in requests:
        assert request.path == "/v1/traces"
        for group in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            resource = values(group.resource.attributes)
            found += [span for scope in group.scope_spans for span in scope.spans]
    return found, resource


def values(attributes):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


def test_a_run_sends_its_spans(asyncload, volume, lake, collector):
    """The run is the root, files are below it, and each request below its file or the run."""
    write_files(volume, {"a.csv": b"123", "bad.csv": b"1"})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--traces")
    assert (ended.code, "traces" in ended.err) == (3, False)
    spans, resource = spans_of(collector)
    assert resource["service.name"] == "asyncload"
    (run,) = [span for span in spans if span.name == "asyncload run"]
    files = {values(s.attributes)["file.path"]: s for s in spans if s.name == "asyncload file"}
    assert run.parent_span_id == b""
    assert values(run.attributes)["process.exit.code"] == 3
    assert values(run.attributes)["asyncload.files_in_trace"] == 2
    assert {span.parent_span_id for span in files.values()} == {run.span_id}
    assert {name: span.status.code for name, span in files.items()} == {"a.csv": 0, "bad.csv": 2}
    puts = [span for span in spans if span.name == "S3.PutObject"]
    below = {span.parent_span_id: span for span in puts}
    assert values(below[files["a.csv"].span_id].attributes)["http.request.body.size"] == 3
    refused = values(below[files["bad.csv"].span_id].attributes)
    assert refused["error.type"] == "RequestRejected"
    # The manifest does not belong to a file.
    assert values(below[run.span_id].attributes)["aws.s3.key"].startswith("_asyncload/")
    assert "S3.ListObjectsV2" in {span.name for span in spans}
    assert len({span.trace_id for span in spans}) == 1
    for span in spans:
        assert run.start_time_unix_nano <= span.end_time_unix_nano <= run.end_time_unix_nano + 1e9


def test_a_run_can_be_a_part_of_a_trace(asyncload, volume, lake, collector, monkeypatch):
    """That of the program that started it; not sampled there, it is not sent."""
    write_files(volume, {"a.csv": b"123"})
    options, _ = lake
    monkeypatch.setenv("OTEL_SERVICE_NAME", "loader")
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{PARENT}-01")
    assert asyncload("run", volume, *options, "--traces").code == 0
    spans, resource = spans_of(collector)
    (run,) = [span for span in spans if span.name == "asyncload run"]
    assert (run.trace_id.hex(), run.parent_span_id.hex()) == (TRACE, PARENT)
    assert resource["service.name"] == "loader"
    collector.clear()
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{PARENT}-00")
    assert asyncload("run", volume, *options, "--traces").code == 0
    assert collector == []


def test_worker_processes_report_their_requests(asyncload, volume, lake, collector):
    """Each file has its request, of this process or of a worker."""
    write_files(volume, {f"d/{number}.csv": b"123" for number in range(40)})
    options, _ = lake
    assert asyncload("run", volume, *options, "--traces", "--processes", "2").code == 0
    spans, _ = spans_of(collector)
    files = {span.span_id for span in spans if span.name == "asyncload file"}
    above = [span.parent_span_id for span in spans if span.name == "S3.PutObject"]
    assert len(files) == 40
    assert files <= set(above)


@pytest.mark.parametrize("status", [0, 400])
def test_a_collector_out_of_reach_is_a_warning(asyncload, volume, lake, monkeypatch, status):
    """Nothing of the library is printed but the reason."""
    write_files(volume, {"a.csv": b"123"})
    options, _ = lake
    with scripted_s3(lambda request: Answer(status)) as (url, _):
        # Without HTTP the library tries no second time.
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url if status else "nowhere")
        ended = asyncload("run", volume, *options, "--traces")
    assert ended.code == 0
    (line,) = [line for line in ended.err.splitlines() if "traces" in line and "warn" in line]
    assert line.startswith("warning: traces could not be sent: ")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("missing", ["opentelemetry.sdk.trace", "opentelemetry"])
def test_without_the_library_it_is_a_usage_error(asyncload, volume, lake, monkeypatch, missing):
    """At the start, and it says what to install."""

    def find(name):
        if missing == "opentelemetry":
            raise ModuleNotFoundError
        return None if name == missing else object()

    monkeypatch.setattr(traces, "find_spec", find)
    options, _ = lake
    ended = asyncload("run", volume, *options, "--traces")
    assert ended.code == 2
    assert ended.err.startswith("error: --traces: OpenTelemetry is not installed\n")
    with pytest.raises(UsageError):
        require_opentelemetry()


def test_a_run_without_traces_imports_none_of_it(volume):
    """Neither OpenTelemetry nor the outputs for machines."""
    program = (
        "import sys; from asyncload.cli.app import make_app; import asyncload.cli.run; "
        "import asyncload.cli.ending; from asyncload import load; "
        "print([m for m in sys.modules if 'opentelemetry' in m or 'machines' in m])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


# What is noted of a run


KEY = ObjectKey("a.csv")
SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")
FAILED = Failed("a.csv", KEY, 5, ServerError("oops"))


def spans_after(*events):
    """The root spans that were sent after some events, at ever later times."""
    sent, times = [], iter(range(1_000, 10**9, 1_000))
    outlet = Traces("run", sent.append, lambda: next(times))
    for event in events:
        outlet.observe(event, Report())
    outlet.end(RunEnd(3, None, NOW, NOW, Report(), dict))
    assert list(outlet.close(30)) == []
    return sent


def started(run_id="one"):
    return RunStarted(run_id, "lake", NOW.date(), NOW)


def uploaded(name, seconds=0.0):
    return FileFinished(Uploaded(name, ObjectKey(name), 5, SUM), seconds=seconds)


def files_in(span):
    return sorted(c.attributes["file.path"] for c in span.children if not c.is_request)


def test_the_slowest_files_are_in_the_trace(monkeypatch):
    """And as many with errors, also those that were repeated."""
    monkeypatch.setattr(traces, "MAX_FILES", 2)
    repeated = RequestMade("PutObject", "again.csv", 0, 0.1, error="ServerError")
    (span,) = spans_after(
        started(),
        *(uploaded(f"{number}.csv", seconds) for number, seconds in enumerate((3, 1, 2, 5, 0))),
        repeated,
        uploaded("again.csv"),
        *[FileFinished(FAILED)] * 3,
    )
    assert files_in(span) == ["0.csv", "3.csv", "a.csv", "again.csv"]
    assert span.error == "files failed"


def test_requests_are_limited_in_number(monkeypatch):
    """Of a file, of the run, and of keys without a file."""
    monkeypatch.setattr(traces, "MAX_REQUESTS", 2)
    part, page = RequestMade("UploadPart", "a.csv", 0, 0.1), RequestMade("ListParts", "", 0, 0.1)
    manifests = [RequestMade("PutObject", f"_asyncload/{n}", 0, 0.1) for n in range(3)]
    (span,) = spans_after(started(), *[part] * 3, *[page] * 3, *manifests, uploaded("a.csv"))
    requests = [child.name for child in span.children if child.is_request]
    assert sorted(requests) == ["S3.ListParts"] * 2 + ["S3.PutObject"] * 2
    (file,) = [child for child in span.children if not child.is_request]
    assert len(file.children) == 2


def test_a_file_with_a_failed_request_is_known_by_any_of_them(monkeypatch):
    """Also by one that is not in the trace."""
    monkeypatch.setattr(traces, "MAX_REQUESTS", 1)
    monkeypatch.setattr(traces, "MAX_FILES", 1)
    part = RequestMade("UploadPart", "a.csv", 0, 0.1)
    events = (part, part._replace(error="ServerError"), uploaded("a.csv"), uploaded("b.csv", 9))
    (span,) = spans_after(started(), *events)
    assert files_in(span) == ["a.csv", "b.csv"]


def test_a_request_costs_few_calls():
    """Most files have one request, and are neither slow nor failed; a run has many thousands."""
    outlet, calls, report = Traces("run", [].append), [], Report()
    events = [started(), *(uploaded(f"{n}.csv", 1.0) for n in range(traces.MAX_FILES))]
    for number in range(1_000):
        name = f"{number}.csv"
        events += [RequestMade("PutObject", name, 0, 0.1), uploaded(name, 0.5)]
    for event in events[:-2_000]:
        outlet.observe(event, report)
    sys.setprofile(lambda frame, kind, _: calls.append(kind) if "call" in kind else None)
    try:
        for event in events[-2_000:]:
            outlet.observe(event, report)
    finally:
        sys.setprofile(None)
    # Of both: `observe`, its tests of types, and a look into the requests by key.
    assert len(calls) < 16 * 1_000


async def test_events_of_requests_are_for_the_caller_only(tmp_path):
    """Our own observers are spared them: report, manifest, markers."""
    caller, own = [], []
    settings = Settings(volume=tmp_path, bucket="lake", traces=True)
    run = begin_run(settings, caller.append, NOW, Interrupted)
    run.add_observer(own.append)
    await run.requests.of_others(MemoryStore(), RetryPolicy()).head(KEY)
    run.count_requests()
    assert [type(event) for event in own] == [RequestsMade, ConcurrencySettled]
    assert [event.name for event in caller if isinstance(event, RequestMade)] == ["HeadObject"]
    assert run.report.requests == 1


def test_a_watch_sends_one_trace_after_the_other():
    """One for each manifest."""
    one, two = spans_after(
        started(), uploaded("a.csv"), started("two"), LoadStarted(1, 1), uploaded("b.csv")
    )
    assert (one.attributes["asyncload.run_id"], files_in(one)) == ("one", ["a.csv"])
    assert (two.attributes["asyncload.run_id"], files_in(two)) == ("two", ["b.csv"])


def test_nothing_is_sent_of_a_run_that_did_not_start():
    """Its options were invalid; names may have no key, or bytes that are not UTF-8."""
    assert spans_after(uploaded("a.csv"), RequestMade("HeadObject", "a.csv", 0, 0.1)) == []
    lost = FileFinished(Failed("\udce9.csv", None, 5, ServerError("oops")))
    (span,) = spans_after(started(), lost)
    assert files_in(span) == ["\ufffd.csv"]
