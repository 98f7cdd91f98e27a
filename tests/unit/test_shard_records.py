"""The records of a run of shards: its name, the claims on its shards, and how they stand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from asyncload.cli.report import shard_lines
from asyncload.cli.verify import marking_lines
from asyncload.errors import AccessDenied, UsageError
from asyncload.model.values import MarkerFailed, ObjectKey, PartitionUnmarked
from asyncload.planning.shards import Shard
from asyncload.reporting.recorded import PastRun
from asyncload.reporting.report import Report
from asyncload.reporting.shards import (
    Attempt,
    Claim,
    Folder,
    OddShardsError,
    ShardedRun,
    Shards,
    ShardState,
    describe_shard,
    judge,
    latest_attempts,
)
from asyncload.reporting.verification import Marking, Verification
from asyncload.settings.run import Settings

DAY = date(2022, 5, 2)
NOW = datetime(2022, 5, 2, 12, tzinfo=UTC)
FOLDER = Folder("_asyncload", "night")


def described(day=DAY, **options):
    settings = Settings(**{"volume": "/v", "bucket": "lake", "shard": "1/4"} | options)
    return describe_shard(settings, day, "20220502T120000Z-00000000", NOW)


def test_shards_of_the_same_load_find_each_other_by_name():
    """Each may work in another way, and has its own number."""
    name = described().name
    assert name.startswith("2022-05-02-4-")
    others = {"concurrency": 3, "memory": "64MiB", "region": "eu-west-1", "processes": 2}
    assert described(shard="3/4", date="yesterday", **others).name == name
    assert described(volume=Path("/v/../v")).name == name
    assert described(day=None, date="mtime").name.startswith("dates-4-")


@pytest.mark.parametrize(
    "options",
    [{"shard": "1/5"}, {"layer": "Silver"}, {"exclude": "x"}, {"volume": "/w"}, {"tags": "a=b"}],
)
def test_shards_of_different_loads_have_different_names(options):
    """So that no part of one is taken for a part of another."""
    assert described(**options).name != described().name


@pytest.mark.parametrize("name", ["a/b", "", ".x", "x" * 101, "a b", "ação"])
def test_a_name_is_plain(name):
    """It is a segment of keys, and a word on command lines."""
    with pytest.raises(UsageError, match="can't name a run of shards"):
        described(run=name)


@pytest.mark.parametrize("name", ["scheduled__2022-05-02T02:15:00+00:00", "asyncload-0", "x@y=z"])
def test_names_of_schedulers_are_accepted(name):
    """As Airflow and Kubernetes give them."""
    assert described(run=name).name == name


def test_a_run_survives_being_recorded():
    """Also without a date, and with text that is not UTF-8."""
    for run in (described(), described(day=None, run="r"), described(include="\udce9.csv")):
        again = ShardedRun.decode(run.encode())
        assert again == run
        assert again.differences(run) == []


def test_the_differences_of_a_shard_are_named():
    """By the flag, with both values."""
    run = described(run="r")
    options = {"datasets": {"a*": "A", "b*": "B"}, "include": ["a*"], "success_marker": True}
    other = described(run="r", day=None, shard="1/3", layer="Silver", **options)
    assert run.differences(other) == [
        "the run has 4 shards, not 3",
        "the date of the run is 2022-05-02, not that of each file",
        "--dataset is not given in the run, and 'a*=A', 'b*=B' here",
        "--include is not given in the run, and 'a*' here",
        "--layer is 'Raw' in the run, and 'Silver' here",
        "--success-marker is off in the run, and on here",
    ]
    unknown = ShardedRun.decode(run.encode().replace(b'"layer"', b'"future"'))
    assert unknown.differences(run) == [
        "future is 'Raw' in the run, and not given here",
        "--layer is not given in the run, and 'Raw' here",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"type":"claim","version":1}',
        b'{"type":"shards","version":1}',
        b'{"type":"shards","version":2}',
        b'{"type":"claim","version":1,"started":"x","run_id":"","host":"","beat":1}',
    ],
)
def test_other_bytes_are_no_record(body):
    """Neither of a run nor of a claim."""
    for kind in (ShardedRun, Claim):
        with pytest.raises(OddShardsError):
            kind.decode(body)


def test_a_claim_survives_being_recorded():
    """And says who it is."""
    claim = Claim("20220502T120000Z-00000000", "node-7", NOW, 3)
    assert Claim.decode(claim.encode()) == claim
    assert str(claim) == "run 20220502T120000Z-00000000 on node-7, since 2022-05-02 12:00:00 UTC"


def test_the_latest_attempt_of_each_shard_counts():
    """It has ended if there is a manifest; other keys are ignored."""
    keys = [
        FOLDER.claim(1, 1),
        FOLDER.manifest(1, 1),
        FOLDER.claim(1, 2),
        FOLDER.manifest(2, 1),
        FOLDER.claim(2, 1),
        FOLDER.run,
        "_asyncload/shards/other/00003/000001.json",
        f"{FOLDER.of(4)}x.json",
    ]
    assert latest_attempts(FOLDER, keys) == {1: Attempt(2, False), 2: Attempt(1, True)}


@pytest.mark.parametrize(
    ("exit_code", "error", "failed", "standing", "reason"),
    [
        (0, None, 0, "complete", ""),
        (3, None, 2, "failed", "exit code 3: 2 files failed"),
        (3, None, 0, "failed", "exit code 3"),
        (5, AccessDenied("denied", code="x"), 0, "failed", "exit code 5: denied"),
    ],
)
def test_a_shard_stands_as_it_has_ended(exit_code, error, failed, standing, reason):
    """With the reason why it is not complete."""
    report = Report()
    report.counts["failed"] = failed
    past = PastRun(report, 1.0, NOW, exit_code, ObjectKey("k"), error)
    state = judge(Shard(1, 4), Attempt(7, True), past)
    assert (state.standing, state.attempt, state.reason) == (standing, 7, reason)
    missing = ShardState(Shard(2, 4), "missing")
    assert Shards(described(), [state]).complete == (standing == "complete")
    assert Shards(described(), [state, missing]).counts() == {
        "complete": int(exit_code == 0),
        "failed": int(exit_code != 0),
        "unfinished": 0,
        "missing": 1,
    }


def test_many_shards_that_are_not_complete_are_counted():
    """The first ones are named."""
    states = [ShardState(Shard(n, 30), "missing", reason="it is") for n in range(1, 31)]
    first, *named, last = shard_lines(Shards(described(), states))
    assert first == "30 shards: 30 missing"
    assert (len(named), named[-1]) == (20, "missing: shard 20/30: it is")
    assert last == "and 10 more shards; see --json"


def test_markers_that_could_not_be_written_are_named():
    """And those that must not be."""
    denied = AccessDenied("denied", hint="permit it", code="x")
    marking = Marking(None, 3, [PartitionUnmarked("A/", "why")], [MarkerFailed("B/", denied)])
    result = Verification(marking=marking)
    assert result.exit_code == 3
    assert list(marking_lines(result, "lake")) == [
        "not marked: s3://lake/A/: why",
        "no success marker in s3://lake/B/: denied\n  hint: permit it",
        "marked as complete: 3 partitions",
    ]
