"""What a start and an end leave undone: looking for garbage, and reading certificates."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import typer

from asyncload.cli.app import make_app
from asyncload.cli.imports import without_system_certificates
from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, put_accepted, scripted_s3

PROGRAM = """
import atexit, gc, json, sys

def tell():
    contexts = sys.modules.get("aiohttp.connector")
    trusted = contexts and contexts._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"]
    unfrozen = len(gc.get_objects())
    print(json.dumps([gc.isenabled(), gc.get_freeze_count(), unfrozen, trusted]), file=sys.stderr)

atexit.register(tell)
from asyncload.cli import main
main()
"""


def end_of(*arguments):
    """What is so when the interpreter goes down: collecting, frozen, not frozen, trusted."""
    return json.loads(last_line_of(PROGRAM, *arguments))


def last_line_of(program, *arguments):
    """What a program says at the end, on standard error."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    # Measuring coverage imports modules of its own.
    environment = {name: v for name, v in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stderr.splitlines()[-1]


def test_the_collector_ignores_what_was_imported():
    """Neither while it grows nor at the end, when all of it is let go anyway."""
    collecting, frozen, unfrozen, _ = end_of("--version")
    assert not collecting
    assert frozen > 10_000
    assert unfrozen < 1_000


def test_a_run_collects_its_garbage_and_trusts_no_more_than_it_needs(volume, monkeypatch):
    """A run may be long. The TLS contexts that aiohttp makes trust no authority: none is used."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    write_files(volume, {"a.csv": b"1"})
    with scripted_s3(lambda r: EMPTY_LISTING if r.method == "GET" else put_accepted(r)) as (url, _):
        collecting, frozen, unfrozen, trusted = end_of(
            "run", volume, "--bucket", "lake", "--endpoint-url", url
        )
    assert collecting
    assert frozen > 100_000
    assert unfrozen < 1_000
    assert trusted == 0


def test_a_plan_collects_its_garbage(volume):
    """So does a dry run."""
    write_files(volume, {"a.csv": b"1"})
    collecting, *_ = end_of("run", volume, "--bucket", "lake", "--dry-run", "--offline")
    assert collecting


@pytest.mark.parametrize("value", [None, "/etc/certificates.pem"])
def test_the_settings_for_certificates_are_put_back(monkeypatch, value):
    """They may mean something to others, and to a command that is run later."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with without_system_certificates():
        assert os.environ["SSL_CERT_FILE"] == os.environ["SSL_CERT_DIR"] == os.devnull
    assert os.environ.get("SSL_CERT_FILE") == os.environ.get("SSL_CERT_DIR") == value


COMMANDS = {"run", "plan", "watch", "collect", "verify", "clean", "report", "doctor", "config"} | {
    "demo",
    "check",
    "ddl",
    "runs",
    "schema",
    "where",
}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_only_the_command_that_is_called_is_built(command):
    """Typer builds the parameters of each command that it has, before it looks which is called."""
    assert {*commands_of([command, "--help"])} == {command}


@pytest.mark.parametrize("arguments", [[], ["--help"], ["rnu", "data"], ["data", "run"]])
def test_all_commands_are_built_if_none_is_called(arguments):
    """For the help, and to say which one is meant."""
    assert {*commands_of(arguments)} == COMMANDS


def commands_of(arguments):
    return typer.main.get_command(make_app(arguments)).commands


MODULES = """
import atexit, dataclasses, json, sys

def tell():
    modules = {name: module for name, module in sys.modules.items() if name != "__main__"}
    made = {
        f"{value.__module__}.{value.__qualname__}"
        for module in modules.values()
        for value in vars(module).values()
        if isinstance(value, type) and dataclasses.is_dataclass(value)
    }
    print(json.dumps([sorted(modules), sorted(made)]), file=sys.stderr)

atexit.register(tell)
from asyncload.cli import main
main()
"""

FOR_FEW = {
    "asyncload.cli.clean",
    "asyncload.cli.config",
    "asyncload.cli.doctor",
    "asyncload.cli.plan",
    "asyncload.cli.settings_toml",
    "asyncload.cli.verify",
    "asyncload.operations.demo",
    "asyncload.reporting.diagnosis",
    "asyncload.reporting.manifest_reading",
    "asyncload.s3.auth.process",
    "asyncload.s3.endpoint",
    "rich",
    "s3transfer",
    "tomllib",
    "zoneinfo",
}
"""What a run imports only where something asks for it."""
OTHERS = (
    "asyncload.cli.completion",
    "asyncload.cli.examples",
    "asyncload.operations.history",
    "asyncload.reporting.history",
    "asyncload.reporting.machines",
    "asyncload.reporting.page",
    "asyncload.reporting.tables",
    "asyncload.source.tables",
    "asyncload.source.web",
    "duckdb",
    "distributed",
    "opentelemetry",
    "pydantic",
    "watchfiles",
)
"""What belongs to other commands, to extras and to outputs that few ask for."""


def test_a_run_of_small_files_imports_only_what_it_needs(volume, monkeypatch):
    """Imports are most of its time; so is code that is generated for dataclasses."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})
    with scripted_s3(lambda r: EMPTY_LISTING if r.method == "GET" else put_accepted(r)) as (url, _):
        command = ["run", str(volume), "--bucket", "lake", "--endpoint-url", url]
        modules, dataclasses = json.loads(last_line_of(MODULES, *command))
    assert not FOR_FEW.intersection(modules)
    assert not [name for name in modules if name.startswith(OTHERS)]
    assert sum(name.startswith("asyncload.") for name in modules) < 174
    # 774 with Python 3.11, those of the standard library and of the interpreter's start included.
    assert len(modules) < 850
    # Each takes as long as importing a module.
    assert sum(name.startswith("asyncload.") for name in dataclasses) < 30


DEPTH = """
import atexit, sys

class Depth:
    deepest = 0

    def find_spec(self, name, path=None, target=None):
        frame, depth = sys._getframe(), 0
        while frame is not None:
            frame, depth = frame.f_back, depth + 1
        self.deepest = max(self.deepest, depth)

depth = Depth()
sys.meta_path.insert(0, depth)
atexit.register(lambda: print(depth.deepest, file=sys.stderr))
from asyncload.cli import main
main()
"""


def test_imports_nest_little(volume, monkeypatch):
    """A block of frames holds a hundred, and imports reached 186; see `asyncload.s3.libraries`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    write_files(volume, {"a.csv": b"1", "b.csv": b"2"})
    with scripted_s3(lambda r: EMPTY_LISTING if r.method == "GET" else put_accepted(r)) as (url, _):
        command = ["run", str(volume), "--bucket", "lake", "--endpoint-url", url]
        assert int(last_line_of(DEPTH, *command)) < 120
