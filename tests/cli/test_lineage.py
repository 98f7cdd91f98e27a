"""`--lineage`: OpenLineage events about each run, to a server or a file."""

from __future__ import annotations

import json
from pathlib import Path

import attr
import pytest
from openlineage.client import event_v2
from openlineage.client.facet_v2 import (
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
)
from openlineage.client.serde import Serde

from asyncload.cli.outlets import make_outlets
from asyncload.errors import UsageError
from asyncload.model.values import (
    Checksum,
    FileFinished,
    ObjectKey,
    RunStarted,
    Skipped,
    Uploaded,
    WatchProgress,
)
from asyncload.reporting.machines import lineage
from asyncload.reporting.machines.lineage import (
    Described,
    Lineage,
    parse_parent,
    run_uuid,
    sender_to,
)
from asyncload.reporting.report import Report
from asyncload.settings.arguments import Arguments
from tests.support.loads import NOW, write_files
from tests.support.scripted_s3 import Answer, scripted_s3
from tests.support.vocabulary import check_lines

pytestmark = pytest.mark.usefixtures("patient")

FACETS = {
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "parent": parent_run.ParentRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}
UUID = "0190a4a1-3f5c-7d2e-8b1a-2f3c4d5e6f70"
PARENT = f"airflow/dag/load.task/{UUID}"


def check_event(event):
    """Build it from the classes that are made of OpenLineage's schema: they know no other field."""

    def facets(given):
        made = {}
        for name, described in given.items():
            fields = dict(described)
            schema, producer = fields.pop("_schemaURL"), fields.pop("_producer")
            made[name] = FACETS[name](**fields, producer=producer)
            assert schema == made[name]._get_schema()
        return made

    def datasets(kind, given, facet_field):
        return [
            kind(
                namespace=each["namespace"],
                name=each["name"],
                **{facet_field: facets(each.get(facet_field, {}))},
            )
            for each in given
        ]

    made = event_v2.RunEvent(
        eventType=event_v2.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        producer=event["producer"],
        run=event_v2.Run(event["run"]["runId"], facets(event["run"]["facets"])),
        job=event_v2.Job(
            event["job"]["namespace"], event["job"]["name"], facets(event["job"]["facets"])
        ),
        inputs=datasets(event_v2.InputDataset, event["inputs"], "inputFacets"),
        outputs=datasets(event_v2.OutputDataset, event["outputs"], "outputFacets"),
    )
    assert event["schemaURL"] == made._get_schema()
    assert json.loads(Serde.to_json(made))["run"]["runId"] == event["run"]["runId"]
    assert {field.name for field in attr.fields(type(made))} >= event.keys()
    return event


def read(path):
    return [check_event(json.loads(line)) for line in path.read_text().splitlines()]


@pytest.fixture(autouse=True)
def _patient_with_servers(monkeypatch):
    monkeypatch.setattr(lineage, "_TIMEOUT", 60.0)


@pytest.fixture
def events(tmp_path):
    """A file for events."""
    return tmp_path / "lineage.jsonl"


def test_a_run_reads_a_volume_and_writes_partitions(asyncload, volume, lake, events):
    """START without outputs; COMPLETE with the files and bytes of each partition."""
    write_files(volume, {"a.csv": b"123", "d/b.csv": b"45", "d/c.csv": b"6"})
    options, _ = lake
    assert asyncload("run", volume, *options, "--lineage", events).code == 0
    start, complete = read(events)
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["job"] == complete["job"]
    assert start["job"]["namespace"] == "asyncload"
    assert start["job"]["name"] == f"run.lake.{str(volume).strip('/')}"
    assert start["outputs"] == []
    (read_from,) = complete["inputs"]
    assert (read_from["namespace"], read_from["name"]) == ("file", str(volume))
    statistics = read_from["inputFacets"]["inputStatistics"]
    assert (statistics["fileCount"], statistics["size"]) == (3, 6)
    found = {
        output["name"]: output["outputFacets"]["outputStatistics"]["fileCount"]
        for output in complete["outputs"]
    }
    assert found == {"Raw/Local/CSV/A/2022/05/02": 1, "Raw/Local/CSV/D/2022/05/02": 2}
    assert {output["namespace"] for output in complete["outputs"]} == {"s3://lake"}


def test_a_run_that_fails_says_why(asyncload, volume, lake, events):
    """With the partitions of the files that landed; its id is made of ours."""
    write_files(volume, {"bad.csv": b"1", "good.csv": b"12"})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--lineage", events, "--json")
    run_id = check_lines(ended.out)[-1]["run_id"]
    _, fail = read(events)
    assert fail["eventType"] == "FAIL"
    assert fail["run"]["runId"] == run_uuid(run_id)
    assert fail["run"]["facets"]["errorMessage"]["message"] == "1 file failed"
    assert [output["name"] for output in fail["outputs"]] == ["Raw/Local/CSV/Good/2022/05/02"]


def test_an_error_is_the_message_of_the_event(asyncload, volume, lake, events):
    """Nothing was written."""
    options, _ = lake
    assert asyncload("run", volume, *options, "--lineage", events).code == 4
    _, fail = read(events)
    assert fail["run"]["facets"]["errorMessage"]["message"].startswith("the volume has no CSV")
    assert fail["outputs"] == []


def test_events_go_to_a_server(asyncload, volume, lake, monkeypatch):
    """At its usual path, with the key, the namespace and the parent of the environment."""
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "key-canary")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "lake")
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", PARENT)
    write_files(volume, {"a.csv": b"123"})
    options, _ = lake
    with scripted_s3(lambda request: Answer(201)) as (url, requests):
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        ended = asyncload("run", volume, *options)
    assert (ended.code, "warning" in ended.err) == (0, False)
    received = [check_event(json.loads(request.body)) for request in requests]
    assert [event["eventType"] for event in received] == ["START", "COMPLETE"]
    assert {(r.method, r.path) for r in requests} == {("POST", "/api/v1/lineage")}
    headers = {name.lower(): value for name, value in requests[0].headers.items()}
    assert headers["authorization"] == "Bearer key-canary"
    assert headers["content-type"] == "application/json"
    assert received[0]["job"]["namespace"] == "lake"
    parent = received[0]["run"]["facets"]["parent"]
    assert parent["job"] == {"namespace": "airflow", "name": "dag/load.task"}
    assert parent["run"]["runId"] == UUID


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(500), "HTTP status 500"),
        (Answer(307, headers={"Location": "http://127.0.0.1:9/"}), "HTTP status 307"),
        (Answer(raw=b"SMTP ready\r\n"), "not an HTTP answer: BadStatusLine"),
    ],
)
def test_a_server_that_takes_no_event_is_a_warning(asyncload, volume, lake, answer, why):
    """One for all events; a redirect is not followed."""
    write_files(volume, {"a.csv": b"123"})
    options, _ = lake
    with scripted_s3(lambda request: answer) as (url, requests):
        ended = asyncload("run", volume, *options, "--lineage", f"{url}/events")
    assert ended.code == 0
    assert {request.path for request in requests} == {"/events"}
    assert ended.err.count("warning: lineage events could not be sent") == 1
    assert f"{url}/events: " in ended.err
    assert why in ended.err


@pytest.mark.parametrize("target", ["http://127.0.0.1:9", "/dev/null/x"])
def test_a_target_out_of_reach_is_a_warning(asyncload, volume, lake, target):
    """A server that is not there, a file that can't be written."""
    write_files(volume, {"a.csv": b"123"})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--lineage", target)
    assert ended.code == 0
    assert "refused" in ended.err or "Not a directory" in ended.err


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("ftp://host/x", "neither an HTTP URL nor a file"),
        ("http://", "--lineage"),
        ("https://user:pass@host", "--lineage"),
        ("http://lineage.example.com", "plain HTTP"),
    ],
)
def test_a_bad_target_is_a_usage_error(asyncload, volume, lake, monkeypatch, target, why):
    """Also one that would send the key in plain text."""
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "key-canary")
    options, _ = lake
    ended = asyncload("run", volume, *options, "--lineage", target)
    assert ended.code == 2
    assert why in ended.err
    assert "key-canary" not in ended.err
    assert "use https://HOST" in ended.err


def test_without_a_key_plain_http_is_allowed():
    """A server in the same cluster."""
    assert sender_to("http://marquez:5000", "")[1] == "http://marquez:5000/api/v1/lineage"
    with pytest.raises(UsageError):
        sender_to("http://marquez:5000", "key")


def test_lineage_can_be_disabled(asyncload, volume, lake, events, monkeypatch):
    """By OpenLineage's own variable."""
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    write_files(volume, {"a.csv": b"123"})
    options, _ = lake
    assert asyncload("run", volume, *options, "--lineage", events).code == 0
    assert not events.exists()


@pytest.mark.parametrize("text", ["", "job", f"ns//{UUID}", "ns/job/7"])
def test_a_parent_that_is_none_is_ignored(text):
    """The variable is another program's."""
    assert parse_parent(text) is None


def lines_of(command, source, events, *happened):
    """The events of a command in which this happened, which was interrupted."""
    arguments = Arguments({}, {"bucket": "lake", "volume": source, "source": source}, {}, None)
    options = {"metrics_file": None, "log_format": "text", "lineage": str(events)}
    (outlet,) = make_outlets(command, arguments, options)
    for event in happened:
        outlet.observe(event, Report())
    end = lineage.RunEnd(143, None, NOW, NOW, Report(), dict)
    outlet.end(end)
    assert list(outlet.close(30)) == []
    return read(events) if events.exists() else []


def started(run_id):
    return RunStarted(run_id, "lake", NOW.date(), NOW)


def finished(partition, kind=Uploaded):
    checksum = Checksum("CRC64NVME", "AAAAAAAAAAE=") if kind is Uploaded else "it is there"
    return FileFinished(kind("a.csv", ObjectKey("a.csv"), 5, checksum), partition, "A")


def test_a_watch_has_one_run_after_the_other(events):
    """Each manifest is one; a signal aborts the last one."""
    progress = WatchProgress(0, 0, 0, 0)
    happened = [started("one"), finished("A/"), progress, started("two"), finished("B/")]
    found = lines_of("watch", "volume", events, *happened)
    assert [event["eventType"] for event in found] == ["START", "COMPLETE", "START", "ABORT"]
    assert [[o["name"] for o in event["outputs"]] for event in found] == [[], ["A"], [], ["B"]]
    assert found[0]["inputs"][0]["name"] == str(Path.cwd() / "volume")
    assert found[0]["job"]["facets"]["jobType"]["processingType"] == "STREAMING"


def test_a_collection_reads_an_api(events):
    """It has no volume."""
    start, _ = lines_of("collect", "Weather", events, started("one"))
    read_from = start["inputs"][0]
    assert (read_from["namespace"], read_from["name"]) == ("api", "weather")


def test_a_command_that_ends_before_its_run_begins_sends_nothing(events):
    """An option was invalid."""
    assert lines_of("run", "/volume", events, finished("A/")) == []


def test_partitions_beyond_a_number_are_not_in_the_event(events, monkeypatch):
    """The input counts all files; those that were skipped were not read."""
    monkeypatch.setattr(lineage, "MAX_PARTITIONS", 2)
    partitions = [finished(f"{name}/") for name in "ABAC"]
    skipped = finished("A/", Skipped)
    _, end = lines_of("run", "/volume", events, started("one"), *partitions, skipped)
    assert [output["name"] for output in end["outputs"]] == ["A", "B"]
    assert end["inputs"][0]["inputFacets"]["inputStatistics"]["fileCount"] == 4


def test_a_bug_in_an_output_is_a_warning():
    """It must not end the run."""

    def send(event):
        raise ZeroDivisionError("oops")

    outlet = Lineage(send, "x", Described("run", "lake", ["/v"], "asyncload", None))
    outlet.observe(started("one"), Report())
    (warned,) = outlet.close(30)
    assert warned.message == "lineage events could not be sent to x: ZeroDivisionError: oops"


def test_several_volumes_are_inputs_of_their_own(events):
    """Each with the files that were read from it."""
    one = finished("A/")
    files = [
        one._replace(outcome=one.outcome._replace(path=p)) for p in ("/eu/a", "/eu/b", "/us/a")
    ]
    _, end = lines_of("run", ["/eu", Path("/us")], events, started("one"), *files)
    counts = {
        given["name"]: given["inputFacets"]["inputStatistics"]["fileCount"]
        for given in end["inputs"]
    }
    assert counts == {"/eu": 2, "/us": 1}
    assert end["job"]["name"] == "run.lake.eu,us"
