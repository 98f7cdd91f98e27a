"""What the kernel itself does to reads: L7, L1 and P4 of the catalogue, with nothing patched."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.support.loads import write_files
from tests.support.program import Ended

MIB = 1024 * 1024


@pytest.fixture
def load(lake, volume, spawn, manifests):
    """Load a small file and one of five parts; reads of its last part meet the outcome.

    Two parts are in memory at once, so the upload has been recorded as the run's own by then.
    """
    large = bytes(range(256)) * (36 * MIB // 256)
    write_files(volume, {"small.csv": b"id|name\n", "large.csv": large})

    def run(outcome, lane, proxy):
        prefix = (sys.executable, "-m", "tests.faults.syscalls", outcome, str(33 * MIB))
        arguments = lake.arguments(proxy.url, *manifests, "--memory", "16MiB", lane=lane)
        process = spawn(*arguments, prefix=prefix if outcome else ())
        out, err = process.communicate(timeout=60)
        landed = lake.look(Ended(process.returncode, out, err), proxy)
        if outcome != "kill":
            lake.check_promises(landed)
        return landed

    return run


@pytest.mark.fault("L1", "L7")
@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("EIO", "the file can't be read: Input/output error"),
        ("ESTALE", "the file can't be read: Stale file handle"),
        ("eof", "the file ended at byte"),
    ],
)
def test_a_read_that_fails_or_ends_too_soon_fails_its_file_alone(lake, load, lane, outcome, told):
    """The other lands; of the large one there is neither an object nor an upload."""
    landed = load(outcome, lane, lake.proxy())
    assert landed.code == 3
    assert landed.statuses == {"small.csv": "uploaded", "large.csv": "failed"}
    assert told in landed.files["large.csv"]["error"]["message"]
    assert list(landed.objects) == ["small.csv"]
    assert landed.open_uploads == []


@pytest.mark.fault("P4")
def test_a_process_that_ends_in_the_middle_of_a_read_is_gone_on_with(lake, load, lane, volume):
    """At the same read each time; the next run keeps the parts sent by then, and sends the rest."""
    proxy = lake.proxy()
    killed = load("kill", lane, proxy)
    assert killed.code == -signal.SIGSYS
    assert "Traceback" not in killed.ended.err
    assert "large.csv" not in killed.objects
    landed = load(None, lane, proxy)
    assert landed.code == 0
    assert landed.objects == {path.name: path.read_bytes() for path in volume.rglob("*.csv")}
    assert landed.open_uploads == []
    assert landed.summary["failed"] == 0
