"""`asyncload collect` as a user runs it: its output, settings file, exit codes and secrets."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from tests.support.servers import S3Server
from tests.support.tmdb import TOKEN, Double, Sent, always, refusal, serving
from tests.support.vocabulary import check_lines, check_manifest

DATE = ("--date", "2022-05-02")


@pytest.fixture
def double():
    """A double of TMDB with three films."""
    films = Double()
    films.add_films(3)
    with serving(films) as served:
        yield served


@pytest.fixture
def collect(asyncload, double, seaweedfs: S3Server, layer, monkeypatch):
    """Run `asyncload collect tmdb` with further arguments."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMDB_TOKEN", TOKEN)
    target = [
        "--bucket",
        seaweedfs.bucket,
        "--endpoint-url",
        seaweedfs.endpoint_url,
        "--layer",
        layer,
    ]

    def run(*arguments, source=("tmdb",)):
        return asyncload(
            "collect", *source, *target, *DATE, "--api-url", double.url, "--rate", 1000, *arguments
        )

    return run


pytestmark = pytest.mark.seaweedfs


def test_a_collection_from_token_to_objects(collect, double, seaweedfs, layer):
    """The summary, TMDB's notice, the manifest, and the bytes as the double sent them."""
    ended = collect("--title", "film", "--detail", "{kind}/{id}/credits", "--manifest-prefix", "_m")
    assert ended.code == 0, ended.err
    first, manifest = ended.out.splitlines()
    sent = sum(map(len, double.served.values()))
    assert first == (
        "4 of 4 files are in the raw zone: 4 uploaded, verified by CRC64NVME "
        f"({sent} B sent in _ s)"
    )
    assert manifest == f"manifest: s3://{seaweedfs.bucket}/_m/RUN.json"
    assert "This product uses the TMDB API but is not endorsed or certified by TMDB." in ended.err
    objects = seaweedfs.objects(f"{layer}/")
    prefix = f"{layer}/TMDB/JSON/MoviesByTitle/2022/05/02"
    assert {f"{prefix}/_SUCCESS", f"{prefix}/movie-credits-3.json"} < {*objects}
    bodies = [body for key, body in objects.items() if not key.endswith("_SUCCESS")]
    assert sorted(bodies) == sorted(double.served.values())
    again = collect("--title", "film", "--detail", "{kind}/{id}/credits", "--quiet")
    assert (again.code, again.out, again.err) == (0, "", "")
    assert len(double.asked) == 4


def test_records_are_those_that_are_documented(collect, double, seaweedfs, layer):
    """On standard output and in the manifest, also of answers that are there."""
    double.missing.add("movie/2/credits")
    prefix = f"_asyncload-{layer}"
    arguments = ["--title", "film", "--detail", "{kind}/{id}/credits", "--json"]
    arguments += ["--manifest-prefix", prefix]
    for statuses in ({"uploaded"}, {"present"}):
        ended = collect(*arguments)
        *records, summary = check_lines(ended.out)
        assert {r["status"] for r in records if r["type"] == "file"} == statuses
        assert [r["reason"] for r in records if r["type"] == "excluded"] == ["not found"]
        assert (summary["command"], summary["result"]) == ("collect", "complete")
    assert (summary["present"], summary["api_requests"]) == (3, 1)
    for body in seaweedfs.objects(f"{prefix}/2").values():
        manifest = check_manifest(body)
        settings = manifest["run"]["settings"]
        assert settings["token"] == "env:TMDB_TOKEN"
        assert settings["queries"][0]["params"] == {"query": "film"}
        assert "volume" not in settings


def test_a_manifest_of_a_collection_can_be_verified(collect, asyncload, seaweedfs, layer):
    """By its checksums; of answers that were there, size and existence."""
    prefix = ("--manifest-prefix", f"_asyncload-{layer}")
    target = ["--bucket", seaweedfs.bucket, "--endpoint-url", seaweedfs.endpoint_url, *prefix]
    for matching in (1, 0):
        ended = collect("--title", "film", "--json", *prefix)
        run_id = check_lines(ended.out)[-1]["run_id"]
        verified = asyncload("verify", *target, "--manifest", run_id, "--json")
        assert verified.code == 0, verified.err
        assert check_lines(verified.out)[-1]["matching"] == matching
    for key in seaweedfs.objects(f"{layer}/"):
        seaweedfs.client().delete_object(Bucket=seaweedfs.bucket, Key=key)
    verified = asyncload("verify", *target, "--manifest", run_id, "--json")
    assert verified.code == 3


def test_a_dry_run_makes_no_request(collect, double, layer, monkeypatch):
    """It needs no token, and prints requests and keys."""
    monkeypatch.delenv("TMDB_TOKEN")
    ended = collect("--title", "film", "--changes", "--actor", "Tom Hanks", "--dry-run")
    assert (ended.code, ended.err) == (0, "")
    base, lake = double.url, f"s3://lake/{layer}/TMDB/JSON"
    assert ended.out.splitlines() == [
        (
            f"would request {base}/search/movie?query=film&page=1 -> "
            f"{lake}/MoviesByTitle/2022/05/02/c2720704e9f41b45-p0001.json"
        ),
        (
            f"would request {base}/search/person?query=Tom%20Hanks&page=1 -> "
            f"{lake}/MoviesByActor/2022/05/02/2b65bd05b55191cd-p0001.json"
        ),
        (
            f"  for each result, would request {base}/discover/movie?with_cast={{id}}&page=1 -> "
            f"{lake}/MoviesByActor/2022/05/02/{{hash}}-p0001.json"
        ),
        (
            f"would request {base}/movie/changes?start_date=LAST_SUCCESS&end_date=2022-05-02"
            f"&page=1 -> {lake}/MovieChanges/2022/05/02/{{hash}}-p0001.json"
        ),
        (
            f"  for each result, would request {base}/movie/{{id}} -> "
            f"{lake}/MovieChanges/2022/05/02/movie-{{id}}.json"
        ),
    ]
    assert double.asked == []
    assert collect("--title", "film", "--dry-run", "--quiet").out == ""


def test_a_dry_run_as_records(collect):
    """One for each request, then the summary."""
    ended = collect("--title", "film", "--detail", "movie/{id}", "--dry-run", "--json")
    first, detail, summary = check_lines(ended.out)
    assert (first["per_result"], detail["per_result"]) == (False, True)
    assert detail["url"].endswith("/movie/{id}")
    assert summary["dry_run"]


def test_a_settings_file_describes_another_api(collect, double, seaweedfs, layer, tmp_path):
    """With options, the API and its queries in one file."""
    file = tmp_path / "library.toml"
    file.write_text("""
max-results = 2

[source]
name = "Library"
base_url = "https://example.org"
items = "results"
paging = {style = "page", total = "total_pages"}
token = "env:TMDB_TOKEN"

[[query]]
spec = "novels"
path = "search/movie"
params = {query = "film"}
detail = ["movie/{id}"]
""")
    ended = collect("--config", file, source=())
    assert ended.code == 0, ended.err
    names = [key.removeprefix(f"{layer}/Library/JSON/") for key in seaweedfs.objects(f"{layer}/")]
    assert sum(name.startswith("Novels/2022/05/02/movie-") for name in names) == 2
    named = collect("--config", file, source=("LIBRARY",))
    assert named.code == 0
    other = collect("--config", file)
    assert other.code == 2
    assert "source: 'tmdb' is not the one that" in other.err


def test_a_settings_file_with_the_tables_of_a_collection_serves_other_commands(
    asyncload, volume, tmp_path, monkeypatch
):
    """One file for `collect` and `run`."""
    (volume / "a.csv").write_bytes(b"1")
    (tmp_path / "asyncload.toml").write_text('bucket = "lake"\nsource = "tmdb"\n[[query]]\n')
    monkeypatch.chdir(tmp_path)
    assert asyncload("run", volume, "--dry-run", "--offline").code == 0
    config = asyncload("config")
    assert 'bucket = "lake"  # asyncload.toml, line 1' in config.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--title", ""], 2, "--title is empty"),
        (["--kind", "tv"], 2, "error: nothing to collect: no query is given"),
        (["--title", "a", "--rate", "x"], 2, "'x' is not a valid float"),
        (["--title", "a", "--token", TOKEN], 2, "--token: the value does not have the form"),
        (["--title", "a", "--token", "env:NOT_SET"], 2, "the variable NOT_SET is not set"),
        (["--actor", "Nobody"], 2, "error: --actor: the API knows no 'Nobody'"),
        (["--title", "film", "--max-requests", "1", "--detail", "movie/{id}"], 3, "--max-requests"),
        (["--title", "film", "--deadline", "30s"], 2, "--deadline: 30 s is too short"),
    ],
)
def test_each_problem_has_its_message_and_exit_code(collect, arguments, code, message):
    """And the message does not contain the token."""
    ended = collect(*arguments)
    assert ended.code == code
    assert message in ended.err
    assert TOKEN not in ended.err
    assert "Traceback" not in ended.err


def test_an_unknown_source_names_the_known_ones(collect):
    """And how to describe another."""
    ended = collect("--title", "a", source=("imdb",))
    assert ended.code == 2
    assert "source: 'imdb' is not a known source" in ended.err
    assert "use tmdb, or describe another API" in ended.err
    assert collect("--title", "a", source=("",)).err.startswith("error: SOURCE is empty")


def test_a_wrong_token_is_refused(collect, monkeypatch):
    """With exit code 5, and what the API says."""
    monkeypatch.setenv("TMDB_TOKEN", "a-wrong-token-of-some-length")
    ended = collect("--title", "film", "--json")
    (summary,) = check_lines(ended.out)
    assert (ended.code, summary["result"]) == (5, "refused")
    error = summary["error"]
    assert (error["kind"], error["http_status"]) == ("TokenRejected", 401)
    assert "a-wrong-token" not in ended.out + ended.err


def test_the_token_is_in_no_output_object_or_log(double, seaweedfs, layer, tmp_path):
    """A process that logs all there is, against an API that repeats the token."""
    said = refusal(400, 5, f"not this: {TOKEN}")
    where = f"{double.url}/{TOKEN}"
    double.faults.append(always("/movie/2/credits", said))
    double.faults.append(always("/movie/3/credits", Sent(302, b"", (("Location", where),))))
    script = (
        "import logging, sys\n"
        f"logging.basicConfig(level=logging.DEBUG, filename={str(tmp_path / 'log')!r})\n"
        "from asyncload.cli import main\n"
        "main()\n"
    )
    prefix = f"_asyncload-{layer}"
    command = [sys.executable, "-c", script, "collect", "tmdb", "--bucket", seaweedfs.bucket, *DATE]
    command += ["--endpoint-url", seaweedfs.endpoint_url, "--layer", layer, "--api-url", double.url]
    command += ["--title", "film", "--detail", "{kind}/{id}/credits", "--json"]
    command += ["--manifest-prefix", prefix, "--rate", "1000"]
    done = subprocess.run(
        command,
        env=os.environ | seaweedfs.environment | {"TMDB_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3, done.stderr
    objects = seaweedfs.objects(f"{layer}/") | seaweedfs.objects(f"{prefix}/2")
    client = seaweedfs.client()
    metadata = [client.head_object(Bucket=seaweedfs.bucket, Key=key)["Metadata"] for key in objects]
    assert any("source-url" in one for one in metadata)
    texts = [done.stdout, done.stderr, (tmp_path / "log").read_text(), repr(metadata)]
    texts += [repr(key) + body.decode() for key, body in objects.items()]
    assert "not this: ***" in done.stdout
    for text in texts:
        assert TOKEN not in text
        assert TOKEN[:24] not in text
    assert logging.root.level != logging.DEBUG
