"""What an invocation does, returns, raises and logs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncload.aws_lambda import handler
from asyncload.aws_lambda.events import read_event
from asyncload.aws_lambda.invocation import InvocationFailed
from asyncload.aws_lambda.logs import MAX_FAILURES
from asyncload.aws_lambda.wording import Wording
from tests.aws_lambda.conftest import Context
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, error, put_accepted, scripted_s3


@pytest.fixture
def event(s3, volume, layer):
    """An event for a volume of two files and a real store."""
    write_files(volume, {"a.csv": b"1", "b/c.csv": b"2"})
    return {
        "command": "run",
        "time": "2022-05-02T05:00:00Z",
        "volume": str(volume),
        "bucket": s3.bucket,
        "endpoint-url": s3.endpoint_url,
        "layer": layer,
    }


def failure_of(event, context=None):
    with pytest.raises(InvocationFailed) as failed:
        handler(event, context or Context())
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    return type(failed.value).__name__, str(failed.value)


def test_an_invocation_loads_and_returns_the_summary(event, s3, layer, log):
    """The objects are there; the log ends with the same summary."""
    summary = handler(event, Context())
    assert s3.objects(f"{layer}/") == {
        f"{layer}/Local/CSV/A/2022/05/02/a.csv": b"1",
        f"{layer}/Local/CSV/B/2022/05/02/c.csv": b"2",
    }
    assert (summary["exit_code"], summary["uploaded"], summary["failed"]) == (0, 2, 0)
    assert (summary["command"], summary["date"]) == ("run", "2022-05-02")
    (logged,) = log().of("summary")
    assert logged == summary | {"level": "INFO"}


def test_a_repeated_event_sends_nothing_again(event):
    """Lambda may deliver one twice."""
    handler(event, Context())
    summary = handler(event, Context())
    assert (summary["exit_code"], summary["unchanged"], summary["bytes_sent"]) == (0, 2, 0)


@pytest.mark.fault("T5")
def test_the_same_event_twice_at_once_does_no_harm(event, s3, layer, volume):
    """Both succeed; every object is whole, and there once."""
    write_files(volume, {f"d/{n}.csv": b"x" * n for n in range(40)})
    with ThreadPoolExecutor(2) as threads:
        summaries = [*threads.map(handler, [event] * 2, [Context()] * 2)]
    assert [s["exit_code"] for s in summaries] == [0, 0]
    objects = s3.objects(f"{layer}/")
    assert len(objects) == 42
    assert objects[f"{layer}/Local/CSV/D/2022/05/02/39.csv"] == b"x" * 39
    assert s3.open_uploads(layer) == []


@pytest.mark.moto
def test_a_missing_bucket_fails_the_invocation(event, log):
    """The type is the error's, the message says what to do; the summary is logged."""
    kind, text = failure_of(event | {"bucket": "no-such-bucket"})
    assert kind == "BucketNotFound"
    assert "no-such-bucket" in text
    assert "(exit code 5)" in text
    (summary,) = log().of("summary")
    assert (summary["level"], summary["exit_code"], summary["result"]) == ("ERROR", 5, "refused")


def test_failed_files_fail_the_invocation(event, volume, log):
    """The first one is named, and the manifest; each is logged."""
    handler(event, Context())
    write_files(volume, {"a.csv": b"other"})
    log()
    kind, text = failure_of(event)
    assert kind == "FilesFailed"
    assert text.startswith("1 of 2 files failed. a.csv: the key already holds an object")
    assert ' Replace it with "overwrite", ' in text
    assert "(exit code 3)" in text
    assert f"Manifest: s3://{event['bucket']}/_asyncload/" in text
    (record,) = log().of("file")
    assert (record["level"], record["path"], record["status"]) == ("ERROR", "a.csv", "failed")
    assert record["error"]["hint"].startswith('replace it with "overwrite", keep it with "skip-')


def test_a_source_file_that_stays_fails_the_invocation(event, tmp_path):
    """Its object is there, but the next export would find it."""
    write_files(tmp_path, {"done/a.csv": b"0"})
    kind, text = failure_of(event | {"then": f"move {tmp_path / 'done'}"})
    assert kind == "SourcesFailed"
    assert text.startswith("1 source file could not be deleted or moved. a.csv: the target folder")


def test_an_empty_volume_fails_the_invocation(event, tmp_path):
    """An export that did not arrive is told, unless it may be empty."""
    (tmp_path / "empty").mkdir()
    there = event | {"volume": str(tmp_path / "empty")}
    assert failure_of(there)[0] == "NothingToLoad"
    assert handler(there | {"allow-empty": True}, Context())["files"] == 0


def test_a_wrong_event_fails_the_invocation_with_a_summary(log):
    """Of the command, as far as it is known."""
    kind, text = failure_of({"command": "run", "bucket": "lake", "volum": "/mnt/x"})
    assert kind == "UsageError"
    assert text.startswith(
        "event: unknown option 'volum' (exit code 2). Did you mean volume? use one of: "
    )
    kind, text = failure_of({"command": "run", "bucket": 5})
    assert text == "event: bucket must be a string, not an integer (exit code 2)."
    kind, text = failure_of({"command": ["run"]})
    assert text.startswith("event: ['run'] is not a command")
    kind, text = failure_of({"command": "walk"})
    summaries = [(record["command"], record["exit_code"]) for record in log().of("summary")]
    assert summaries == [("run", 2), ("run", 2), (None, 2), (None, 2)]


def test_warnings_and_unexpected_entries_are_logged(event, volume, monkeypatch, log):
    """Not entries that are excluded on purpose."""
    monkeypatch.setenv("ASYNCLOAD_BUKET", "x")
    write_files(volume, {"x.csv.tmp": b"1", ".hidden.csv": b"1", "no.csv": b"1"})
    handler(event | {"exclude": "no.csv", "include": ["*.csv", "none*"]}, Context())
    logged = log()
    assert [(r["level"], r["path"]) for r in logged.of("excluded")] == [("WARN", "x.csv.tmp")]
    unknown, unmatched = [record["message"] for record in logged.of("warning")]
    assert "ASYNCLOAD_BUKET is not a variable" in unknown
    assert "none*" in unmatched


def test_an_invocation_leaves_nothing_for_the_next(event, monkeypatch, s3, volume, layer):
    """Each has its own environment, options, totals, threads and connections."""
    handler(event, Context())
    threads = threading.active_count()
    for n in range(3):
        monkeypatch.setenv("ASYNCLOAD_LAYER", f"{layer}-{n}")
        summary = handler(
            {name: value for name, value in event.items() if name != "layer"}
            | {"time": f"2022-05-0{n + 1}T05:00:00Z", "format": f"F{n}"},
            Context(),
        )
        assert summary["date"] == f"2022-05-0{n + 1}"
        assert (summary["uploaded"], summary["unchanged"]) == (2, 0)
        assert len(s3.objects(f"{layer}-{n}/Local/F{n}/A/2022/05/0{n + 1}/")) == 1
    assert threading.active_count() == threads


def test_an_internal_error_is_logged_with_its_traceback(event, monkeypatch, log):
    """Without secrets, which the text of an unexpected error may hold."""
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    kind, text = failure_of(event, Context(memory_limit_in_mb=secret))
    assert kind == "InternalError"
    assert "internal error: ValueError" in text
    logged = log()
    assert "ValueError" in logged.of("traceback")[0]["traceback"]
    assert secret not in text + logged.text


@pytest.fixture
def scripted(volume, monkeypatch):
    """Invoke the handler with a store whose answers a test writes; the bucket is empty."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

    def invoke(answer, **options):
        def answer_all(request):
            return EMPTY_LISTING if request.method == "GET" else answer(request)

        with scripted_s3(answer_all) as (url, _):
            event = {"command": "run", "volume": str(volume), "bucket": "lake", "region": "x"}
            event |= {"endpoint-url": url, "date": "2022-05-02", "manifest": False} | options
            return failure_of(event)

    return invoke


def test_a_marker_that_is_not_written_fails_the_invocation(scripted, volume):
    """The next job would wait for it."""
    write_files(volume, {"a.csv": b"1"})

    def answer(request):
        if request.path.endswith("_SUCCESS") and request.method == "PUT":
            return error(403, "AccessDenied")
        return put_accepted(request)

    kind, text = scripted(answer, **{"success-marker": True})
    assert kind == "MarkersFailed"
    assert text.startswith("1 success marker could not be written. ")


def test_a_secret_that_the_store_sends_back_is_not_shown(scripted, volume, log):
    """Neither in the message nor in the log; and a long message is cut."""
    write_files(volume, {f"{'long/' * 150}{n}.csv": b"1" for n in range(3)})
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    _, text = scripted(lambda _: error(400, "Odd", f"{secret} " * 30))
    assert secret not in text + log().text
    assert len(text) == 1_003


def test_a_log_names_the_first_failed_files_only(scripted, volume, log):
    """All are in the manifest; a log of a million lines costs more than the run."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(MAX_FAILURES + 1)})
    kind, text = scripted(lambda _: error(400, "Odd"))
    assert kind == "FilesFailed"
    assert text.startswith(f"{MAX_FAILURES + 1:,} of {MAX_FAILURES + 1:,} files failed.")
    assert len(log().of("file")) == MAX_FAILURES


def test_a_context_without_memory_takes_that_of_the_environment(event, volume, monkeypatch):
    """Or is an error that says so, and not an internal one."""
    write_files(volume, {"a.csv": b"1"})

    class Without:
        aws_request_id = Context.aws_request_id

        def get_remaining_time_in_millis(self):
            return 900_000

    with pytest.raises(InvocationFailed, match="memory is not known") as caught:
        handler(event, Without())
    assert type(caught.value).__name__ == "UsageError"
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    assert handler(event, Without())["exit_code"] == 0


def of_event(volume, **options):
    """An event for a store that is never asked."""
    return {"command": "run", "bucket": "lake", "volume": str(volume), **options}


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        (
            {"memory": "1MiB"},
            {},
            '"memory": 1,048,576 bytes is too small; the minimum is 16 MiB (exit code 2). The',
        ),
        (
            {},
            {"ASYNCLOAD_MEMORY": "1MiB"},
            "ASYNCLOAD_MEMORY: 1,048,576 bytes is too small; the minimum is 16 MiB (exit code 2).",
        ),
        (
            {"lock-until": "90d"},
            {},
            '"lock-until" has no effect without "lock-mode" (exit code 2). Add "lock-mode" govern',
        ),
        (
            {"null": True},
            {"ASYNCLOAD_MAX_AGE": "1h", "ASYNCLOAD_MIN_AGE": "2h"},
            '"null" has no effect without "files-from"',
        ),
        (
            {},
            {"ASYNCLOAD_MAX_AGE": "1h", "ASYNCLOAD_MIN_AGE": "2h"},
            "ASYNCLOAD_MAX_AGE is shorter than ASYNCLOAD_MIN_AGE, so that no file can be loaded",
        ),
    ],
)
def test_messages_name_options_as_the_function_has_them(
    volume, monkeypatch, log, options, variables, expected
):
    """By their keys in the event, or by variable; a function has no flags."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    kind, text = failure_of(of_event(volume, **options))
    assert kind == "UsageError"
    assert text.startswith(expected)
    (summary,) = log().of("summary")
    told = f"{summary['error']['message']} {summary['error']['hint']}"
    assert "--" not in told + text
    assert "comes from" not in told + text


def test_all_texts_of_records_name_options_so():
    """Also in lists, and those that are switched off; commands for a shell stay as they are."""
    environment = {"ASYNCLOAD_SUCCESS_MARKER": "true", "ASYNCLOAD_OVERWRITE": "true"}
    arguments = read_event(of_event("/data"), environment, ["run"]).arguments
    record = {
        "path": "--overwrite.csv",
        "files": 3,
        "error": {"message": "see --overwrite", "hint": "use --no-manifest, or --manifest"},
        "unmarked": [{"reason": "--no-success-marker; asyncload report --run X, or --run X"}],
        "notes": ["--overwrite"],
        "message": "pre--overwrite --overwrites --date=today",
    }
    assert Wording(arguments).record(record) == {
        "path": "--overwrite.csv",
        "files": 3,
        "error": {
            "message": "see ASYNCLOAD_OVERWRITE",
            "hint": 'use "manifest": false, or "manifest"',
        },
        "unmarked": [
            {"reason": 'ASYNCLOAD_SUCCESS_MARKER=false; asyncload report --run X, or "run" X'}
        ],
        "notes": ["--overwrite"],
        "message": 'pre--overwrite --overwrites "date"=today',
    }
    assert Wording().record(record) == record
