"""Ten million files are planned in bounded memory: by one process, and by one of 64 shards."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.integration.test_memory import LAUNCHER, MIB

# A process with all that a run imports. The volume is empty; the scan is given folders and files
# that no disk holds: 100 folders, with 100 each, with 1,000 files each.
PLANNER = """
import asyncio, stat, sys
from contextlib import contextmanager
import asyncload.s3
from asyncload.operations.planning import scan_plan
from asyncload.operations.opening import open_readers
from asyncload.settings.run import Settings, layout_of
from asyncload.source import scanner
from tests.support.loads import NOW

class Status:
    st_mode, st_size, st_mtime, st_mtime_ns = stat.S_IFREG, 1000, 0, 0

class Entry:
    __slots__ = ("name", "folder")

    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def is_dir(self, *, follow_symlinks=True):
        return self.folder

    def is_symlink(self):
        return False

    def stat(self, *, follow_symlinks=True):
        return Status

@contextmanager
def list_folder(folder, beat, sleep):
    depth = folder.removeprefix(root).strip(b"/").count(b"/") + bool(folder != root + b"/")
    if depth < 2:
        yield (Entry(b"batch-%05d" % number, True) for number in range(100))
    else:
        yield (Entry(b"films-%08d.csv" % number, False) for number in range(1000))

scanner.list_folder = list_folder
volume, shard = sys.argv[1], sys.argv[2] or None
root = volume.encode()

async def main():
    settings = Settings(volume=volume, bucket="lake", shard=shard)
    async with open_readers(settings) as readers:
        layout = layout_of(settings, NOW)
        plan = await scan_plan(settings, layout, readers, lambda event: None, NOW)
        print(plan.files, sum(1 for _ in plan.uploads()))

asyncio.run(main())
"""


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("shard", "most"), [("7/64", 128 * MIB), ("", 700 * MIB)])
def test_ten_million_files_are_planned_in_bounded_memory(tmp_path, shard, most):
    """A shard has its part of them, and holds the memory for that part only."""
    command = [sys.executable, "-c", PLANNER, str(tmp_path), shard]
    launched = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    planned, ended = launched.stdout.splitlines()
    exit_code, peak_kib = map(int, ended.split())
    files, uploads = map(int, planned.split())
    assert exit_code == 0
    assert files == uploads
    assert files == 10_000_000 if not shard else 150_000 < files < 162_000
    assert peak_kib * 1024 <= most, f"{peak_kib // 1024} MiB for {files:,} files"
