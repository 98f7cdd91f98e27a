"""A second run, counted at a proxy before the server: what is there is not sent again."""

from __future__ import annotations

import pytest

import asyncload
from asyncload.planning.plan import MIB
from tests.faults.proxy import Fault, no_fault, proxy_before
from tests.support.content import random_bytes
from tests.support.loads import NOW, Recorder, write_files


def settings(s3, url, layer, volume, **options):
    return asyncload.Settings(
        volume=volume, bucket=s3.bucket, endpoint_url=url, layer=layer, manifest=False, **options
    )


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_it_lists_and_sends_nothing(s3, layer, volume, fast_lane):
    """1,200 files in one partition: two pages of a listing, no look at any key, no body byte."""
    write_files(volume, {f"d/{n:04}.csv": f"{n}\n".encode() for n in range(1200)})
    await asyncload.load(settings(s3, s3.endpoint_url, layer, volume), now=NOW)
    with proxy_before(s3.endpoint_url, no_fault) as proxy:
        options = settings(s3, proxy.url, layer, volume, fast_lane=fast_lane)
        report = await asyncload.load(options, now=NOW)
        assert report.counts == {"unchanged": 1200}
        assert dict(proxy.passed) == {"ListObjectsV2": 3}
        assert sum(proxy.body_bytes.values()) == 0


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_files_at_the_top_cost_no_more_requests_than_in_folders(s3, layer, volume, fast_lane):
    """A put each into an empty zone, and a page for what is there, beside a history, too."""
    flat = {f"export_{n:03}.csv": f"{n}\n".encode() for n in range(200)}
    write_files(volume, flat)
    with proxy_before(s3.endpoint_url, no_fault) as proxy:
        options = settings(s3, proxy.url, layer, volume, fast_lane=fast_lane)
        assert (await asyncload.load(options, now=NOW)).exit_code == 0
        # One is the preflight's.
        assert dict(proxy.passed) == {"ListObjectsV2": 2, "PutObject": 200}
    with proxy_before(s3.endpoint_url, no_fault) as proxy:
        options = settings(s3, proxy.url, layer, volume, fast_lane=fast_lane)
        assert (await asyncload.load(options, now=NOW)).counts == {"unchanged": 200}
        assert dict(proxy.passed) == {"ListObjectsV2": 2}
        assert sum(proxy.body_bytes.values()) == 0
    client = s3.client()
    for name in list(flat)[:10]:
        for day in range(1, 31):
            dataset = f"E{name[1:-4]}"
            key = f"{layer}/Local/CSV/{dataset}/2022/04/{day:02}/{name}"
            client.put_object(Bucket=s3.bucket, Key=key, Body=b"1")
    with proxy_before(s3.endpoint_url, no_fault) as proxy:
        options = settings(s3, proxy.url, layer, volume, fast_lane=fast_lane)
        assert (await asyncload.load(options, now=NOW)).counts == {"unchanged": 200}
        assert proxy.passed["ListObjectsV2"] <= 4
        assert proxy.passed["HeadObject"] <= 200
        assert sum(proxy.body_bytes.values()) == 0


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_it_sends_only_new_and_replaced_files(s3, layer, volume, fast_lane):
    """One file of each kind, and a large one that is there."""
    write_files(volume, {f"d/{name}.csv": name.encode() for name in ("same", "other", "also")})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))
    await asyncload.load(settings(s3, s3.endpoint_url, layer, volume), now=NOW)
    write_files(volume, {"d/new.csv": b"12345", "d/other.csv": b"OTHER!"})
    with proxy_before(s3.endpoint_url, no_fault) as proxy:
        recorder = Recorder()
        options = settings(s3, proxy.url, layer, volume, fast_lane=fast_lane)
        report = await asyncload.load(options, observer=recorder, now=NOW)
        assert recorder.statuses == {
            "d/same.csv": "unchanged",
            "d/also.csv": "unchanged",
            "d/new.csv": "uploaded",
            "d/other.csv": "failed",
            "large.csv": "unchanged",
        }
        assert report.exit_code == 3
        assert proxy.body_bytes["PutObject"] == 5
        # Only the large one, alone in its partition; another listed size needs no request.
        assert proxy.passed["HeadObject"] == 1
        replacing = settings(s3, proxy.url, layer, volume, fast_lane=fast_lane, overwrite=True)
        report = await asyncload.load(replacing, now=NOW)
        assert (report.replaced, report.exit_code) == (1, 0)
        assert proxy.body_bytes["PutObject"] == 5 + 6
        assert proxy.body_bytes["UploadPart"] == 0


async def test_two_runs_at_once_write_each_object_once(s3, layer, volume):
    """Ten rounds, of small and large files: together one Put or Complete for each object."""
    import asyncio

    for number in range(10):
        for path in volume.rglob("*.csv"):
            path.unlink()
        write_files(volume, {f"d/{number}-{n}.csv": random_bytes(30) for n in range(10)})
        if s3.name != "moto":
            # To a part of an upload that the other run has completed, moto answers 500.
            (volume / f"l{number}.csv").write_bytes(random_bytes(17 * MIB))
        with proxy_before(s3.endpoint_url, lambda call: Fault(delay=0.002)) as proxy:
            options = settings(s3, proxy.url, layer, volume)
            async with asyncio.TaskGroup() as group:
                runs = [group.create_task(asyncload.load(options, now=NOW)) for _ in range(2)]
            assert [run.result().failures for run in runs] == [[], []]
            assert [run.result().exit_code for run in runs] == [0, 0]
    stored = s3.objects(layer)
    assert len(stored) == (100 if s3.name == "moto" else 110)
    assert s3.open_uploads(layer) == []
    for path in volume.rglob("*.csv"):
        assert path.read_bytes() in stored.values()
