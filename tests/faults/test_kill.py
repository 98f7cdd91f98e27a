"""P4 and P5 of the catalogue: a loop of kills, each at a point that a seed names."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from contextlib import ExitStack, suppress

import pytest

from tests.faults.lake import Lake
from tests.faults.proxy import Fault, Oracle, draw, no_fault
from tests.support.archives import zip_of
from tests.support.loads import write_files
from tests.support.vocabulary import check_lines

MIB = 1024 * 1024
SMALL = 12
# A load of the small files and the three parts of the large one makes this many requests at least.
REQUESTS = SMALL + 8
# So many find out, before the first of them, what the store is worth.
PROBING = 8
MOMENTS = ("before", "after", "reply")


class Killer:
    """Kills a process when its n-th request arrives, was done, or is being answered.

    Of the load's, or, with `probing`, of those that probe the store.
    """

    def __init__(self, number, moment, *, probing=False):
        self.number = number
        self.probing = probing
        self.moment = moment
        self.process = None
        self.killed = False
        self._seen = 0

    def __call__(self, call):
        self._seen += is_probing(call) == self.probing
        if self._seen != self.number or self.killed or is_probing(call) != self.probing:
            return None
        if self.moment == "before":
            return Fault(before=self._kill, cut_request=0)
        if self.moment == "after":
            return Fault(after=self._kill, cut_reply=0)
        return Fault(after=self._kill)

    def _kill(self):
        self.killed = True
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


def is_probing(call):
    return "/probe/" in call.key or call.key.endswith("/store.json")


def kill_and_run_again(lake, spawn, seed):
    """Kill a load at the seed's point, then load to the end; return what uploads the kill left.

    What was recorded is resumed, part by part; an upload of which the kill was faster than its
    record is left to its lease.
    """
    probing = kills_probing(seed)
    number = 1 + int(draw("kill", seed) * (PROBING if probing else REQUESTS))
    killer = Killer(number, MOMENTS[seed % len(MOMENTS)], probing=probing)
    proxy = lake.proxy(killer)
    prefix = f"_asyncload-{lake.layer}"
    manifests = ["--manifest", "--manifest-prefix", prefix]
    arguments = lake.arguments(proxy.url, "--concurrency", 4, *manifests)
    killer.process = spawn(*arguments)
    killer.process.communicate(timeout=100)
    assert killer.killed, (seed, number, killer.moment)
    left_open = lake.server.open_uploads(f"{lake.layer}/")
    recorded = len(lake.server.objects(f"{prefix}/uploads/"))
    there = bytes_of_parts(lake) if recorded else 0
    files = {path.name: path.read_bytes() for path in lake.volume.rglob("*.csv")}
    left = {key.rsplit("/", 1)[-1]: b for key, b in lake.server.objects(f"{lake.layer}/").items()}
    assert left.items() <= files.items(), "an object is no whole file"
    proxy.decide = lambda call: None
    again = lake.program(*arguments)
    assert again.code == 0, again.err
    objects = lake.server.objects(f"{lake.layer}/")
    assert len(objects) == len(files)
    assert {key.rsplit("/", 1)[-1]: body for key, body in objects.items()} == files
    assert proxy.oracle.violations == []
    *_, summary = records = check_lines(again.out)
    statuses = Counter(record["status"] for record in records if record["type"] == "file")
    assert statuses["unchanged"] >= len(left)
    assert statuses["failed"] == 0
    # What the kill found on its way may have arrived since.
    assert summary["bytes_kept"] >= there
    # Of one that was not recorded by then, upload or record may still have been on the way.
    assert len(lake.server.open_uploads(f"{lake.layer}/")) <= (not recorded)
    return left_open


def kills_probing(seed):
    """Whether a seed's kill meets the store being probed: one in eight does."""
    return draw("probing", seed) < 1 / 8


def bytes_of_parts(lake):
    """Count the bytes that the open uploads hold."""
    client, bucket = lake.server.client(), lake.server.bucket
    uploads = client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
    return sum(
        part["Size"]
        for upload in uploads
        if upload["Key"].startswith(f"{lake.layer}/")
        for part in client.list_parts(
            Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
        ).get("Parts", ())
    )


@pytest.fixture
def killing(asyncload, volume, layer, seaweedfs, spawn, monkeypatch, large_body):
    """Run a seed of the loop, below a key segment of its own."""
    write_files(volume, {f"s/{n:02}.csv": b"id|name\n%d|x\n" % n for n in range(SMALL)})
    write_files(volume, {"l.csv": large_body})

    def run(seed):
        with ExitStack() as stack:
            lake = Lake(asyncload, volume, f"{layer}-{seed}", seaweedfs, monkeypatch, stack)
            return kill_and_run_again(lake, spawn, seed)

    return run


@pytest.mark.fault("P4", "P5")
@pytest.mark.parametrize("first", range(0, 20, 5))
def test_a_kill_at_any_request_leaves_no_part_of_a_file_and_loses_none(killing, first):
    """SIGKILL, as the kernel's killer of processes sends it: the next run lands the rest."""
    for seed in range(first, first + 5):
        killing(seed)


@pytest.mark.fault("P4", "P5")
def test_the_loop_kills_while_an_upload_is_open(killing):
    """What the killed run had begun, the next one resumed or aborted: there was something to do."""
    # A kill while parts are under way, for each moment.
    numbers = {seed: 1 + int(draw("kill", seed) * REQUESTS) for seed in range(60)}
    seeds = [seed for seed, number in numbers.items() if SMALL < number < 19]
    seeds = [seed for seed in seeds if not kills_probing(seed)][:3]
    assert [len(killing(seed)) for seed in seeds] == [1, 1, 1]


@pytest.mark.fault("J8")
def test_a_load_killed_within_a_member_sends_what_is_missing(lake, volume, spawn):
    """Killed at the eighth of ten parts: the member is inflated again, and not sent again."""
    content = random.Random(1).randbytes(40 * MIB).hex().encode()
    write_files(volume, {"a.zip": zip_of({"a.csv": content})})
    oracle = Oracle()
    oracle.register_version("a.csv", content)

    parts = 0

    def kill_at_the_eighth(call):
        nonlocal parts
        parts += call.operation == "UploadPart" and not is_probing(call)
        return Fault(before=process.kill, cut_request=0) if parts >= 8 else None

    proxy = lake.proxy(kill_at_the_eighth, oracle=oracle)
    arguments = lake.arguments(proxy.url, "--archives", "--concurrency", 1)
    arguments += ["--manifest", "--manifest-prefix", f"_asyncload-{lake.layer}"]
    process = spawn(*arguments)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    proxy.decide = no_fault
    out, err = spawn(*arguments).communicate(timeout=60)
    *_, summary = [json.loads(line) for line in out.splitlines()]
    assert (summary["uploaded"], summary["exit_code"]) == (1, 0), err
    assert summary["bytes_kept"] == 7 * 8 * MIB
    assert summary["bytes_sent"] == len(content) - 7 * 8 * MIB <= 0.35 * len(content)
    assert list(lake.server.objects(f"{lake.layer}/").values()) == [content]


@pytest.mark.fault("P4", "P5")
@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, 1_000, 100))
def test_a_thousand_kills(killing, first):
    """The figures of a release."""
    for seed in range(first, first + 100):
        killing(seed)
