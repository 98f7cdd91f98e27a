"""Real stores of four kinds: what each honours, a load, a second one, and a race for the key."""

from __future__ import annotations

import re

import pytest

import asyncload
from asyncload.errors import ObjectConflict
from asyncload.planning.plan import MIB
from tests.conftest import SERVERS
from tests.faults.proxy import Fault, no_fault, proxy_before
from tests.support.content import random_bytes
from tests.support.documents import section
from tests.support.honours import STORES, measure
from tests.support.loads import NOW, Recorder, write_files

ROWS = {
    "moto": "moto server",
    "seaweedfs": "SeaweedFS",
    "rclone": "`rclone serve s3`",
    "ceph": "Ceph",
}
DAY = "2022/05/02"


@pytest.fixture(
    params=[
        *SERVERS,
        pytest.param("rclone", marks=pytest.mark.rclone),
        pytest.param("ceph", marks=[pytest.mark.ceph, pytest.mark.nightly]),
    ]
)
def real_store(request, monkeypatch):
    """Each store in turn, with the environment set so that the AWS chain finds it."""
    server = request.getfixturevalue(request.param)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


def settings(server, url, layer, volume, **options):
    return asyncload.Settings(
        volume=volume, bucket=server.bucket, endpoint_url=url, layer=layer, **options
    )


def test_it_behaves_as_the_table_says(real_store):
    """Measured by boto3: create-only requests, wrong checksums, encryption, tags, the owner."""
    assert measure(real_store) == STORES[real_store.name]


def yes(value):
    return "yes" if value else "no"


def test_the_documents_table_is_what_was_measured():
    """A row for each store that tests run; its cells say what the measurement said."""
    text = section("S3-compatible stores")
    for name, shown in ROWS.items():
        row = re.search(rf"^\| {re.escape(shown)}[^|]*\|(.*)\|$", text, re.MULTILINE)
        assert row, f"the documents have no row for {shown}"
        cells = [cell.strip() for cell in row[1].split("|")]
        store = STORES[name]
        assert cells[:7] == [
            yes(store.create_only_put),
            yes(store.create_only_complete),
            yes(store.wrong_crc64nvme),
            yes(store.wrong_md5),
            yes(store.sse),
            yes(store.tags_put and store.tags_multipart),
            yes(store.owner),
        ], name


@pytest.mark.parametrize("fast_lane", [True, False], ids=["lane", "client"])
async def test_a_load_is_complete_and_a_second_one_sends_nothing(
    real_store, layer, volume, fast_lane
):
    """Small files, an empty one, names that URLs treat in their own way, and one in parts."""
    files = {f"d/{n}.csv": f"{n}\n".encode() for n in range(20)}
    files |= {"empty.csv": b"", "d/50 % é+#.csv": b"x", "large.csv": random_bytes(17 * MIB)}
    write_files(volume, files)
    recorder = Recorder()
    options = settings(real_store, real_store.endpoint_url, layer, volume, fast_lane=fast_lane)
    report = await asyncload.load(options, observer=recorder, now=NOW)
    assert (report.exit_code, report.counts) == (0, {"uploaded": len(files)})
    stored = real_store.objects(layer)
    assert sorted(stored.values()) == sorted(files.values())
    assert stored[f"{layer}/Local/CSV/D/{DAY}/50 % é+#.csv"] == b"x"
    with proxy_before(real_store.endpoint_url, no_fault) as proxy:
        again = settings(real_store, proxy.url, layer, volume, fast_lane=fast_lane, manifest=False)
        report = await asyncload.load(again, now=NOW)
    assert (report.exit_code, report.counts) == (0, {"unchanged": len(files)})
    assert sum(proxy.body_bytes.values()) == 0


@pytest.mark.parametrize("large", [False, True], ids=["put", "parts"])
async def test_an_object_that_another_writer_creates_first_is_kept(
    real_store, layer, volume, large
):
    """After the listing: if create-only is honoured up to the last moment, elsewhere up to the
    look at the key that comes right before."""
    path = "d/large.csv" if large else "d/a.csv"
    files = {f"d/{name}.csv": name.encode() for name in "abc"}
    write_files(volume, files | {"d/large.csv": random_bytes(17 * MIB)})
    key = f"{layer}/Local/CSV/D/{DAY}/{path.removeprefix('d/')}"
    honours = STORES[real_store.name]
    if large:
        last = "CompleteMultipartUpload" if honours.create_only_complete else "UploadPart"
    else:
        last = "PutObject" if honours.create_only_put else "HeadObject"
    landed = []

    def land():
        if not landed:
            landed.append(key)
            real_store.client().put_object(Bucket=real_store.bucket, Key=key, Body=b"theirs")

    def decide(call):
        return Fault(before=land) if (call.key, call.operation) == (key, last) else None

    with proxy_before(real_store.endpoint_url, decide) as proxy:
        recorder = Recorder()
        options = settings(real_store, proxy.url, layer, volume)
        report = await asyncload.load(options, observer=recorder, now=NOW)
    assert landed == [key]
    assert report.counts == {"uploaded": 3, "failed": 1}
    assert report.exit_code == 3
    assert isinstance(recorder.outcomes[path].error, ObjectConflict)
    assert real_store.objects(key) == {key: b"theirs"}
    assert real_store.open_uploads(layer) == []
