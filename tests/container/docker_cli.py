"""Docker's command line, and the loader run by it as the documents say."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What the documents recommend for `docker run`.
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
        assert_success(arguments, ended)
    return ended


def assert_success(arguments, ended):
    """Show what a docker command said if it failed."""
    assert ended.returncode == 0, f"docker {arguments[0]}:\n{ended.stdout}\n{ended.stderr}"


def docker_building(*arguments, check=True, **options):
    """Run a docker command that builds images, as `docker` does; one process at a time.

    The engine keeps a copy of each folder that it builds from. Of the Dockerfile in this one it
    once said that there is none, which no test here could cause: then it is asked again, after
    it has dropped its copies.
    """
    with _one_at_a_time():
        ended = docker(*arguments, check=False, **options)
        if "failed to read dockerfile: open /var/lib/docker/" in ended.stderr:
            docker("builder", "prune", "--force", "--filter", "type=source.local")
            ended = docker(*arguments, check=False, **options)
    if check:
        assert_success(arguments, ended)
    return ended


@contextmanager
def _one_at_a_time():
    """Wait while another process of tests builds."""
    name = f"asyncload-tests-{os.getuid()}-build.lock"
    with (Path(tempfile.gettempdir()) / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
