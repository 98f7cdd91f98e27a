"""Days of a volume's life against a model of the bucket: they always agree."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest import mock

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from asyncload.errors import ServerError
from asyncload.operations.load import load_into
from asyncload.settings.run import Settings
from asyncload.transfer import TransferPolicy
from tests.support.loads import AT_ONCE, NOW, Recorder, write_files
from tests.support.memory_store import MemoryStore

NAMES = st.sampled_from(["a.csv", "d/1.csv", "d/2.csv", "d/3.csv", "d/x/4.csv"])
BODIES = st.binary(max_size=40)
PREFIX = "Raw/Local/CSV"


class Unreliable(MemoryStore):
    """Fails, or goes silent for ever, at the request of a given number."""

    def __init__(self):
        super().__init__(min_part=1)
        self.fails_at = self.stops_at = None
        self.requests = 0

    async def _answer(self, call, body=b""):
        await super()._answer(call, body)
        self.requests += 1
        if self.requests == self.fails_at:
            raise ServerError("simulated", code="InternalError", status=500)
        if self.stops_at is not None and self.requests >= self.stops_at:
            await asyncio.Event().wait()


class Days(RuleBasedStateMachine):
    """A volume that is written to, and loaded day by day; `lake` is what the bucket should hold."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.volume = self.folder / "volume"
        self.volume.mkdir()
        write_files(self.volume, {"first.csv": b"1"})
        self.store = Unreliable()
        self.day = NOW
        self.lake = {}

    def teardown(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def files(self):
        return {
            str(path.relative_to(self.volume)): path.read_bytes()
            for path in self.volume.rglob("*.csv")
        }

    def key(self, path):
        first, _, rest = path.rpartition("/") and path.partition("/")
        dataset, name = (first, rest) if rest else (Path(path).stem, path)
        dataset = dataset[:1].upper() + dataset[1:]
        return f"{PREFIX}/{dataset}/{self.day:%Y/%m/%d}/{name}"

    @rule(name=NAMES, body=BODIES)
    def create_or_rewrite(self, name, body):
        write_files(self.volume, {name: body})

    @rule(name=NAMES, body=BODIES)
    def append(self, name, body):
        path = self.volume / name
        if path.exists():
            with path.open("ab") as file:
                file.write(body)

    @rule(name=NAMES)
    def truncate(self, name):
        path = self.volume / name
        if path.exists():
            os.truncate(path, path.stat().st_size // 2)

    @rule(name=NAMES)
    def delete(self, name):
        (self.volume / name).unlink(missing_ok=True)

    @rule(name=NAMES, other=NAMES)
    def rename(self, name, other):
        if (self.volume / name).exists():
            (self.volume / other).parent.mkdir(parents=True, exist_ok=True)
            (self.volume / name).replace(self.volume / other)

    @rule()
    def next_day(self):
        self.day += timedelta(days=1)

    @rule(
        existing=st.sampled_from(["fail", "overwrite", "skip"]),
        fails_at=st.none() | st.integers(1, 30),
        checksum=st.sampled_from(["auto", "crc32", "md5"]),
    )
    def run(self, existing, fails_at, checksum):
        """Each file's outcome is right, and nothing that is there is sent.

        The same bytes that the store knows by another checksum only are not known to be the same
        where CRC32 is to be the proof.
        """
        self.store.fails_at = fails_at and self.store.requests + fails_at
        self.store.stops_at = None
        sent, recorder = self.store.body_bytes, Recorder()
        left_open, known_by = bool(self.store.uploads), dict(self.store.algorithms)
        report = asyncio.run(self.load(recorder, existing, checksum))
        files = self.files()
        assert set(recorder.outcomes) == set(files)
        expected_bytes = 0
        for path, body in files.items():
            key = self.key(path)
            there = self.lake.get(key)
            if there == body and (checksum != "crc32" or known_by.get(key) == "CRC32"):
                status = "unchanged"
            elif there is None or existing == "overwrite":
                status = "uploaded"
                self.lake[key] = body
                expected_bytes += len(body)
            else:
                status = {"fail": "failed", "skip": "skipped"}[existing]
            assert recorder.outcomes[path].status == status, path
        assert report.exit_code == (3 if report.counts["failed"] else 0)
        if fails_at is None:
            sent = self.store.body_bytes - sent
            assert sent == expected_bytes or (left_open and sent < expected_bytes)

    @rule(stops_at=st.integers(1, 30))
    def kill(self, stops_at):
        """The process is gone: what it had sent may be there, whole; nothing is cleaned up."""
        self.store.stops_at = self.store.requests + stops_at
        self.store.fails_at = None

        async def cut_off():
            task = asyncio.get_running_loop().create_task(self.load(Recorder(), "fail", "auto"))
            await asyncio.wait({task}, timeout=0.05)
            self.store.abort_multipart = _do_nothing
            task.cancel()
            await asyncio.wait({task})
            del self.store.abort_multipart

        asyncio.run(cut_off())
        self.store.stops_at = None
        for path, body in self.files().items():
            key = self.key(path)
            if key not in self.lake and key in self.store.objects:
                self.lake[key] = body

    async def load(self, recorder, existing, checksum):
        options = Settings(
            volume=self.volume,
            bucket="lake",
            manifest=False,
            overwrite=existing == "overwrite",
            skip_existing=existing == "skip",
            checksum=checksum,
        )
        # Some of the files are large enough for an upload in parts.
        some_large = partial(TransferPolicy, put_limit=20)
        with mock.patch("asyncload.operations.running.TransferPolicy", some_large):
            return await load_into(
                self.store, options, observer=recorder, now=self.day, retries=AT_ONCE
            )

    @invariant()
    def the_bucket_is_the_model(self):
        if hasattr(self, "store"):
            assert self.store.objects == self.lake


async def _do_nothing(key, upload_id):
    """A killed process aborts nothing."""


Days.TestCase.settings = hypothesis_settings(max_examples=25, stateful_step_count=12, deadline=None)
TestDays = Days.TestCase


async def test_two_runs_at_once_write_each_object_once(volume):
    """100 rounds, each with files of its own: one run lands a file, the other finds it."""
    for number in range(100):
        files = {f"d/{number}-{n}.csv": os.urandom(20) for n in range(4)}
        shutil.rmtree(volume / "d", ignore_errors=True)
        write_files(volume, files)
        store, recorders = MemoryStore(), [Recorder(), Recorder()]
        options = Settings(volume=volume, bucket="lake", manifest=False)
        async with asyncio.TaskGroup() as group:
            for recorder in recorders:
                group.create_task(load_into(store, options, observer=recorder, now=NOW))
        for path, body in files.items():
            statuses = sorted(recorder.outcomes[path].status for recorder in recorders)
            assert statuses == ["unchanged", "uploaded"]
            assert store.objects[f"{PREFIX}/D/2022/05/02/{path[2:]}"] == body
        assert len(store.objects) == 4
