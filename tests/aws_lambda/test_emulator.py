"""The deployment package under Lambda's own runtime and its emulator, against a real store."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.aws_lambda import running, unpacked
from tests.support.loads import write_files
from tests.support.tmdb import TOKEN
from tests.support.tmdb import serving as serving_tmdb

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KIB = 1024


@pytest.fixture(scope="session")
def task(tmp_path_factory):
    """The unpacked package."""
    return unpacked(tmp_path_factory)[1]


@pytest.fixture
def function(task, tmp_path, moto):
    """Start a function whose credentials are for moto; options are those of `running`."""

    def start(**options):
        environment = moto.environment | {
            "AWS_REGION": "us-east-1",
            "ASYNCLOAD_BUCKET": moto.bucket,
            "ASYNCLOAD_ENDPOINT_URL": moto.endpoint_url,
            **options.pop("environment", {}),
        }
        return running(tmp_path, task, environment, **options)

    return start


@pytest.fixture
def event(volume, layer):
    """As a schedule sends it."""
    return {
        "command": "run",
        "time": "2022-05-02T05:00:00Z",
        "volume": str(volume),
        "layer": layer,
        "success-marker": True,
    }


@pytest.mark.fault("T5")
@pytest.mark.moto
def test_a_schedule_loads_the_volume(function, event, moto, volume, layer):
    """The result is the summary; a duplicate of the event sends nothing again."""
    write_files(volume, {"a.csv": b"1", "b/é.csv": "ü,€\n".encode()})
    with function() as lambda_function:
        first = lambda_function.invoke(event)
        second = lambda_function.invoke(event)
    assert (first["exit_code"], first["uploaded"], first["date"]) == (0, 2, "2022-05-02")
    assert (second["exit_code"], second["unchanged"], second["bytes_sent"]) == (0, 2, 0)
    assert moto.objects(f"{layer}/") == {
        f"{layer}/Local/CSV/A/2022/05/02/a.csv": b"1",
        f"{layer}/Local/CSV/A/2022/05/02/_SUCCESS": b"",
        f"{layer}/Local/CSV/B/2022/05/02/é.csv": "ü,€\n".encode(),
        f"{layer}/Local/CSV/B/2022/05/02/_SUCCESS": b"",
    }
    lines = [line for line in lambda_function.log().splitlines() if line.startswith("{")]
    summaries = [json.loads(line) for line in lines]
    assert [s["type"] for s in summaries] == ["summary", "summary"]
    ids = re.findall(r"START RequestId: (\S+)", lambda_function.log())
    assert [summary["request_id"] for summary in summaries] == ids


@pytest.mark.fault("T4")
@pytest.mark.moto
def test_a_run_that_the_time_limit_stops_is_finished_by_the_retry(
    function, event, moto, volume, layer
):
    """It fails in time, with a manifest that says so; the same event again loads the rest."""
    files = {f"d/{n:02}.csv": b"x" * 64 * KIB for n in range(60)}
    write_files(volume, files)
    # A minute for all of it, where the function has 38 s, the last 30 of which start nothing.
    slow = event | {"limit-rate": "64KiB", "concurrency": 1}
    with function(timeout=38) as lambda_function:
        # The environment starts in the time of its first invocation.
        assert lambda_function.invoke({})["errorType"] == "UsageError"
        failure = lambda_function.invoke(slow)
        there = len(moto.objects(f"{layer}/"))
        result = lambda_function.invoke(event)
    assert failure["errorType"] == "DeadlineReached"
    assert "(exit code 3)" in failure["errorMessage"]
    assert there < 60
    manifest = re.search(r"Manifest: s3://lake/(\S+)", failure["errorMessage"])[1]
    summary = json.loads(moto.objects(manifest)[manifest])["summary"]
    assert (summary["result"], summary["error"]["kind"]) == ("incomplete", "DeadlineReached")
    assert (summary["uploaded"], summary["not_reached"]) == (there, 60 - there)
    assert (result["exit_code"], result["unchanged"], result["uploaded"]) == (0, there, 60 - there)
    objects = moto.objects(f"{layer}/Local/CSV/D/2022/05/02/")
    assert objects.pop(f"{layer}/Local/CSV/D/2022/05/02/_SUCCESS") == b""
    assert [*objects.values()] == [*files.values()]


@pytest.mark.fault("T8")
@pytest.mark.moto
def test_a_refused_bucket_becomes_a_failed_invocation(function, event, volume):
    """With the error's type and its remedy, and without the secret key in any of it."""
    write_files(volume, {"a.csv": b"1"})
    secret = {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": f"token-{SECRET}"}
    with function(environment=secret) as lambda_function:
        failure = lambda_function.invoke(event | {"bucket": "no-such-bucket"})
    assert failure["errorType"] == "BucketNotFound"
    assert "no-such-bucket" in failure["errorMessage"]
    assert '(exit code 5). Check "bucket"' in failure["errorMessage"]
    assert SECRET not in json.dumps(failure) + lambda_function.log()
    assert '"level":"ERROR"' in lambda_function.log()


@pytest.fixture
def double():
    """TMDB with 45 films."""
    with serving_tmdb() as double:
        double.add_films(45)
        yield double


@pytest.mark.moto
def test_a_collection_is_byte_for_byte_and_safe_to_repeat(function, double, moto, layer):
    """What TMDB sent, in the bucket; a duplicate of the event makes no request to TMDB."""
    event = {"command": "collect", "time": "2022-05-02T05:00:00Z", "title": "Film", "layer": layer}
    environment = {"TMDB_TOKEN": TOKEN, "ASYNCLOAD_API_URL": double.url}
    with function(environment=environment) as lambda_function:
        first = lambda_function.invoke(event)
        second = lambda_function.invoke(event)
    assert (first.get("exit_code"), first.get("uploaded")) == (0, 3), first
    assert (second["exit_code"], second["present"], second["api_requests"]) == (0, 3, 0)
    objects = moto.objects(f"{layer}/TMDB/JSON/MoviesByTitle/2022/05/02/")
    assert objects.pop(f"{layer}/TMDB/JSON/MoviesByTitle/2022/05/02/_SUCCESS") == b""
    assert sorted(objects.values()) == sorted(double.served.values())
    assert TOKEN not in lambda_function.log() + json.dumps([first, second])


@pytest.mark.fault("T4")
@pytest.mark.moto
def test_a_collection_that_the_time_limit_stops_is_finished_by_the_retry(
    function, double, moto, layer
):
    """No answer is requested twice."""
    double.add_films(1_000)
    event = {"command": "collect", "time": "2022-05-02T05:00:00Z", "title": "Film", "layer": layer}
    environment = {"TMDB_TOKEN": TOKEN, "ASYNCLOAD_API_URL": double.url}
    with function(environment=environment) as lambda_function:
        # An earlier deadline than the function's own, so that it comes soon.
        failure = lambda_function.invoke(event | {"rate": 4, "deadline": "33s"})
        asked = len(double.asked)
        result = lambda_function.invoke(event)
    assert failure.get("errorType") == "DeadlineReached", failure
    assert asked < 53
    assert (result["exit_code"], result["present"] + result["uploaded"]) == (0, 53)
    assert max(double.paths.values()) == 1


@pytest.mark.fault("T8")
@pytest.mark.moto
def test_a_refused_token_becomes_a_failed_invocation(function, double, layer):
    """With exit code 5 in the message, and without the token."""
    wrong = "eyJhbGciOiJIUzI1NiJ9.canary-0f3b.wrong"
    environment = {"TMDB_TOKEN": wrong, "ASYNCLOAD_API_URL": double.url}
    with function(environment=environment) as lambda_function:
        failure = lambda_function.invoke({"command": "collect", "title": "Film", "layer": layer})
    assert "(exit code 5)" in failure["errorMessage"]
    assert wrong not in json.dumps(failure) + lambda_function.log()
