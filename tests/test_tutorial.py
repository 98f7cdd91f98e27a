"""The tutorial's commands, in its order, do what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from datetime import UTC, datetime

import pytest

from tests.support import wheel as wheels
from tests.support.documents import DOCS, REPOSITORY, blocks_of
from tests.support.processes import uncovered

STORE = ".venv/bin/asyncload demo --keep"


def commands():
    """What is behind a prompt, without comments."""
    return [
        line.removeprefix("$ ").partition("  #")[0].strip()
        for block in blocks_of((DOCS / "tutorial.md").read_text())
        if block.language == "console"
        for line in block.text.splitlines()
        if line.startswith("$ ")
    ]


@pytest.fixture
def clone(tmp_path):
    """What of a clone the tutorial uses: the sample, and an environment of the wheel alone."""
    folder = tmp_path / "asyncload"
    shutil.copytree(REPOSITORY / "data", folder / "data")
    wheels.install(wheels.build(tmp_path), folder / ".venv")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "ASYNCLOAD_"))}
    # Today and yesterday stay the same days for hours.
    zone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    environment |= {"ASYNCLOAD_TIMEZONE": zone}
    # SeaweedFS is beside this Python, as is a link to the checkout: it comes last.
    environment["PATH"] += os.pathsep + sysconfig.get_path("scripts")
    environment.pop("PYTHONPATH", None)
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    return folder, environment


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_the_tutorial_can_be_followed(clone):
    """The store in one shell, the other commands in another; what `make` does is not repeated."""
    folder, environment = clone
    make, store, *rest = commands()
    assert (make, store) == ("make demo", STORE)
    options = {"cwd": folder, "env": environment, "text": True}
    with (
        uncovered(),
        subprocess.Popen(store.split(), stdout=subprocess.PIPE, **options) as demo,
    ):
        try:
            exports = []
            for line in demo.stdout:
                exports += [line.strip()] if line.startswith("export ") else []
                if "what to do with it" in line:
                    break
            script = [*exports, "set -ex", *rest]
            shell = ["bash", "-c", "\n".join(script)]
            ended = subprocess.run(shell, capture_output=True, check=False, **options)
        finally:
            demo.terminate()
            demo.communicate(timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert demo.returncode == 0
    said = [
        "would upload 8 of 8 files",
        "8 of 8 files are in the raw zone: 8 uploaded",
        "8 of 8 files are in the raw zone: 8 unchanged",
        "OK: 8 files match",
        " days of 5 datasets: ",
        "0 open uploads",
    ]
    places = [ended.stdout.find(text) for text in said]
    assert -1 not in places, ended.stdout
    assert places == sorted(places)
    assert (folder / "run.html").is_file()
