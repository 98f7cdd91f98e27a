"""Docker's command line, and the loader run by it as the README says."""

from __future__ import annotations

import subprocess
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What the README recommends for `docker run`.
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def docker(*arguments, timeout=120, check=True, **environment):
    """Run a docker command to its end; with `check`, a failure shows what it said."""
    ended = subprocess.run(
        ["docker", *map(str, arguments)],
        cwd=ROOT,
        env=environment or None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check:
        assert ended.returncode == 0, f"docker {arguments[0]}:\n{ended.stdout}\n{ended.stderr}"
    return ended


@dataclass(frozen=True)
class Loader:
    """The image, and how its containers are run."""

    image: str

    def run(self, *command, options=(), environment=None):
        """Run the loader to its end with `command` after its entrypoint."""
        return docker(*self._arguments(options, environment), *command, check=False)

    def inside(self, program, *arguments):
        """Return what another program prints in a container of the image."""
        options = ("--network", "none", "--entrypoint", program)
        return docker(*self._arguments(options, None), *arguments).stdout

    @contextmanager
    def started(self, *command, options=(), environment=None):
        """Start the loader; give the name of its container and its `docker run`, which lives on."""
        name = f"asyncload-test-{uuid.uuid4().hex[:12]}"
        options = ("--name", name, *options)
        client = subprocess.Popen(
            ["docker", *self._arguments(options, environment), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A Ctrl-C at the terminal of the tests is not for the container.
            start_new_session=True,
        )
        with client:
            try:
                yield name, client
            finally:
                docker("rm", "--force", name, check=False)

    def _arguments(self, options, environment):
        variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        return ["run", "--rm", *HARDENED, *map(str, options), *variables, self.image]


def wait_until(condition, what, *, seconds=60):
    """Wait until `condition()` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.05)
