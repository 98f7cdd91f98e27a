"""Measure a large member of a ZIP archive: speed, compared with inflating it, and memory.

    python -m benchmarks.archives [--size GIB] [--rounds N] [--data FOLDER]

The archive has one member, with the headers of ZIP64. It is loaded into a null server, in turn with
a process that only inflates the member.
"""

from __future__ import annotations

import argparse
import statistics
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from asyncload.model.values import SourceFile
from asyncload.source.archives.rules import ArchiveRules
from asyncload.source.scanner import Scanner
from asyncload.source.volume import Volume
from benchmarks.measuring import Usage, measure
from benchmarks.peers.peer import ROOT
from benchmarks.servers import Server, null_server

MIB = 1024 * 1024
_BLOCK = 64 * MIB
_PART = 16 * MIB
_NAME = b"films.csv"


def write_archive(path: Path, size: int) -> None:
    """Write an archive with one deflated member of `size` bytes, all film CSV.

    A block of 64 MiB is deflated once, and repeated as often as needed.
    """
    with tempfile.TemporaryDirectory() as folder:
        films = Path(folder) / "films.csv"
        script = [sys.executable, str(ROOT / "data/make_films.py"), str(films)]
        # S603: it is ours.
        subprocess.run(  # noqa: S603
            [*script, "--size", str(_BLOCK), "--seed", "7"], check=True, stdout=subprocess.DEVNULL
        )
        block = films.read_bytes()
    times, rest = divmod(size, len(block))
    deflated, last = _deflate(block, zlib.Z_FULL_FLUSH), _deflate(block[:rest], zlib.Z_FINISH)
    crc = 0
    for _ in range(times):
        crc = zlib.crc32(block, crc)
    crc = zlib.crc32(block[:rest], crc)
    stored = times * len(deflated) + len(last)
    with path.open("wb") as file:
        extra = struct.pack("<HHQQ", 1, 16, size, stored)
        fields = struct.pack(
            "<HHHHHIIIHH", 45, 0, 8, 0, 0x5C21, crc, 2**32 - 1, 2**32 - 1, len(_NAME), len(extra)
        )
        file.write(b"PK\3\4" + fields + _NAME + extra)
        for _ in range(times):
            file.write(deflated)
        file.write(last)
        start = file.tell()
        file.write(b"PK\1\2" + struct.pack("<H", 45) + fields + bytes(14) + _NAME + extra)
        length = file.tell() - start
        file.write(struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, length, start))
        file.write(struct.pack("<4sIQI", b"PK\6\7", 0, start + length, 1))
        file.write(struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, length, 2**32 - 1, 0))


def _deflate(data: bytes, end: int) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush(end)


def inflate(volume: Path) -> None:
    """Inflate the members of a volume's archives, part by part into one buffer."""
    buffer = memoryview(bytearray(_PART))
    with Volume(volume) as opened:
        for source in Scanner(volume, archives=ArchiveRules(load=True)).scan():
            assert isinstance(source, SourceFile), source
            with opened.open_source(source) as member:
                for offset in range(0, source.size, _PART):
                    member.read_into(buffer[: source.size - offset], offset)


def _time(volume: Path, server: Server, rounds: int, *options: str) -> None:
    alone: list[Usage] = []
    loads: list[Usage] = []
    loading = (sys.executable, "-m", "asyncload", "run", str(volume), "--archives", "--quiet")
    target = ("--bucket", "lake", "--endpoint-url", server.url, "--no-manifest")
    inflating = (sys.executable, "-m", "benchmarks.archives", "--inflate", str(volume))
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            alone.append(measure(inflating, server.environment(), Path(folder))[0])
            server.reset()
            loads.append(
                measure((*loading, *target, *options), server.environment(), Path(folder))[0]
            )
    ratios = [a.wall / b.wall for a, b in zip(alone, loads, strict=True)]
    print(
        f"{' '.join(options) or 'defaults'}: "
        f"inflating alone {statistics.median(usage.wall for usage in alone):.2f} s, "
        f"loaded in {statistics.median(usage.wall for usage in loads):.2f} s "
        f"(CPU {statistics.median(usage.cpu for usage in loads):.2f} s), "
        f"speed {statistics.median(ratios):.2f} of inflating alone "
        f"({', '.join(f'{ratio:.2f}' for ratio in ratios)}), "
        f"peak RSS {max(usage.rss_mib for usage in loads):.0f} MiB",
        flush=True,
    )


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.archives", description=__doc__)
    parser.add_argument("--size", type=float, default=6, help="of the member, in GiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--data", type=Path, help="folder for the archive; default: a temporary one"
    )
    parser.add_argument("--inflate", type=Path, help="only inflate the archives in this folder")
    given = parser.parse_args()
    if given.inflate:
        inflate(given.inflate)
        return 0
    size = int(given.size * 1024) * MIB
    with tempfile.TemporaryDirectory(dir=given.data) as folder:
        volume = Path(folder) / "volume"
        volume.mkdir()
        write_archive(volume / "films.zip", size)
        with null_server(Path(folder)) as server:
            for options in (("--unsigned-payload",), ()):
                _time(volume, server, given.rounds, *options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
