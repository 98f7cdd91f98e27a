"""What a start and an end leave undone: looking for garbage, and reading certificates."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

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
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stderr.splitlines()[-1])


def test_nobody_looks_for_garbage_in_what_is_imported():
    """Neither while it grows nor at the end, when all of it is let go anyway."""
    collecting, frozen, unfrozen, _ = end_of("--version")
    assert not collecting
    assert frozen > 10_000
    assert unfrozen < 1_000


def test_a_run_collects_its_garbage_and_trusts_no_more_than_it_needs(volume, monkeypatch):
    """A run may be long. The TLS contexts that aiohttp makes are never used, and trust nobody."""
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
    collecting, *_ = end_of("run", volume, "--bucket", "lake", "--dry-run")
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
