"""`asyncload doctor`: whole outputs, as text and as records, and nothing left in the bucket."""

from __future__ import annotations

import re
import resource
from dataclasses import FrozenInstanceError

import pytest

import asyncload as library
from tests.support.loads import write_files
from tests.support.rights import without_rights
from tests.support.vocabulary import check_lines

MACHINE = {
    r"http://127\.0\.0\.1:\d+": "URL",
    r"port \d+": "port N",
    r"(no limit|a limit of [\d,]+), which": "a limit, which",
    r"(?m)(64 MiB for file data).*$": r"\1",
    r"[\d.,]+ ms": "N ms",
    r"allow [\d,]+ requests": "allow N requests",
    r"volume: \S+:": "volume: V:",
    r"credentials: \S+ from": "credentials: K from",
}


def plain(out):
    """The output without this machine's figures, and what differs from one run to the next."""
    for pattern, text in MACHINE.items():
        out = re.sub(pattern, text, out)
    return out


@pytest.fixture
def prefix(layer):
    """A prefix for manifests of the test's own."""
    return f"_asyncload-{layer}"


@pytest.fixture
def options(s3, layer, prefix, volume):
    """The options of a run that would work."""
    write_files(volume, {"movies.csv": b"1\n", "d/notes.txt": b"2\n"})
    return [
        *(volume, "--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer),
        *("--manifest-prefix", prefix, "--concurrency", "8", "--memory", "64MiB"),
    ]


TEXT = """\
ok       volume: V: 1 CSV, 2 B
ok       open files: a limit, which is enough for 8 requests at once
ok       memory: 64 MiB for file data
ok       endpoint: URL
ok       dns: 127.0.0.1 has the address 127.0.0.1
ok       connection: 127.0.0.1 accepts connections on port N
skipped  tls: the endpoint is plain HTTP
ok       credentials: K from the environment variables
ok       clock: agrees with the store's
ok       region: us-east-1
ok       bucket: lake answers
ok       list: permitted below LAYER/Local/CSV/
ok       put: permitted below _asyncload-LAYER/
ok       head: permitted
ok       create multipart: permitted
ok       upload part: permitted
ok       list parts: permitted
ok       complete multipart: permitted
ok       list uploads: permitted below LAYER/Local/CSV/
ok       data prefix: an upload can be created below LAYER/Local/CSV/
ok       abort multipart: permitted
ok       checksums: CHECKSUMS
ok       create only: PutObject and CompleteMultipartUpload keep existing objects
ok       latency: N ms for a small request (median of 7)
ok       concurrency: up to 8 concurrent requests; the latency would allow N requests a second
ok       delete: permitted; nothing was left behind
a run would work: 25 ok, 0 warnings
"""
CHECKSUMS = {
    "moto": "the store accepts a body that does not match its CRC64NVME; uploads are verified by "
    "the MD5 in ETags",
    "seaweedfs": "a body that does not match its CRC64NVME is refused",
}


def test_a_run_that_would_work(asyncload, s3, options, layer, prefix):
    """Each check has a line; afterwards the bucket is as before."""
    before = {*s3.objects("")}
    ended = asyncload("doctor", *options)
    expected = TEXT.replace("LAYER", layer).replace("CHECKSUMS", CHECKSUMS[s3.name])
    assert plain(ended.out) == expected
    assert (ended.code, ended.err) == (0, "")
    assert {*s3.objects("")} == before
    assert [*s3.open_uploads(layer), *s3.open_uploads(prefix)] == []


def test_programs_get_records(asyncload, s3, options):
    """One for each check, and a summary."""
    *checks, summary = check_lines(asyncload("doctor", *options, "--json").out)
    lines = [line.split(":")[0].split(maxsplit=1) for line in TEXT.splitlines()[:-1]]
    expected = [(mark, name.replace(" ", "_")) for mark, name in lines]
    assert [(check["status"], check["name"]) for check in checks] == expected
    values = {check["name"]: check["values"] for check in checks}
    assert values["volume"] == {"files": 1, "bytes": 2, "complete": True}
    assert values["endpoint"] == {"url": s3.endpoint_url, "region": "us-east-1", "proxy": None}
    assert values["concurrency"]["maximum"] == values["open_files"]["requests"] == 8
    assert values["create_only"] == {"put": True, "complete": True}
    assert summary["checks"] == {"ok": 25, "warning": 0, "failed": 0, "skipped": 1}
    assert (summary["exit_code"], summary["left_behind"]) == (0, [])


@pytest.mark.moto
def test_options_for_objects_are_checked_if_they_are_given(asyncload, moto, monkeypatch, volume):
    """Encryption, tags, metadata and storage class, of puts and of uploads in parts."""
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    write_files(volume, {"movies.csv": b"1\n"})
    where = [volume, "--bucket", moto.bucket, "--endpoint-url", moto.endpoint_url]
    given = [
        "--sse",
        "AES256",
        "--tag",
        "a=b",
        "--metadata",
        "c=d",
        "--storage-class",
        "GLACIER_IR",
    ]
    ended = asyncload("doctor", *where, *given, "--overwrite")
    assert ended.code == 0
    for line in (
        "encryption: the store confirms AES256",
        "tags: the store keeps --tag, of a put and of an upload in parts",
        "metadata: the store keeps --metadata, of a put and of an upload in parts",
        "storage class: the store keeps --storage-class, of a put and of an upload in parts",
    ):
        assert f"\nok       {line}\n" in ended.out
    # With --overwrite no object has to be kept.
    assert "create only" not in ended.out


@pytest.mark.moto
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_quiet_prints_what_needs_attention(asyncload, options, monkeypatch):
    """Nothing if all is well; else warnings and failures with their fix."""
    assert asyncload("doctor", *options, "--quiet") == asyncload("doctor", *options, "-q")
    assert asyncload("doctor", *options, "--quiet").out == ""
    limits = resource.getrlimit
    with monkeypatch.context() as patch:
        low = {resource.RLIMIT_NOFILE: (200, 200)}
        patch.setattr(resource, "getrlimit", lambda kind: low.get(kind) or limits(kind))
        ended = asyncload("doctor", *options[:-4], "--quiet")
    assert ended.out == (
        "warning  open files: a limit of 200, which allows only 90 requests at once\n"
        "  fix: raise the hard limit (`ulimit -Hn`, LimitNOFILE of a service, --ulimit nofile of a "
        "container): 1556 is enough for 768\n"
    )
    assert ended.code == 0
    ended = asyncload("doctor", *options, "--quiet", "--bucket", "absent-lake")
    assert "failed   bucket: " in ended.out
    assert (ended.code, ended.err) == (5, "a run would fail: 1 check failed, 0 warnings\n")


@pytest.mark.moto
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_the_program_raises_a_low_limit_on_open_files(asyncload, options):
    """The soft one, which a shell sets to 1024, or to 256 on macOS."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        ended = asyncload("doctor", *options)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    raised = 2068 if hard == resource.RLIM_INFINITY else min(2068, hard)
    assert f"\nok       open files: a limit of {raised:,}, which is enough for " in ended.out


@pytest.mark.moto
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
@pytest.mark.parametrize(
    ("files", "more", "mark", "reason"),
    [
        ({}, [], "failed", "no CSV"),
        ({}, ["--allow-empty"], "ok", "0 CSVs"),
        (None, [], "failed", "does not exist"),
        ({"d/a.csv": b"1", "D/a.csv": b"2"}, [], "failed", "map to"),
        ({"a.csv": b"1"}, ["--exclude", "b.csv"], "warning", "matched no file"),
        ({"a.csv": b"1"}, ["--then", "move /nowhere"], "failed", "/nowhere"),
    ],
)
def test_the_volume_is_scanned_as_by_a_run(asyncload, options, volume, files, more, mark, reason):
    """What would end a run before its first upload is a failed check; the store is checked too."""
    for file in sorted(volume.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    write_files(volume, files or {})
    if files is None:
        volume.rmdir()
    ended = asyncload("doctor", *options, *more, "--json")
    first, *others, _ = check_lines(ended.out)
    assert (first["name"], first["status"]) == ("volume", mark)
    assert reason in first["reason"]
    assert {other["status"] for other in others} == {"ok", "skipped"}
    assert ended.code == (5 if mark == "failed" else 0)


@pytest.mark.moto
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
@pytest.mark.parametrize("closed", ["closed.csv", "closed"])
def test_what_may_not_be_read_fails_the_volume(asyncload, options, volume, monkeypatch, closed):
    """As it would fail the run: it is counted, and the first is named."""
    # The folders above it may be closed to others. All modules are imported by the first diagnosis.
    monkeypatch.chdir(volume)
    assert asyncload("doctor", ".", *options[1:]).code == 0
    write_files(volume, {"closed.csv": b"1", "closed/a.csv": b"2"})
    (volume / closed).chmod(0)
    try:
        with without_rights():
            ended = asyncload("doctor", ".", *options[1:], "--json")
    finally:
        (volume / closed).chmod(0o700)
    first, *_ = check_lines(ended.out)
    assert (ended.code, first["name"], first["status"]) == (5, "volume", "failed")
    assert f"; 1 can't be loaded, the first: {closed}" in first["reason"]
    assert "read permission" in first["fix"]


@pytest.mark.moto
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_of_a_large_volume_only_a_part_is_scanned(asyncload, options, volume, monkeypatch):
    """What was found so far is shown, with the number of entries."""
    monkeypatch.setattr("asyncload.operations.doctor.machine.MAX_ENTRIES", 2)
    monkeypatch.setattr("asyncload.operations.doctor.machine.SLICE", 1)
    write_files(volume, {f"e/{n}.csv": b"1\n" for n in range(3)})
    first, *_ = check_lines(asyncload("doctor", *options, "--json").out)
    assert (first["status"], first["values"]["complete"]) == ("ok", False)
    assert "among the first 2 entries" in first["reason"]


def test_wrong_options_are_usage_errors(asyncload, volume):
    """With the option that is wrong, and no check."""
    ended = asyncload("doctor", volume, "--bucket", "lake", "--date", "someday", "--json")
    (summary,) = check_lines(ended.out)
    assert ended.code == summary["exit_code"] == 2
    assert summary["checks"] == {"ok": 0, "warning": 0, "failed": 0, "skipped": 0}
    assert "--date" in ended.err


@pytest.mark.moto
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
async def test_the_library_has_the_same(s3, volume, prefix):
    """As a coroutine with a frozen result, and an observer that gets each check."""
    settings = library.Settings(
        volume=volume, bucket=s3.bucket, endpoint_url=s3.endpoint_url, manifest_prefix=prefix
    )
    seen = []
    result = await library.diagnose(settings, observer=seen.append)
    assert (result.ready, result.exit_code, result.left_behind) == (False, 5, ())
    assert tuple(seen) == result.checks
    assert [check.name for check in result.checks if check.mark == "failed"] == ["volume"]
    with pytest.raises(FrozenInstanceError):
        result.checks[0].mark = "ok"
    with pytest.raises(library.UsageError, match=r"^diagnose\(\) takes Settings, not dict$"):
        await library.diagnose({})


@pytest.mark.moto
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
async def test_a_diagnosis_that_ends_early_leaves_nothing(s3, volume, layer, prefix):
    """If the observer fails in the middle, test objects are removed."""
    settings = library.Settings(
        volume=volume,
        bucket=s3.bucket,
        endpoint_url=s3.endpoint_url,
        manifest_prefix=prefix,
        layer=layer,
    )

    def fail_late(event):
        if event.name == "data_prefix":
            assert [*s3.objects(prefix)]
            assert s3.open_uploads(layer)
            raise RuntimeError("enough")

    with pytest.raises(library.ObserverFailed, match="enough"):
        await library.diagnose(settings, observer=fail_late)
    assert s3.objects(prefix) == {}
    assert [*s3.open_uploads(layer), *s3.open_uploads(prefix)] == []
