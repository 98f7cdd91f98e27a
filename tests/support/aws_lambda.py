"""Lambda on this machine: its runtime and its emulator, with the deployment package unpacked."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import uncovered
from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCH = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
_RUNTIME = ("awslambdaric", "simplejson", "snapshot-restore-py")


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Let one process at a time do something: the workers of pytest-xdist share their folders."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def emulator() -> Path:
    """Return Lambda's runtime emulator; it is downloaded once, and kept beside the environment.

    It lies in a wheel, of which nothing else is used. Its version and hash are in
    requirements/emulator.txt.
    """
    pins = ROOT / "requirements" / "emulator.txt"
    version = re.search(r"==(\S+)", pins.read_text())[1]
    folder = Path(sys.prefix) / "share" / "aws-lambda-rie"
    program = folder / f"{version}-{ARCH}"
    with only_one(folder / "lock"):
        if not program.exists():
            with tempfile.TemporaryDirectory() as download:
                options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
                command = [sys.executable, "-m", "pip", "download", *options]
                with uncovered():
                    subprocess.run([*command, "-r", pins, "-d", download], check=True, timeout=100)
                (wheel,) = Path(download).glob("*.whl")
                with zipfile.ZipFile(wheel) as archive:
                    content = archive.read(f"samcli/local/rapid/aws-lambda-rie-{ARCH}")
            unfinished = program.with_suffix(".tmp")
            unfinished.write_bytes(content)
            unfinished.chmod(0o755)
            unfinished.rename(program)
    return program


def build_package(folder: Path) -> Path:
    """Build the package for this machine as `make lambda-zip` does, once for all workers."""
    package = folder / f"asyncload-lambda-python{VERSION}-{ARCH}.zip"
    with only_one(folder / "lock"):
        if not package.exists():
            script = ROOT / "deploy" / "lambda" / "build_zip.py"
            command = [sys.executable, script, "--arch", ARCH, "--output", folder]
            with uncovered():
                subprocess.run(command, check=True, timeout=280, stdout=subprocess.DEVNULL)
            with zipfile.ZipFile(package) as archive:
                archive.extractall(folder / "task")
    return package


def bare_python() -> str:
    """Return the interpreter below the virtual environment; with -S it sees no packages."""
    return str(Path(sys.base_prefix) / "bin" / f"python{VERSION}")


def link_runtime(folder: Path) -> Path:
    """Fill a folder with links to Lambda's runtime and its dependencies, and nothing else."""
    folder.mkdir(exist_ok=True)
    for name in _RUNTIME:
        for file in metadata.files(name) or ():
            top = file.parts[0]
            link = folder / top
            if top != ".." and not top.endswith(".dist-info") and not link.is_symlink():
                link.symlink_to(metadata.distribution(name).locate_file(top))
    return folder


class Function:
    """A function that runs in the emulator.

    Args:
        interface: the port on loopback that invocations are sent to.
        output: the file with the log of function and emulator.
    """

    def __init__(self, interface: int, output: Path) -> None:
        self._url = f"http://127.0.0.1:{interface}/2015-03-31/functions/function/invocations"
        self._output = output

    def invoke(self, event: Any) -> dict[str, Any]:
        """Invoke the function; return its result, or the description of its error."""
        request = urllib.request.Request(self._url, json.dumps(event).encode())
        # Loopback is never reached through a proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(600):
            try:
                with opener.open(request, timeout=90) as answer:
                    return json.load(answer)
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    raise
                # It is starting.
                time.sleep(0.05)
        raise AssertionError("the emulator did not start")

    def log(self) -> str:
        """Return the log; complete after the function has ended."""
        return self._output.read_text()


@contextmanager
def running(
    folder: Path, task: Path, environment: dict[str, str], *, timeout: int = 60, memory: int = 512
) -> Iterator[Function]:
    """Run the handler of an unpacked package under Lambda's runtime and emulator.

    Args:
        folder: for files of this run.
        task: the unpacked package.
        environment: the function's; nothing of this process's is in it.
        timeout: of an invocation, in seconds.
        memory: the function's, in MB.
    """
    interface = free_port()
    runtime = link_runtime(folder / "runtime")
    # With -S it sees no packages but these.
    command = emulated(emulator(), interface, bare_python(), "-S")
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": f"{task}:{runtime}",
        "LAMBDA_TASK_ROOT": str(task),
        **limits(timeout, memory),
        **environment,
    }
    output = folder / "log.txt"
    with serving(command, output, cwd=task, env=environment):
        yield Function(interface, output)


def emulated(program: object, interface: int, *python: str) -> list[object]:
    """Return the command that runs the handler in the emulator, on loopback only."""
    addresses = {
        "--runtime-interface-emulator-address": interface,
        "--runtime-api-address": free_port(),
    }
    flags = [word for flag, port in addresses.items() for word in (flag, f"127.0.0.1:{port}")]
    return [program, *flags, *python, "-m", "awslambdaric", "asyncload.aws_lambda.handler"]


def limits(timeout: int, memory: int) -> dict[str, str]:
    """Return the variables that give a function its time in seconds and its memory in MB."""
    return {
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
    }


@contextmanager
def serving(command: list[object], output: Path, **options: Any) -> Iterator[None]:
    """Run a program until the body ends; it writes its log to a file."""
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **options)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


def unpacked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the package and the folder that it is unpacked to; all workers share them."""
    if sys.platform != "linux":
        pytest.skip("Lambda's runtime is for Linux only")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    package = build_package(shared / "aws-lambda")
    return package, package.parent / "task"
