"""`asyncload run` as its users see it: whole outputs, and every exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime

import pytest

from tests.support.loads import AT_ONCE, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, error, put_accepted, scripted_s3
from tests.support.vocabulary import check_lines, check_manifest

DATE = ("--date", "2022-05-02")


def test_a_load_reports_its_files(asyncload, volume, lake):
    """Progress goes to standard error, the summary to standard output."""
    write_files(volume, {"movies.csv": b"a|b\n", ".hidden.csv": b"", "x.csv.tmp": b""})
    options, _ = lake
    ended = asyncload("run", volume, *options)
    assert ended.out == (
        "1 of 1 file is in the raw zone: 1 uploaded, verified by CRC64NVME (4 B sent in _ s)\n"
        "excluded: 1 hidden, 1 temporary\n"
        "manifest: s3://lake/_asyncload/RUN.json\n"
    )
    assert ended.err == "excluded: x.csv.tmp (temporary)\nfound 1 CSV, 4 B\n"
    assert ended.code == 0


def test_a_failed_file_is_named_with_its_key_cause_and_hint(asyncload, volume, lake):
    """The others land, and the exit code is 3."""
    write_files(volume, {"bad.csv": b"1", "good.csv": b"1"})
    options, _ = lake
    ended = asyncload("run", volume, *options)
    assert ended.out == (
        "1 of 2 files are in the raw zone: 1 uploaded, 1 failed, verified by CRC64NVME "
        "(1 B sent in _ s)\n"
        "  Bad: 1 file, 1 B: 1 failed\n"
        "  Good: 1 file, 1 B: 1 uploaded\n"
        "failed: bad.csv -> s3://lake/Raw/Local/CSV/Bad/2022/05/02/bad.csv\n"
        "  bucket 'lake': PutObject of 'Raw/Local/CSV/Bad/2022/05/02/bad.csv' was answered with "
        "InvalidRequest: no (request id REQ1)\n"
        "  hint: look the code up in the store's documentation, then run again\n"
        "manifest: s3://lake/_asyncload/RUN.json\n"
    )
    assert ended.code == 3


def test_quiet_prints_failures_only(asyncload, volume, lake):
    """To standard error; a good run prints nothing."""
    options, _ = lake
    write_files(volume, {"good.csv": b"1"})
    ended = asyncload("run", volume, *options, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    write_files(volume, {"bad.csv": b"1"})
    ended = asyncload("run", volume, *options, "--quiet")
    assert ended.code == 3
    assert ended.out == ""
    assert ended.err.startswith("failed: bad.csv -> s3://lake/")


@pytest.mark.fault("I14")
def test_the_objects_of_a_run_are_shown_as_a_tree(asyncload, volume, lake):
    """Those that are in the bucket; not with --quiet."""
    options, _ = lake
    write_files(volume, {"bad.csv": b"1", "d/a.csv": b"22", "d/b.csv": b"1"})
    ended = asyncload("run", volume, *options, "--tree")
    assert ended.out.endswith(
        "manifest: s3://lake/_asyncload/RUN.json\n"
        "s3://lake\n"
        "└── Raw\n"
        "    └── Local\n"
        "        └── CSV\n"
        "            └── D\n"
        "                └── 2022\n"
        "                    └── 05\n"
        "                        └── 02\n"
        "                            ├── a.csv  2 B\n"
        "                            └── b.csv  1 B\n"
    )
    assert asyncload("run", volume, *options, "--tree", "--quiet").out == ""


def test_json_is_a_line_for_each_file_and_a_summary(asyncload, volume, lake):
    """Standard output is for programs alone."""
    write_files(volume, {"a.csv": b"123456789", "bad.csv": b"1", ".h.csv": b""})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--json")
    *files, summary = check_lines(ended.out)
    by_path = {record["path"]: record for record in files}
    run_id = summary["run_id"]
    assert run_id.startswith("20")
    of_run = {"version": 1, "run_id": run_id, "bucket": "lake", "date": "2022-05-02"}
    landed = by_path["a.csv"]
    assert landed.pop("finished")
    assert landed.pop("mtime_ns") == (volume / "a.csv").stat().st_mtime_ns
    assert landed == of_run | {
        "type": "file",
        "status": "uploaded",
        "path": "a.csv",
        "key": "Raw/Local/CSV/A/2022/05/02/a.csv",
        "dataset": "A",
        "partition": "Raw/Local/CSV/A/2022/05/02/",
        "size": 9,
        "seconds": 0,
        "verified_by": "CRC64NVME",
        "checksums": {"CRC64NVME": "rosUhgp5mIg="},
        "replaced": False,
    }
    assert by_path["bad.csv"]["error"]["code"] == "InvalidRequest"
    assert by_path[".h.csv"] == of_run | {
        "type": "excluded",
        "path": ".h.csv",
        "reason": "hidden",
    }
    assert summary.pop("manifest") == f"_asyncload/{run_id}.json"
    assert summary.pop("started") <= summary.pop("finished")
    # Listings and heads; the puts that landed, failed, and that of the manifest.
    assert summary.pop("requests") >= 5
    assert summary == of_run | {
        "type": "summary",
        "command": "run",
        "exit_code": 3,
        "result": "incomplete",
        "error": None,
        "seconds": 0,
        "files": 2,
        "bytes": 10,
        "uploaded": 1,
        "unchanged": 0,
        "skipped": 0,
        "failed": 1,
        "failures": [
            {"kind": "RequestRejected", "hint": summary["failures"][0]["hint"], "files": 1}
        ],
        "not_reached": 0,
        "replaced": 0,
        "datasets": [
            {"dataset": "A", "files": 1, "bytes": 9, "statuses": {"uploaded": 1}},
            {"dataset": "Bad", "files": 1, "bytes": 1, "statuses": {"failed": 1}},
        ],
        "volumes": [],
        "sources": {},
        "verified_by": {"CRC64NVME": 1},
        "bytes_sent": 9,
        "bytes_kept": 0,
        "retries": 0,
        "concurrency": {"limit": 64, "peak": summary["concurrency"]["peak"], "reason": "enough"},
        "limits": [],
        "processes": 1,
        "shard": None,
        "excluded": {"hidden": 1},
        "left_open": [],
        "aborted_uploads": 0,
        "warnings": [],
        "store": summary["store"],
        "unmarked": [],
        "markers_failed": [],
    }


def test_json_reports_a_run_that_was_refused(asyncload, volume, lake):
    """The summary comes in any case, and carries the error."""
    options, _ = lake
    ended = asyncload("run", volume, *options, "--json")
    (summary,) = check_lines(ended.out)
    assert (summary["exit_code"], summary["error"]["kind"]) == (4, "NothingToLoad")
    assert ended.code == 4
    assert ended.err.startswith("error: the volume has no CSV to load")


def test_links_and_special_files_are_reported_and_not_followed(asyncload, volume, lake):
    """A FIFO named like a CSV does not hang the run; the rest lands."""
    write_files(volume, {"a.csv": b"1"})
    os.mkfifo(volume / "x.csv")
    (volume / "link.csv").symlink_to("a.csv")
    options, requests = lake
    ended = asyncload("run", volume, *options)
    assert ended.err == (
        "excluded: link.csv (symlink)\nexcluded: x.csv (not a regular file)\nfound 1 CSV, 1 B\n"
    )
    assert "excluded: 1 not a regular file, 1 symlink" in ended.out
    assert ended.code == 0
    assert len([r for r in requests if r.method == "PUT" and "/Raw/" in r.path]) == 1


def test_names_that_make_no_key_fail_alone(asyncload, volume, lake):
    """Too long, not UTF-8, a newline: each is named, escaped, and the others land."""
    write_files(volume, {"ok.csv": b"1", "new\nline.csv": b"1"})
    deep = "/".join(["d" * 200] * 5)
    write_files(volume, {f"{deep}/x.csv": b"1"})
    (volume / os.fsdecode(b"latin\xe9.csv")).write_bytes(b"1")
    options, requests = lake
    ended = asyncload("run", volume, *options)
    assert ended.code == 3
    assert "1 of 4 files are in the raw zone: 1 uploaded, 3 failed" in ended.out
    assert "failed: new\\nline.csv\n  the object key would contain a control character" in ended.out
    assert "failed: latin\\xe9.csv\n  the file's name is not valid UTF-8" in ended.out
    assert "bytes of UTF-8, over S3's limit of 1,024" in ended.out
    assert len([r for r in requests if r.method == "PUT" and "/Raw/" in r.path]) == 1


def test_two_files_for_one_key_stop_the_run_before_any_upload(asyncload, volume, lake):
    """Both are named, with the way out."""
    write_files(volume, {"movies.csv": b"1", "movies/movies.csv": b"2", "a.csv": b"3"})
    options, requests = lake
    ended = asyncload("run", volume, *options)
    assert ended.err.endswith(
        "error: several files map to one object key, so nothing was uploaded:\n"
        "  Raw/Local/CSV/Movies/2022/05/02/movies.csv  <-  movies.csv, movies/movies.csv\n"
        "  hint: rename a file, or separate the files with --dataset or --layout\n"
    )
    assert ended.code == 5
    # But for the record of it.
    (record,) = [r for r in requests if r.method == "PUT"]
    assert check_manifest(record.body)["summary"]["error"]["kind"] == "KeyCollision"


@pytest.mark.fault("I11")
@pytest.mark.parametrize(
    ("content", "options", "what", "hint"),
    [
        ({}, (), "", "check the volume and its mount"),
        ({"notes.txt": b""}, (), "", "check the volume and its mount"),
        (
            {".hidden.csv": b"", "a.csv.tmp": b""},
            (),
            "; excluded: 1 hidden, 1 temporary",
            "rename files and folders that begin with a dot",
        ),
        ({"a.csv": b""}, ("--min-age", "1h"), "; excluded: 1 too recent", "--min-age"),
        ({"a.csv": b""}, ("--exclude", "a*"), "; excluded: 1 by pattern", "--exclude"),
        ({"a.csv.xz": b""}, (), "; excluded: 1 compressed", "unpack"),
    ],
)
def test_a_volume_without_csvs_is_reported(asyncload, volume, lake, content, options, what, hint):
    """Exit code 4, with what left them out; `--allow-empty` takes it for a success."""
    write_files(volume, content)
    to, requests = lake
    ended = asyncload("run", volume, *to, *options)
    *_, message, hints = ended.err.splitlines()
    assert message == f"error: the volume has no CSV to load{what}"
    assert hint in hints
    assert ended.code == 4
    requests.clear()
    ended = asyncload("run", volume, *to, *options, "--allow-empty")
    assert ended.code == 0
    assert ended.out.startswith("no files to load\n")
    (record,) = [r for r in requests if r.method == "PUT"]
    assert check_manifest(record.body)["summary"]["result"] == "complete"
    assert asyncload("run", volume, *to, *options, "--allow-empty", "--dry-run").code == 0


@pytest.mark.fault("I12", "I21")
def test_very_many_files_that_are_left_out_are_few_lines(asyncload, volume, lake):
    """The first of each kind are named, all are counted; JSON has each of them."""
    write_files(volume, {"a.csv": b"1"} | {f"{n:03}.csv.xz": b"" for n in range(100)})
    options, _ = lake
    ended = asyncload("run", volume, *options)
    assert ended.code == 0
    assert len([line for line in ended.err.splitlines() if ".csv.xz" in line]) == 20
    assert "excluded: further entries (compressed) are counted in the summary\n" in ended.err
    assert "excluded: 100 compressed\n" in ended.out
    *records, summary = check_lines(asyncload("run", volume, *options, "--json").out)
    assert len([r for r in records if r["type"] == "excluded"]) == 100
    assert summary["excluded"] == {"compressed": 100}


def test_a_volume_that_is_not_there_is_a_usage_error(asyncload, tmp_path, lake):
    """With what to mount where."""
    options, _ = lake
    ended = asyncload("run", tmp_path / "gone", *options)
    assert ended.err.startswith(f"error: the volume {tmp_path}/gone does not exist\n  hint: ")
    assert ended.code == 2


def test_a_volume_that_is_another_file_is_a_usage_error(asyncload, tmp_path, lake):
    """Only CSVs can be loaded alone, and without a list of files."""
    (tmp_path / "a.txt").write_bytes(b"")
    options, _ = lake
    ended = asyncload("run", tmp_path / "a.txt", *options)
    assert (ended.code, "is neither a folder nor a CSV" in ended.err) == (2, True)
    write_files(tmp_path, {"a.csv": b"1"})
    ended = asyncload("run", tmp_path / "a.csv", *options, "--files-from", tmp_path / "a.txt")
    assert ended.code == 2
    assert "--files-from can't be combined with a volume that is a file" in ended.err


@pytest.mark.parametrize("name", ["a.csv", "b.csv.gz", ".hidden.CSV"])
def test_one_file_is_loaded_as_if_its_folder_were_the_volume(asyncload, volume, s3, layer, name):
    """Under the key that it would have then; its neighbours are not looked at, nor extra."""
    write_files(volume, dict.fromkeys(("a.csv", "b.csv.gz", ".hidden.CSV", "c.csv"), b"1"))
    options = ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]
    options += ["--date", "2022-05-02"]
    planned = asyncload("plan", volume / name, *options, "--files")
    assert f"would upload {name} -> s3://" in planned.out
    assert "would upload 1 of 1 file, 1 B" in planned.out
    ended = asyncload("run", volume / name, *options)
    assert (ended.code, ended.out[:30]) == (0, "1 of 1 file is in the raw zone")
    (key,) = s3.objects(f"{layer}/")
    assert key.endswith(f"/2022/05/02/{name}")
    assert asyncload("verify", volume / name, *options).code == 0
    moved = asyncload("run", volume / name, *options, "--then", "delete")
    assert (moved.code, (volume / name).exists(), (volume / "c.csv").exists()) == (0, False, True)


def test_a_prefix_of_the_bucket_comes_before_all_keys(asyncload, volume, s3, layer):
    """For plan, run, verify and clean alike, and for manifests; in any layout."""
    write_files(volume, {"a.csv": b"1"})
    prefix = f"{layer}/landing"
    options = ["--bucket", f"s3://{s3.bucket}/{prefix}/", "--endpoint-url", s3.endpoint_url]
    dated = [*options, "--date", "2022-05-02"]
    planned = asyncload("plan", volume, *dated, "--files")
    key = f"{prefix}/Raw/Local/CSV/A/2022/05/02/a.csv"
    assert f"would upload a.csv -> s3://{s3.bucket}/{key}\n" in planned.out
    ended = asyncload("run", volume, *dated)
    assert (ended.code, f"manifest: s3://{s3.bucket}/{prefix}/_asyncload/" in ended.out) == (
        0,
        True,
    )
    listed = s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=f"{layer}/")["Contents"]
    stored = [entry["Key"] for entry in listed]
    assert key in stored
    assert all(name.startswith(f"{prefix}/") for name in stored)
    assert asyncload("verify", volume, *dated).code == 0
    assert "1 unchanged" in asyncload("run", volume, *dated).out
    assert f"s3://{s3.bucket}/{prefix}/Raw/Local/CSV/" in asyncload("clean", *options).out
    hive = asyncload("plan", volume, *dated, "--layout", "hive", "--offline")
    assert f"s3://{s3.bucket}/{prefix}/Raw/Local/CSV/A/year=2022/month=05/day=02/" in hive.out


def test_a_prefix_may_hold_data_and_manifests(asyncload, volume):
    """In a layout without a layer, too."""
    write_files(volume, {"a.csv": b"1"})
    options = ("--bucket", "s3://lake/landing", "--layout", "{dataset}/{path}", "--offline")
    ended = asyncload("plan", volume, *options)
    assert "A: 1 file, 1 B: 1 to upload -> s3://lake/landing/A/\n" in ended.out


def test_a_prefix_that_no_key_can_have_is_a_usage_error(asyncload, volume):
    """By its name."""
    ended = asyncload("plan", volume, "--bucket", "s3://lake/a//b", "--offline")
    assert (ended.code, "--bucket: 'a//b' can't be the start of a key" in ended.err) == (2, True)
    ended = asyncload("plan", volume, "--bucket", "s3://lake/{date}", "--offline")
    assert (ended.code, "'{date}' must not have braces" in ended.err) == (2, True)


def test_one_archive_is_loaded_if_archives_are(asyncload, volume, lake):
    """Its members, as from its folder."""
    options, _ = lake
    with zipfile.ZipFile(volume / "films.zip", "w") as archive:
        archive.writestr("movies.csv", b"1\n")
    write_files(volume, {"a.csv": b"1"})
    ended = asyncload("plan", volume / "films.zip", *options, "--archives", "--offline", "--files")
    assert "would upload films.zip//movies.csv -> s3://" in ended.out
    assert "would upload 1 of 1 file" in ended.out


def test_the_volume_is_by_default_the_mounted_one_or_the_folder_data(
    asyncload, tmp_path, monkeypatch, lake
):
    """`ASYNCLOAD_VOLUME`, else /data where that exists, else ./data."""
    options, _ = lake
    write_files(tmp_path, {"data/a.csv": b"1", "other/b.csv": b"1"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("asyncload.cli.default_volume.MOUNTED", tmp_path / "not-mounted")
    dry = ("run", "--dry-run", "--offline", "--files")
    assert "would upload a.csv" in asyncload(*dry, *options).out
    monkeypatch.setattr("asyncload.cli.default_volume.MOUNTED", tmp_path / "other")
    assert "would upload b.csv" in asyncload(*dry, *options).out
    monkeypatch.setenv("ASYNCLOAD_VOLUME", str(tmp_path / "data"))
    assert "would upload a.csv" in asyncload(*dry, *options).out


def test_unreadable_files_fail_and_the_others_are_uploaded(spawn, volume, lake):
    """An unreadable file, an unreadable folder: named with path and remedy."""
    write_files(volume, {"ok.csv": b"1", "locked.csv": b"1", "locked/a.csv": b"1"})
    (volume / "locked.csv").chmod(0)
    (volume / "locked").chmod(0)
    options, _ = lake
    process = spawn("run", volume, *options, prefix=without_override())
    out, err = process.communicate(timeout=60)
    (volume / "locked").chmod(0o700)
    assert process.returncode == 3, err
    assert "failed: locked\n  the path can't be listed: Permission denied" in out
    assert "failed: locked.csv -> s3://lake/" in out
    assert "the file can't be read: Permission denied\n  hint: give the user" in out
    assert "1 of 3 files" in out


def without_override():
    """Root reads everything; without these capabilities it is as everybody else."""
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    assert setpriv, "setpriv, of util-linux, is needed to test as root"
    return (setpriv, "--bounding-set=-dac_override,-dac_read_search")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--date", "2022-02-30"),
            "error: --date: '2022-02-30' is not a valid date: day is out of range",
        ),
        (
            ("--date", "02/05/2022"),
            "error: --date: '02/05/2022' is not a valid date: expected the form",
        ),
        (("--timezone", "Mars/Base"), "error: --timezone: unknown time zone 'Mars/Base'"),
        (("--concurrency", "0"), "error: --concurrency: 0 is not between 1 and 1024"),
        (("--concurrency", "many"), "error: --concurrency: 'many' is not a number of requests"),
        (("--concurrency", "-4"), "error: --concurrency: -4 is not between 1 and 1024"),
        (("--concurrency", "1000000000"), "--concurrency: 1000000000 is not between 1 and 1024"),
        (
            ("--concurrency", "atuo"),
            (
                "--concurrency: 'atuo' is not a number of requests\n  hint: did you mean auto? use "
                "auto, or a number from 1 to 1,024\n"
            ),
        ),
        (
            ("--limit-rate", "50KB/s"),
            "--limit-rate: 50,000 bytes per second is not between 64 KiB ",
        ),
        (("--limit-rate", "0"), "--limit-rate: 0 bytes per second is not between 64 KiB and 1 TiB"),
        (("--limit-rate", "2000GiB"), "is not between 64 KiB and 1 TiB"),
        (("--limit-rate", "fast"), "error: --limit-rate: 'fast' is not a valid size"),
        (("--memory", "lots"), "error: --memory: 'lots' is not a valid size"),
        (("--memory", "1MiB"), "error: --memory: 1,048,576 bytes is too small"),
        (
            ("--layout", "{layer}/{dataste}/{path}"),
            (
                "error: --layout: unknown field {dataste}\n  hint: did you mean {dataset}? "
                "the known fields are "
                "{layer}, {origin}, {format}, {dataset}, {date}, {path}"
            ),
        ),
        (("--layout", "{layer}"), "error: --layout: the template must hold {path} exactly once"),
        (("--dataset", "films"), "error: --dataset: 'films' does not have the form PATTERN=NAME"),
        (("--bucket", "a/b"), "error: --bucket: 'a/b' is not a valid bucket name"),
        (
            ("--endpoint-url", "localhost:9"),
            "error: --endpoint-url: 'localhost:9' is not a valid endpoint",
        ),
        (
            ("--endpoint-url", "http://user:canary@127.0.0.1:9"),
            "error: --endpoint-url: the URL must not contain a user name or password\n",
        ),
        (
            ("--endpoint-url", "http://store:8333"),
            (
                "error: --endpoint-url: 'http://store:8333' is plain HTTP to another machine: "
                "others on the network can read and change the data\n  hint: use https://, or "
                "--allow-http (ASYNCLOAD_ALLOW_HTTP=1) on a trusted network\n"
            ),
        ),
        (
            ("--endpoint-url", "http://169.254.169.254", "--allow-http"),
            "error: --endpoint-url: 'http://169.254.169.254' is a link-local address or",
        ),
        (
            ("--ca-bundle", "/no/such.pem"),
            "error: --ca-bundle: '/no/such.pem' can't be used: No such file or directory\n  hint: ",
        ),
        (("--layer", "a/b"), "error: --layer: 'a/b' must be one segment"),
        (("--no-such-option",), "No such option: --no-such-option"),
    ],
)
def test_an_option_that_can_not_be_used_is_a_usage_error(
    asyncload, volume, lake, arguments, message
):
    """What, where and what to do, with exit code 2; nothing is sent."""
    options, requests = lake
    ended = asyncload("run", volume, *options, *arguments)
    assert message in ended.err
    assert ended.code == 2
    assert requests == []


def test_a_variable_of_the_wrong_type_is_named(asyncload, volume, monkeypatch):
    """As one with an invalid value is; all words for true and false would be too many."""
    monkeypatch.setenv("ASYNCLOAD_QUIET", "maybe")
    ended = asyncload("run", volume, "--bucket", "lake")
    assert ended.code == 2
    assert ended.err == (
        "error: --quiet: 'maybe' is not a valid boolean\n"
        "  --quiet comes from variable ASYNCLOAD_QUIET\n"
        "  hint: see asyncload run --help\n"
    )
    monkeypatch.setenv("ASYNCLOAD_QUIET", "")
    ended = asyncload("collect", "tmdb", "--bucket", "lake", "--max-requests", "many")
    assert ended.err.startswith("error: --max-requests: 'many' is not a valid int\n  hint: ")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "file"])
def test_an_endpoint_of_the_aws_configuration_is_judged_alike(
    asyncload, volume, lake, variable, monkeypatch, tmp_path
):
    """Wherever it was set: plain HTTP to another machine is a usage error, until it is allowed."""
    write_files(volume, {"a.csv": b"1"})
    options = ("--bucket", "lake", *DATE)
    if variable == "file":
        config = tmp_path / "config"
        config.write_text("[default]\nendpoint_url = http://store.invalid\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    else:
        monkeypatch.setenv(variable, "http://store.invalid")
    ended = asyncload("run", volume, *options)
    assert ended.err.startswith(
        "error: the endpoint of the AWS configuration: 'http://store.invalid' is plain HTTP"
    )
    assert "--allow-http" in ended.err
    assert ended.code == 2
    with scripted_s3(lambda request: error(404, "NoSuchBucket")) as (proxy, requests):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("ASYNCLOAD_ALLOW_HTTP", "1")
        assert asyncload("run", volume, *options).code == 5
    assert {request.headers["host"] for request in requests} == {"store.invalid"}
    monkeypatch.setenv("ASYNCLOAD_ENDPOINT_ACCELERATE", "1")
    ended = asyncload("run", volume, *options)
    assert ended.code == 2
    assert ended.err.startswith("error: --endpoint-accelerate can't be combined with the endpoint")


def test_a_missing_bucket_option_is_a_usage_error(asyncload, volume):
    """There is no default to load into by accident."""
    ended = asyncload("run", volume)
    assert "Missing option '--bucket'" in ended.err
    assert ended.code == 2


def test_a_bucket_that_is_not_there_is_refused(asyncload, volume, monkeypatch, moto):
    """One message, exit code 5."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    write_files(volume, {"a.csv": b"1"})
    ended = asyncload("run", volume, "--bucket", "gone", "--endpoint-url", moto.endpoint_url)
    assert ended.err.startswith(
        "error: bucket 'gone': ListObjectsV2 below 'Raw/Local/CSV/' was answered with NoSuchBucket"
    )
    assert "hint: check --bucket and --endpoint-url" in ended.err
    assert (ended.code, ended.out) == (5, "")


def test_credentials_that_are_not_there_are_refused(asyncload, volume, lake, monkeypatch):
    """The message says how to set them; exit code 5."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options, requests = lake
    ended = asyncload("run", volume, *options)
    assert ended.err.startswith("error: no usable AWS credentials")
    assert "AWS_ACCESS_KEY_ID" in ended.err
    assert ended.code == 5
    assert requests == []


def test_a_wrong_region_names_the_right_one(asyncload, volume, lake):
    """Exit code 5, and the flag to use."""
    answer = error(301, "PermanentRedirect", **{"x-amz-bucket-region": "sa-east-1"})
    options, _ = lake
    with scripted_s3(lambda request: answer) as (url, _):
        ended = asyncload("run", volume, *options, "--endpoint-url", url)
    assert "hint: use --region sa-east-1" in ended.err
    assert ended.code == 5


def test_an_endpoint_that_can_not_be_reached_is_unavailable(asyncload, volume, lake, monkeypatch):
    """Exit code 6."""
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    options, _ = lake
    ended = asyncload("run", volume, *options, "--endpoint-url", "http://127.0.0.1:9")
    assert ended.err.startswith("error: no answer from http://127.0.0.1:9 to ListObjectsV2 ")
    assert ended.code == 6


def test_a_run_that_breaks_off_says_how_far_it_came(asyncload, volume, lake):
    """Denied midway: what landed is counted, the rest is `not reached`."""
    write_files(volume, {f"{n:03}.csv": b"1" for n in range(100)})
    options, _ = lake
    puts = []

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "HEAD":
            return put_accepted(request)
        puts.append(request)
        # A denied put of the fast lane is asked again through the client.
        return put_accepted(request) if len(puts) <= 5 else error(403, "AccessDenied")

    with scripted_s3(answer) as (url, _):
        ended = asyncload("run", volume, *options, "--endpoint-url", url, "--concurrency", "1")
    assert ended.out.startswith(
        "5 of 100 files are in the raw zone: 5 uploaded, 95 not reached, verified by CRC64NVME "
        "(5 B sent in _ s)"
    )
    assert "error: bucket 'lake': PutObject of 'Raw/" in ended.err
    assert "was answered with AccessDenied" in ended.err
    assert ended.code == 5


def test_a_dry_run_of_a_volume_that_is_not_there_is_a_usage_error(asyncload, volume, lake):
    """As a run's is."""
    options, _ = lake
    ended = asyncload("run", volume / "nowhere", *options, "--dry-run")
    assert (ended.code, ended.out) == (2, "")
    assert "nowhere does not exist" in ended.err


def test_a_dry_run_reports_what_would_fail(asyncload, volume, lake):
    """Known before anything is sent: exit code 3."""
    write_files(volume, {"a.csv": b"1", "b\n.csv": b"1", ".h.csv": b""})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--dry-run", "--quiet")
    assert ended.out == ""
    assert ended.err.startswith("failed: b\\n.csv\n  the object key would contain")
    assert ended.code == 3


def test_a_dry_run_in_json(asyncload, volume, lake):
    """A record for each entry, and a summary."""
    write_files(volume, {"a.csv": b"1", "b\n.csv": b"1", ".h.csv": b""})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--dry-run", "--json")
    *records, summary = check_lines(ended.out)
    assert (summary["dry_run"], summary["planned"], summary["exit_code"]) == (True, 1, 3)
    assert (summary["failed"], summary["not_reached"]) == (1, 0)
    assert [(r["path"], r.get("status") or r["reason"]) for r in records] == [
        (".h.csv", "hidden"),
        ("b\n.csv", "failed"),
        ("a.csv", "planned"),
    ]


def test_the_options_shape_the_keys(asyncload, volume, lake):
    """Layer, origin, format, dataset, layout and date."""
    write_files(volume, {"films_a.csv": b"1"})
    options, _ = lake
    ended = asyncload(
        *("run", volume, *options, "--dry-run", "--files", "--layer", "Bronze", "--origin", "Imdb"),
        *("--format", "Csv", "--dataset", "films_*=Movies", "--layout", "hive"),
    )
    key = "Bronze/Imdb/Csv/Movies/year=2022/month=05/day=02/films_a.csv"
    assert f"-> s3://lake/{key}\n" in ended.out


def test_include_and_exclude_choose_files(asyncload, volume, lake):
    """What is excluded is counted."""
    write_files(volume, {"a/1.csv": b"", "a/2.csv": b"", "b/1.csv": b"", "b/old/1.csv": b""})
    options, _ = lake
    chosen = ("--include", "1.csv", "--exclude", "b/**")
    ended = asyncload("run", volume, *options, "--dry-run", "--files", *chosen)
    assert "would upload 1 of 1 file, 0 B\nexcluded: 2 by pattern\n" in ended.out
    assert "would upload a/1.csv" in ended.out


def test_every_option_has_an_environment_variable(asyncload, volume, lake, monkeypatch):
    """A container is configured without a command line."""
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})
    options, _ = lake
    for name, value in {
        "VOLUME": volume,
        "BUCKET": "pond",
        "DATE": "2021-12-31",
        "TIMEZONE": "America/Sao_Paulo",
        "LAYER": "L",
        "ORIGIN": "O",
        "FORMAT": "F",
        "DATASET": "a.csv=A1 b.csv=B1",
        "LAYOUT": "hive",
        "INCLUDE": "a.csv b.csv",
        "EXCLUDE": "b.csv",
        "DRY_RUN": "1",
        "CONCURRENCY": "7",
        "MEMORY": "64MiB",
        "ENDPOINT_URL": options[3],
        "REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(f"ASYNCLOAD_{name}", str(value))
    ended = asyncload("run")
    assert ended.out == (
        "A1: 1 file, 1 B: 1 to upload -> s3://pond/L/O/F/A1/year=2021/month=12/day=31/\n"
        "would upload 1 of 1 file, 1 B\nexcluded: 1 by pattern\n"
        "requests of the run: about 5 (2 PUT, 1 LIST, 2 GET and HEAD)\n"
    )


def test_region_and_user_agent_reach_the_store(asyncload, volume, lake):
    """`--region` is what requests are signed for."""
    write_files(volume, {"a.csv": b"1"})
    options, requests = lake
    asyncload("run", volume, *options, "--region", "eu-west-1")
    assert all("/eu-west-1/s3/aws4_request" in r.headers["authorization"] for r in requests)


def test_today_is_the_default_date(asyncload, volume, lake):
    """In UTC unless a time zone is set."""
    write_files(volume, {"a.csv": b"1"})
    options, _ = lake
    before = datetime.now(UTC)
    ended = asyncload("run", volume, *options[:-2], "--dry-run", "--files")
    days = {before.strftime("%Y/%m/%d"), datetime.now(UTC).strftime("%Y/%m/%d")}
    assert any(f"/A/{day}/a.csv" in ended.out for day in days)


def test_on_a_terminal_progress_is_drawn(asyncload, volume, lake, monkeypatch):
    """And gone once the run is over: the summary stays."""
    write_files(volume, {"a.csv": b"1"})
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    options, _ = lake
    ended = asyncload("run", volume, *options)
    assert ended.code == 0
    assert "found 1 CSV" not in ended.err.splitlines()
    assert ended.out.startswith("1 of 1 file is")


def test_a_bucket_that_no_request_can_name_is_refused(asyncload, volume, lake):
    """botocore's words, exit code 5."""
    options, requests = lake
    ended = asyncload("run", volume, *options, "--bucket", "arn:aws:s3:::lake")
    assert "can't be sent: Parameter validation failed" in ended.err
    assert (ended.code, requests) == (5, [])


def test_no_secret_is_ever_printed(asyncload, volume, lake):
    """Canaries in key, secret and token; all output of a failing run is searched."""
    write_files(volume, {"bad.csv": b"1"})
    options, _ = lake
    ended = asyncload("run", volume, *options, "--json")
    assert "canary" not in (ended.out + ended.err).lower()


def test_an_internal_error_is_a_message_not_a_traceback(asyncload, volume, lake, monkeypatch):
    """Exit code 1, and how to get the traceback for a report."""
    from asyncload.cli import run

    def breaks(*arguments, **options):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(run, "load", breaks)
    options, _ = lake
    ended = asyncload("run", volume, *options)
    assert ended.err == (
        "error: internal error: ZeroDivisionError: oops\n"
        "  hint: please report it, with the traceback that ASYNCLOAD_TRACEBACK=1 prints\n"
    )
    assert ended.code == 1
    monkeypatch.setenv("ASYNCLOAD_TRACEBACK", "1")
    traced = asyncload("run", volume, *options)
    assert traced.err.startswith("Traceback (most recent call last):\n")
    assert traced.err.endswith(ended.err)
    assert traced.code == 1


def test_a_reader_that_goes_away_makes_no_traceback(spawn, volume, lake):
    """`asyncload run --json | head -1` is ordinary use."""
    write_files(volume, {f"{n:04}.csv": b"1" for n in range(3000)})
    options, _ = lake
    process = spawn("run", volume, *options, "--dry-run", "--json")
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    # A report that is cut short is not a success.
    assert process.wait(60) in (3, 143)
    assert "Traceback" not in err
    assert "Exception" not in err


def test_version_and_help_are_quick_to_ask(asyncload):
    """Both end well, and help names every exit code."""
    from asyncload.model.version import VERSION

    assert asyncload("--version").out == f"asyncload {VERSION}\n"
    helped = asyncload("run", "--help")
    assert helped.code == 0
    assert "130/143/152 interrupted" in helped.out


def test_python_dash_m_works(volume):
    """`python -m asyncload` is the same program."""
    done = subprocess.run(
        [sys.executable, "-m", "asyncload", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("asyncload ")


def test_several_volumes_are_loaded_in_processes(volume, tmp_path, asyncload, lake):
    """Each file once; the summary has a line for each volume, and records say its path."""
    target, requests = lake
    write_files(volume, {f"a/{n}.csv": b"1" for n in range(9)})
    write_files(tmp_path / "more", {f"b/{n}.csv": b"2" for n in range(9)})
    ended = asyncload("run", volume, tmp_path / "more", *target, "--processes", 2, "--no-manifest")
    assert ended.code == 0
    assert f"  from {tmp_path / 'more'}: 9 files, 9 B: 9 uploaded" in ended.out.splitlines()
    put = [r.path.rpartition("/CSV/")[2] for r in requests if r.method == "PUT"]
    assert sorted(put) == [f"{name}/2022/05/02/{n}.csv" for name in "AB" for n in range(9)]
