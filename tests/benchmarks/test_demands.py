"""What a run demands, counted: requests and bytes at the null server, offloads to reader threads.

These are the causes of how fast it is, and unlike seconds they are the same on every machine. The
bounds are those that `benchmarks/workloads.py` has for the large runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import asyncload
from asyncload.planning.plan import MIB
from asyncload.source.offload import Offload
from benchmarks.servers import Conditions, null_server
from benchmarks.zones import history_of
from tests.support.loads import NOW, write_files
from tests.support.processes import uncovered

FILES = 160
# The preflight's listing, the probe of a store that is not AWS, and a page or two.
FEW = 6
HISTORY_DAYS = 400
# So many small files are read in one offloaded call.
BATCH = 16


@dataclass
class Demands:
    """What a run asked for."""

    calls: dict[str, int]
    requests: int
    body_bytes: int
    offloads: int


@pytest.fixture(params=[True, False], ids=["lane", "no-lane"])
def fast_lane(request):
    """With the fast lane, and without."""
    return request.param


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Start a null server of such conditions, and point the AWS chain at it."""
    running = []

    def start(**conditions):
        folder = tmp_path / f"server-{len(running)}"
        folder.mkdir()
        server = null_server(folder, Conditions(**conditions))
        running.append(server)
        with uncovered():
            store = server.__enter__()
        for name, value in {**store.credentials, "AWS_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        return store

    yield start
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def load(volume, fast_lane, monkeypatch):
    """Load the volume into a server with default settings, and return what that demanded."""
    offloads = []
    offload = Offload.run

    async def counted(self, *arguments, **options):
        offloads.append(arguments)
        return await offload(self, *arguments, **options)

    monkeypatch.setattr(Offload, "run", counted)

    async def run(store, status="uploaded"):
        store.reset(counts_only=True)
        offloads.clear()
        settings = asyncload.Settings(
            volume=volume,
            bucket="lake",
            endpoint_url=store.url,
            manifest=False,
            fast_lane=fast_lane,
        )
        report = await asyncload.load(settings, now=NOW)
        assert set(report.counts) == {status}
        stats = store.stats()
        return Demands(stats["calls"], stats["requests"], stats["body_bytes"], len(offloads))

    return run


def flat(number):
    return {f"export-{n:04}.csv": f"{n}\n".encode() * 100 for n in range(number)}


def in_folders(number, per_folder=100):
    return {
        f"shop-{n // per_folder:02}/day-{n:04}.csv": f"{n}\n".encode() * 100 for n in range(number)
    }


SHAPES = pytest.mark.parametrize("shape", [flat, in_folders])


@SHAPES
async def test_into_an_empty_zone_a_file_is_one_request(serve, load, volume, shape):
    """Also where each file has a partition of its own."""
    write_files(volume, shape(FILES))
    demands = await load(serve())
    assert demands.calls["PutObject"] == FILES
    assert demands.requests <= FILES * 1.01 + FEW


@SHAPES
async def test_small_files_share_their_hops_to_a_reader_thread(serve, load, volume, shape):
    """One offloaded call for a batch, and a few for the scan."""
    write_files(volume, shape(FILES))
    assert (await load(serve())).offloads <= FILES / BATCH + 4


async def test_in_folders_the_history_of_the_days_before_costs_nothing(serve, load, volume):
    """160,000 objects of other days: none of them is listed."""
    write_files(volume, in_folders(FILES))
    demands = await load(serve(history=history_of(volume, "lake", HISTORY_DAYS)))
    assert demands.requests <= FILES * 1.01 + FEW


async def test_at_the_top_the_history_costs_at_most_a_look_at_each_key(serve, load, volume):
    """Pages full of other days are of no use: at most one request for each key."""
    write_files(volume, flat(FILES))
    demands = await load(serve(history=history_of(volume, "lake", HISTORY_DAYS)))
    assert demands.calls["PutObject"] == FILES
    assert demands.requests <= 2 * FILES * 1.01 + FEW


@SHAPES
async def test_again_unchanged_no_body_byte_is_sent_and_no_key_asked_for(
    serve, load, volume, shape
):
    """The store's ETags are the MD5 of what was put, as S3's: pages of its listing are enough."""
    write_files(volume, shape(FILES))
    store = serve(md5=True)
    await load(store)
    demands = await load(store, status="unchanged")
    assert demands.body_bytes == 0
    assert demands.requests <= FILES * 0.01 + FEW
    assert set(demands.calls) == {"ListObjectsV2"}


@SHAPES
async def test_a_second_run_asks_for_each_key_once_if_etags_prove_nothing(
    serve, load, volume, shape
):
    """As with objects that are encrypted by a key of one's own."""
    write_files(volume, shape(FILES))
    store = serve()
    await load(store)
    demands = await load(store, status="unchanged")
    assert demands.body_bytes == 0
    assert demands.calls["HeadObject"] == FILES
    assert demands.requests <= FILES * 1.01 + FEW


async def test_a_large_file_is_its_parts_and_what_frames_them(serve, load, volume):
    """Create, Complete, a listing of open uploads, a look at the key; one call for each part."""
    (volume / "large.csv").write_bytes(bytes(64 * MIB))
    demands = await load(serve())
    assert demands.body_bytes == 64 * MIB
    parts = demands.calls["UploadPart"]
    assert parts <= 13
    assert demands.requests <= parts + 4 + FEW
    assert demands.offloads <= parts + 6
