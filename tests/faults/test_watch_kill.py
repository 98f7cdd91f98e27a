"""A watched volume in bursts: files are written slowly, renamed, overwritten and deleted.

The watcher is killed in between. Each file says how long it is, so that a part of one can't be
taken for a whole.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter

import pytest

SETTLE = 1.0
PATIENCE = 240


def content(path, number):
    """A version of a file, which begins with its own length."""
    body = f"{path},{number}\n" * (1 + number % 50)
    return f"{len(body):08}\n{body}".encode()


def is_whole(data):
    head, _, body = data.partition(b"\n")
    return len(head) == 8 and int(head) == len(body)


class Writer(threading.Thread):
    """Drops files into a volume in bursts; `last` is the last version of each that it leaves there.

    Each burst waits for a word. `patient` says whether a file was ever unfinished for so long that
    it was quiet: on a machine that is too busy, half a file is a file.
    """

    def __init__(self, volume, files, bursts, *, deletes):
        super().__init__(daemon=True)
        self.bursts, self.word = bursts, threading.Semaphore(1)
        self.volume, self.files = volume, files
        self.random = random.Random(files)
        self.deletes = deletes
        self.last = {}
        self.written = set()
        self.patient = False

    def run(self):
        for number in range(self.files):
            if number % -(-self.files // self.bursts) == 0:
                self.word.acquire()
            path = f"d{number % 7}/{number}.csv"
            self.write(path, number)
            if self.random.random() < 0.3:
                earlier = self.random.choice(sorted(self.last))
                self.write(earlier, number + 1_000_000)
            if self.deletes and self.random.random() < 0.1:
                gone = self.random.choice(sorted(self.last))
                (self.volume / gone).unlink(missing_ok=True)
                del self.last[gone]

    def write(self, path, number):
        data, target = content(path, number), self.volume / path
        target.parent.mkdir(exist_ok=True)
        self.written.add(data)
        way = self.random.choice(["at once", "renamed", "slowly"])
        if way == "renamed":
            part = target.with_suffix(".csv.part")
            part.write_bytes(data)
            part.replace(target)
        elif way == "at once":
            begun = time.monotonic()
            target.write_bytes(data)
            self.patient |= time.monotonic() - begun > SETTLE / 2
        else:
            begun = time.monotonic()
            with target.open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                time.sleep(0.02)
                file.write(data[len(data) // 2 :])
            self.patient |= time.monotonic() - begun > SETTLE / 2
        self.last[path] = data


class Watches:
    """The program, started again and again; the records of all of its lives."""

    def __init__(self, spawn, folder, arguments):
        self.spawn, self.folder, self.arguments = spawn, folder, arguments
        self.lives = 0
        self.process = None

    def start(self):
        self.lives += 1
        out = (self.folder / f"out{self.lives}").open("w")
        err = (self.folder / f"err{self.lives}").open("w")
        with out, err:
            self.process = self.spawn("watch", *self.arguments, stdout=out, stderr=err)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def has_loaded(self):
        """Whether the present life has loaded something."""
        return (self.folder / f"out{self.lives}").stat().st_size > 0

    def outcomes(self):
        """The statuses by path and checksum, in all lives."""
        found = Counter()
        for life in range(1, self.lives + 1):
            for line in (self.folder / f"out{life}").read_text().splitlines():
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # The kill cut it.
                if record["type"] == "file" and record["status"] == "uploaded":
                    found[record["path"], record["checksums"]["CRC64NVME"]] += 1
        return found


def wait_for(condition, watches):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert watches.process.poll() is None, watches.lives
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


def check_watching_while_files_come(
    spawn, server, volume, tmp_path, layer, *, files, kills, options
):
    """Watch with kills while files come; then check what is in the bucket, and what is left."""
    bucket = ["--bucket", server.bucket, "--endpoint-url", server.endpoint_url, "--layer", layer]
    settings = ("--settle", f"{SETTLE:.0f}s", "--overwrite", "--no-manifest", "--json")
    watches = Watches(spawn, tmp_path, [volume, *bucket, *settings, *options])
    clears = "--then" in options
    writer = Writer(volume, files, kills + 1, deletes=not clears)
    watches.start()
    writer.start()
    for _ in range(kills):
        wait_for(watches.has_loaded, watches)
        writer.word.release()
        # The next burst may be on its way, settle or be sent by then.
        time.sleep(writer.random.random() * 2 * SETTLE)
        watches.kill()
        watches.start()
    writer.join()

    def stored():
        found = server.objects(f"{layer}/")
        return {f"{k.split('/')[3].lower()}/{k.split('/')[-1]}": v for k, v in found.items()}

    wait_for(lambda: writer.last.items() <= stored().items(), watches)
    assert watches.stop() == 0
    if not writer.patient:
        assert all(map(is_whole, stored().values()))
        assert set(stored().values()) <= writer.written
    assert set(watches.outcomes().values()) == {1}, "a version was sent twice"
    left = {f"{p.parent.name}/{p.name}": p.read_bytes() for p in volume.rglob("*.csv")}
    # Only files whose last version is in the bucket may be gone.
    assert left == ({} if clears else writer.last)


WAYS = pytest.mark.parametrize(
    "options", [[], ["--poll"], ["--then", "delete"]], ids=["events", "poll", "delete"]
)


@pytest.fixture
def server(seaweedfs, monkeypatch):
    """A SeaweedFS, with the environment set so that the AWS chain finds it."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    return seaweedfs


@pytest.mark.fault("P4", "I30")
@pytest.mark.timeout(400)
@WAYS
def test_each_quiet_version_is_loaded_once(spawn, server, volume, tmp_path, layer, options):
    """Whole, through two kills; nothing is deleted that was not verified."""
    check_watching_while_files_come(
        spawn, server, volume, tmp_path, layer, files=100, kills=2, options=options
    )


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@WAYS
def test_ten_thousand_files_and_twenty_kills(spawn, server, volume, tmp_path, layer, options):
    """The same, for long."""
    check_watching_while_files_come(
        spawn, server, volume, tmp_path, layer, files=10_000, kills=20, options=options
    )
