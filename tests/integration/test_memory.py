"""A whole run as a process: every object read back, and memory within its bound."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

MIB = 1024 * 1024
REPOSITORY = Path(__file__).parents[2]
# What a process may hold besides the buffers that --memory sets.
BASE = 128 * MIB
# Linux counts the starter's peak as the started one's: a small process starts the run.
LAUNCHER = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def film_maker():
    """The script of the sample data that makes CSVs of any size."""
    spec = importlib.util.spec_from_file_location("films", REPOSITORY / "data/make_films.py")
    films = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(films)
    return films


def load(server, layer, volume, memory, *options):
    """Load a volume in a process of its own; return its peak RSS in bytes."""
    command = [sys.executable, "-m", "asyncload", "run", str(volume), "--layer", layer]
    command += ["--bucket", server.bucket, "--endpoint-url", server.endpoint_url]
    command += ["--date", "2022-05-02", "--memory", f"{memory // MIB}MiB", "--quiet", *options]
    launched = subprocess.run(
        [sys.executable, "-IS", "-c", LAUNCHER, *command],
        env=os.environ | server.environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    exit_code, peak_kib = map(int, launched.stdout.split())
    assert exit_code == 0
    return peak_kib * 1024


def landed_sha256(server, key):
    """The SHA-256 of an object."""
    landed = hashlib.sha256()
    for chunk in server.client().get_object(Bucket=server.bucket, Key=key)["Body"].iter_chunks(MIB):
        landed.update(chunk)
    return landed.hexdigest()


def load_and_compare(server, layer, volume, *, film, small, memory):
    """Load a film CSV and small ones; return the process's peak RSS in bytes."""
    films = film_maker()
    films.write_films(volume / "movies.csv", film, 7)
    films.write_volume(volume / "exports", small, 17_000, 8)
    peak = load(server, layer, volume, memory)
    client = server.client()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=server.bucket, Prefix=layer)
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert len(keys) == small + 1
    for key in keys:
        name = key.split("/2022/05/02/")[1]
        path = volume / name if "/Movies/" in key else volume / "exports" / name
        with path.open("rb") as file:
            expected = hashlib.file_digest(file, "sha256").hexdigest()
        assert landed_sha256(server, key) == expected, key
    return peak


@pytest.mark.seaweedfs
def test_peak_memory_is_the_buffers_and_a_base(seaweedfs, layer, volume):
    """A file of several times `--memory`, and small ones beside it: all land, memory is bounded."""
    memory = 32 * MIB
    peak = load_and_compare(seaweedfs, layer, volume, film=200 * MIB, small=200, memory=memory)
    assert peak <= memory + BASE


@pytest.mark.seaweedfs
def test_peak_memory_is_the_same_for_a_member_of_an_archive(seaweedfs, layer, volume, tmp_path):
    """It is inflated into the same buffers, never as a whole."""
    memory = 32 * MIB
    films = film_maker()
    films.write_films(tmp_path / "movies.csv", 200 * MIB, 7)
    with zipfile.ZipFile(volume / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(tmp_path / "movies.csv", "movies.csv")
    peak = load(seaweedfs, layer, volume, memory, "--archives")
    with (tmp_path / "movies.csv").open("rb") as file:
        expected = hashlib.file_digest(file, "sha256").hexdigest()
    key = f"{layer}/Local/CSV/Movies/2022/05/02/movies.csv"
    assert landed_sha256(seaweedfs, key) == expected
    assert peak <= memory + BASE


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_gibibyte_and_two_thousand_small_files(seaweedfs, layer, volume, capsys):
    """The figures of a release: objects equal by SHA-256, peak RSS within 128 MiB of buffers."""
    memory = 256 * MIB
    peak = load_and_compare(seaweedfs, layer, volume, film=1024 * MIB, small=2_000, memory=memory)
    with capsys.disabled():
        print(f"\npeak RSS {peak / MIB:.0f} MiB with --memory {memory // MIB}MiB")
    assert peak <= memory + BASE
