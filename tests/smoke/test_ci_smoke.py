"""The smoke test that users copy into their pipelines, run as a pipeline would."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "ci-smoke.sh"


def smoke(*arguments, path=()):
    """Run the script with `path` in front of the environment's programs."""
    folders = [*map(str, path), sysconfig.get_path("scripts"), "/usr/bin", "/bin"]
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        env=os.environ | {"PATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fake_asyncload(folder, body):
    """Put an `asyncload` into a folder that does as told."""
    program = folder / "asyncload"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return folder


@pytest.mark.moto
def test_a_pipeline_passes_if_the_csvs_it_made_are_in_the_bucket():
    """Without arguments the script makes two CSVs, loads them, and lists their keys."""
    ended = smoke()

    assert ended.returncode == 0, ended.stderr
    assert "\nRaw/Local/CSV/Movies/2022/05/02/movies.csv\n" in ended.stdout
    assert "\nRaw/Local/CSV/Ratings/2022/05/02/part-00000.csv\n" in ended.stdout
    assert ended.stdout.endswith("\nsmoke test: all 2 CSVs landed\n")


def test_a_pipeline_can_load_a_folder_of_its_own():
    """With a folder as its argument the script loads that: here the sample volume."""
    ended = smoke(ROOT / "data")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("\nsmoke test: all 8 CSVs landed\n")


def test_hidden_csvs_are_not_missed(tmp_path):
    """What asyncload leaves out on purpose does not make the count wrong."""
    (tmp_path / "movies.csv").write_text("id\n")
    (tmp_path / ".hidden.csv").write_text("id\n")

    ended = smoke(tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("\nsmoke test: all 1 CSVs landed\n")


def test_the_script_fails_as_asyncload_does(tmp_path):
    """A folder without a CSV ends it with asyncload's exit code and message."""
    ended = smoke(tmp_path)

    assert ended.returncode == 4
    assert "the volume has no CSV to load" in ended.stderr
    assert "landed" not in ended.stdout


def test_any_exit_code_of_asyncload_is_the_scripts(tmp_path):
    """It passes on an exit code that it knows nothing of."""
    ended = smoke(path=[fake_asyncload(tmp_path, "exit 42")])

    assert ended.returncode == 42


def test_success_without_objects_is_a_failure(tmp_path):
    """The bucket is counted: that asyncload says 0 is not enough."""
    ended = smoke(path=[fake_asyncload(tmp_path, "exit 0")])

    assert ended.returncode == 1
    assert "smoke test: 0 objects in the bucket for 2 CSVs" in ended.stderr


@pytest.mark.parametrize("exit_code", [0, 3])
def test_the_server_is_gone_afterwards(tmp_path, exit_code):
    """However it ends, nothing listens any more where the S3 was."""
    ended = smoke(path=[fake_asyncload(tmp_path, f"exit {exit_code}")])

    host, port = re.search(r"S3 at http://([0-9.]+):([0-9]+)", ended.stdout).groups()
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect((host, int(port)))


def test_a_missing_server_is_named(tmp_path):
    """Without moto the script says what to install."""
    for name in ("asyncload", "python3"):
        (tmp_path / name).symlink_to("/bin/true")

    ended = subprocess.run(
        ["bash", SCRIPT],
        env={"PATH": str(tmp_path)},
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "moto_server is not installed: pip install asyncload-s3 'moto[server]'" in ended.stderr
