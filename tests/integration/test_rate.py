"""`--limit-rate`: every byte of a body passes, slice by slice, by the fast lane and without it."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

import asyncload
from asyncload.planning.plan import MIB
from asyncload.s3.fast.connection import Connection
from asyncload.store.rates import RateLimit
from tests.integration.test_lane import accept_all
from tests.support.loads import NOW, write_files
from tests.support.scripted_s3 import error, scripted_s3
from tests.support.virtual_time import run_virtually

RATE = 16 * MIB


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def passed(monkeypatch):
    """What passed the limit of a run: (time, bytes)s."""
    passed = []

    class Recorded(RateLimit):
        async def take(self, size):
            assert size <= self.slice
            waited = await super().take(size)
            passed.append((asyncio.get_running_loop().time(), size))
            return waited

    monkeypatch.setattr("asyncload.operations.requests.RateLimit", Recorded)
    return passed


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_every_byte_of_every_body_passes_the_limit(volume, passed, fast_lane):
    """Retries too, and nothing else; it takes as long as that does at least."""
    files = {f"s/{n}.csv": bytes(100_000 + n) for n in range(20)}
    write_files(volume, files | {"large.csv": bytes(17 * MIB)})
    refused = set()

    def answer(request):
        if request.method == "PUT" and request.path.endswith("/3.csv") and not refused:
            refused.add(request.path)
            return error(500, "InternalError")
        return accept_all(request)

    begun = asyncio.get_running_loop().time()
    with scripted_s3(answer) as (url, requests):
        settings = asyncload.Settings(
            volume=volume,
            bucket="lake",
            endpoint_url=url,
            manifest=False,
            fast_lane=fast_lane,
            limit_rate=RATE,
            # The server lets no more wait to be accepted.
            concurrency=4,
        )
        report = await asyncload.load(settings, now=NOW)
    assert (report.counts, report.retries) == ({"uploaded": 21}, 1)
    bodies = [len(request.body) for request in requests if request.method == "PUT"]
    assert len(bodies) == 20 + 1 + 3
    assert sum(size for _, size in passed) == sum(bodies)
    assert passed[-1][0] - begun >= (sum(bodies) - RateLimit(RATE).burst) / RATE


class Transport(asyncio.Transport):
    """Notes when how much is written."""

    def __init__(self):
        super().__init__()
        self.written = []

    def write(self, data):
        self.written.append((asyncio.get_running_loop().time(), len(data)))

    def writelines(self, pieces):
        self.write(b"".join(pieces))

    def get_write_buffer_size(self):
        return 0

    def get_extra_info(self, name, default=None):
        return default

    def is_closing(self):
        return False

    def abort(self):
        """Without waiting turns."""


@pytest.mark.parametrize(("size", "writes"), [(16 * 1024, 1), (48 * 1024, 4), (8 * MIB, 33)])
def test_a_body_is_written_evenly(size, writes):
    """At 4 MiB a second a part of 8 MiB takes two: a quarter of a MiB every sixteenth of one."""
    rate = RateLimit(4 * MIB if size == 8 * MIB else 256 * 1024)
    transport = Transport()

    async def send():
        connection = Connection(rate)
        connection.connection_made(transport)
        await rate.begin(min(size, rate.slice))
        sending = asyncio.ensure_future(connection.send(b"", memoryview(bytes(size))))
        while sum(length for _, length in transport.written) < size:
            await asyncio.sleep(0.01)
        # Nothing more is to come.
        sending.cancel()
        await asyncio.wait({sending})

    run_virtually(send())
    assert len(transport.written) == writes
    sent = [(at, length) for at, length in transport.written if length]
    assert max(length for _, length in sent) <= rate.slice
    pauses = [after - before for (before, _), (after, _) in pairwise(sent)]
    # The burst goes at once.
    assert pauses[1:] == pytest.approx([1 / 16] * len(pauses[1:]), abs=1e-6)
