"""Run the command line: in this process where that will do, in its own where it must."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import count

import pytest

from asyncload.cli import main
from asyncload.cli.interruption import SIGNALS
from tests.support.observed import observe

_RUNS = count(1)


@dataclass(frozen=True)
class Ended:
    """How a command ended; times in `out` read `_`."""

    code: int
    out: str
    err: str


def without_times(text: str) -> str:
    """Replace seconds, rates and a manifest's name, which no two runs share."""
    text = re.sub(r"in \d+\.\d s(, [\d.,]+ \w+/s)?", "in _ s", text)
    text = re.sub(r"(?m)^(manifest: \S+/)\S+\.json$", r"\1RUN.json", text)
    return re.sub(r'"seconds":[\d.]+', '"seconds":_', text)


@pytest.fixture
def asyncload(capsys, monkeypatch):
    """Run `asyncload ARGUMENTS` in this process."""

    def run(*arguments):
        before = {signum: signal.getsignal(signum) for signum in SIGNALS}
        threshold = gc.get_threshold()
        monkeypatch.setattr(sys, "argv", ["asyncload", *map(str, arguments)])
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
            gc.enable()
            # By the program's own, a test process would grow by several MB with each run.
            gc.set_threshold(*threshold)
            # What a run left is frozen, so that only a full collection closes what it left open.
            # That goes through all imports and tests as well, and takes as long as several runs.
            if not next(_RUNS) % 80:
                gc.unfreeze()
                gc.collect()
                gc.freeze()
        captured = capsys.readouterr()
        observe(captured.out)
        observe(captured.err)
        code = ended.value.code or 0
        return Ended(code, without_times(captured.out), captured.err)

    return run


class Program(subprocess.Popen):
    """A program whose records are held to their schemas once they are read."""

    def communicate(self, *arguments, **options):
        out, err = super().communicate(*arguments, **options)
        observe(out)
        observe(err)
        return out, err


@pytest.fixture
def spawn():
    """Start `asyncload ARGUMENTS` in a process of its own."""
    started = []

    def start(*arguments, prefix=(), **options):
        process = Program(
            [*prefix, sys.executable, "-m", "asyncload", *map(str, arguments)],
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            env=dict(os.environ),
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
