"""A command always ends with a summary if JSON was asked for, and a record in the bucket."""

from __future__ import annotations

import signal

import pytest

from tests.support.loads import AT_ONCE, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, error, put_accepted, scripted_s3
from tests.support.vocabulary import check_lines, check_manifest


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.fixture
def records():
    """A store; yields the options that lead there, and the bodies of the records it was sent."""
    found = []

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "PUT" and "/_asyncload/" in request.path:
            found.append(request.body)
        return error(403, "AccessDenied") if "denied" in request.path else put_accepted(request)

    with scripted_s3(answer) as (url, _):
        yield ("--bucket", "lake", "--endpoint-url", url), found


def summary_of(ended):
    """The one summary, which is the last line of standard output."""
    *_, summary = check_lines(ended.out)
    assert summary["exit_code"] == ended.code
    return summary


@pytest.mark.fault("I3")
@pytest.mark.parametrize("command", ["run", "verify", "clean"])
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ((), "UsageError"),
        (("--bucket", "lake", "--no-such-option"), "UsageError"),
        (("--bucket",), "UsageError"),
        (("--bucket", ""), "UsageError"),
        (("--bucket", "lake", "--layout", "{layer}"), "UsageError"),
        (("--bucket", "lake", "--endpoint-url", "nowhere"), "UsageError"),
    ],
    ids=["no bucket", "unknown option", "no value", "empty", "layout", "endpoint"],
)
@pytest.mark.parametrize("asked", ["option", "variable"])
def test_options_that_can_not_be_used_end_in_a_summary(
    asyncload, monkeypatch, command, options, kind, asked
):
    """With JSON, standard output says what is wrong: exit code 2."""
    if asked == "variable":
        monkeypatch.setenv("ASYNCLOAD_JSON", "true")
        ended = asyncload(command, *options)
    else:
        ended = asyncload(command, "--json", *options)
    summary = summary_of(ended)
    assert (ended.code, summary["command"], summary["result"]) == (2, command, "usage error")
    assert summary["error"]["kind"] == kind
    assert ended.err.startswith(f"error: {summary['error']['message']}")


@pytest.mark.fault("I3")
@pytest.mark.parametrize(
    ("name", "value"),
    [("LOGICAL_DATE", ""), ("LOGICAL_DATE", "yestreday"), ("CONCURRENCY", "many")],
)
def test_a_bad_date_or_an_empty_variable_ends_in_a_summary(
    asyncload, volume, monkeypatch, records, name, value
):
    """As an orchestrator passes them."""
    options, _ = records
    if name == "CONCURRENCY":
        monkeypatch.setenv("ASYNCLOAD_CONCURRENCY", value)
    else:
        options = (*options, "--date", value)
    summary = summary_of(asyncload("run", volume, *options, "--json"))
    assert (summary["exit_code"], summary["date"]) == (2, None)
    assert value or summary["error"]["message"] == "--date is empty"


@pytest.mark.fault("I3", "I24")
def test_a_command_that_is_not_there_ends_in_a_summary(asyncload):
    """Without the name of a command; before `--` only, `--json` is an option."""
    assert summary_of(asyncload("lode", "--json"))["command"] is None
    assert asyncload("lode", "--", "--json").out == ""


@pytest.mark.fault("I3")
def test_an_internal_error_ends_in_a_summary(asyncload, volume, monkeypatch, records):
    """Exit code 1, and what it was."""
    from asyncload.cli import run

    def breaks(*arguments, **options):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(run, "load", breaks)
    summary = summary_of(asyncload("run", volume, *records[0], "--json"))
    assert summary["error"]["kind"] == "InternalError"
    assert summary["error"]["message"] == "internal error: ZeroDivisionError: oops"
    assert summary["exit_code"] == 1


@pytest.mark.fault("I3")
@pytest.mark.parametrize("command", ["run", "verify", "clean"])
def test_a_signal_before_the_loop_runs_ends_in_a_summary(
    asyncload, volume, monkeypatch, records, command
):
    """As process 1 of a container may get one at any time."""

    def at_once(*arguments, **options):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("asyncload.cli.app.enable_garbage_collection", at_once)
    where = (volume,) if command != "clean" else ()
    summary = summary_of(asyncload(command, *where, *records[0], "--json"))
    assert (summary["exit_code"], summary["result"]) == (143, "interrupted")


@pytest.mark.fault("I3")
@pytest.mark.parametrize("command", ["run", "verify", "clean"])
def test_a_store_that_is_not_there_ends_in_a_summary(asyncload, volume, command, monkeypatch):
    """Exit code 6, for every command."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    write_files(volume, {"a.csv": b"1"})
    where = (volume,) if command != "clean" else ()
    nowhere = ("--bucket", "lake", "--endpoint-url", "http://127.0.0.1:9")
    summary = summary_of(asyncload(command, *where, *nowhere, "--json"))
    assert (summary["exit_code"], summary["result"]) == (6, "store unavailable")


@pytest.mark.fault("I4")
@pytest.mark.parametrize(
    ("files", "code", "kind", "where"),
    [
        ({"a.csv": b"1"}, 0, None, ""),
        ({"a.csv": b"1", "b\n.csv": b"1"}, 3, None, ""),
        ({}, 4, "NothingToLoad", ""),
        ({"a.csv": b"1", "a/a.csv": b"1"}, 5, "KeyCollision", ""),
        ({"denied.csv": b"1"}, 5, "AccessDenied", ""),
        ({}, 2, "UsageError", "nowhere"),
    ],
    ids=["complete", "incomplete", "nothing", "collision", "denied", "no volume"],
)
@pytest.mark.parametrize("options", [(), ("--no-fast-lane",)], ids=["lane", "client"])
def test_every_run_leaves_a_record(asyncload, volume, records, files, code, kind, where, options):
    """With the day that `today` was, its times and how it ended."""
    write_files(volume, files)
    to, found = records
    ended = asyncload("run", volume / where, *to, *options, "--json")
    summary = summary_of(ended)
    assert ended.code == code
    (body,) = found
    manifest = check_manifest(body)
    assert manifest["run"]["run_id"] == summary["run_id"]
    assert summary["manifest"] == f"_asyncload/{summary['run_id']}.json"
    assert manifest["run"]["date"] == summary["date"] != "today"
    recorded = manifest["summary"]
    assert (recorded["exit_code"], recorded["result"]) == (code, summary["result"])
    assert recorded["error"] == summary["error"]
    assert (summary["error"] or {"kind": None})["kind"] == kind
    assert recorded["started"] <= recorded["finished"] <= summary["finished"]


@pytest.mark.fault("I4", "I20")
def test_a_run_without_its_volume_ends_the_same_if_the_bucket_is_unusable(
    asyncload, volume, records, monkeypatch
):
    """The record is a matter of good luck then; without a manifest it is not even tried."""
    to, found = records
    for options in (("--endpoint-url", "http://127.0.0.1:9"), ("--no-manifest",)):
        ended = asyncload("run", volume / "nowhere", *to, *options)
        assert ended.code == 2
        assert "nowhere does not exist" in ended.err
    assert found == []


def test_without_arguments_the_help_is_shown(asyncload):
    """And no error on top of it."""
    ended = asyncload()
    assert "Usage" in ended.out + ended.err
    assert "error" not in ended.err.lower()
