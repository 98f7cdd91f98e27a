"""What the kernel itself does to reads: L7, L1 and P4 of the catalogue, with nothing patched."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from tests.support.loads import write_files

MIB = 1024 * 1024


@pytest.fixture
def load(lake, volume, spawn):
    """Load a small file and one of three parts; reads of the second part on meet the outcome."""
    large = bytes(range(256)) * (20 * MIB // 256)
    write_files(volume, {"small.csv": b"id|name\n", "large.csv": large})

    def run(outcome, lane, proxy):
        prefix = (sys.executable, "-m", "tests.faults.syscalls", outcome, str(9 * MIB))
        process = spawn(*lake.arguments(proxy.url, lane=lane), prefix=prefix if outcome else ())
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        return process.returncode, [json.loads(line) for line in out.splitlines()]

    return run


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("EIO", "it can't be read: Input/output error"),
        ("ESTALE", "it can't be read: Stale file handle"),
        ("eof", "it ended at byte"),
    ],
)
def test_l1_l7_a_read_that_fails_or_ends_too_soon_fails_its_file_alone(
    lake, load, lane, outcome, told
):
    """The other lands; of the large one there is neither an object nor an upload."""
    proxy = lake.proxy()
    code, records = load(outcome, lane, proxy)
    files = {record["path"]: record for record in records if record["type"] == "file"}
    assert code == 3
    assert files["small.csv"]["status"] == "uploaded"
    assert files["large.csv"]["status"] == "failed"
    assert told in files["large.csv"]["error"]["message"]
    prefix = f"{lake.layer}/"
    assert [key.rsplit("/", 1)[-1] for key in lake.server.objects(prefix)] == ["small.csv"]
    assert lake.server.open_uploads(prefix) == []
    assert proxy.oracle.violations == []


def test_p4_a_process_that_ends_in_the_middle_of_a_read_is_gone_on_with(lake, load, lane, volume):
    """At the same read each time; the next run keeps the part that was sent, and adds the rest."""
    proxy = lake.proxy()
    code, _ = load("kill", lane, proxy)
    assert code == -signal.SIGSYS
    prefix = f"{lake.layer}/"
    assert not [key for key in lake.server.objects(prefix) if key.endswith("large.csv")]
    code, records = load(None, lane, proxy)
    assert code == 0
    landed = {key.rsplit("/", 1)[-1]: body for key, body in lake.server.objects(prefix).items()}
    assert landed == {path.name: path.read_bytes() for path in volume.rglob("*.csv")}
    assert lake.server.open_uploads(prefix) == []
    assert proxy.oracle.violations == []
    assert records[-1]["failed"] == 0
