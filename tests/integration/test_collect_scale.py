"""A large collection as a process: every answer stored once, and memory within its bound."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.integration.test_memory import BASE, LAUNCHER
from tests.support.tmdb import Asked, Double, Sent, json_of, serving

MIB = 1024 * 1024
PAGE_BYTES = 20_000


def many_pages(pages):
    """A fault that answers every request with a page of the size that TMDB's have."""
    text = "Çağdaş 映画 " * (PAGE_BYTES // 21)

    def answer(asked: Asked) -> Sent:
        page = int(asked.params.get("page", "1"))
        return Sent(200, json_of({"page": page, "results": [{"o": text}], "total_pages": pages}))

    return answer


def collect_pages(server, layer, tmp_path, pages, memory):
    """Collect so many pages into a server; return the process's peak RSS in bytes."""
    file = tmp_path / "pages.toml"
    with serving(Double(faults=[many_pages(pages)])) as double:
        file.write_text(
            f'[source]\nname = "Pages"\nbase_url = "{double.url}"\nrate = 1000\n'
            '[source.paging]\nstyle = "page"\ntotal = "total_pages"\n'
            '[[query]]\nspec = "Pages"\npath = "pages"\n'
        )
        command = [sys.executable, "-m", "asyncload", "collect", "--config", str(file)]
        command += ["--bucket", server.bucket, "--endpoint-url", server.endpoint_url]
        command += ["--layer", layer, "--date", "2022-05-02", "--memory", f"{memory // MIB}MiB"]
        command += ["--max-answer", "1MiB", "--quiet"]
        launched = subprocess.run(
            [sys.executable, "-IS", "-c", LAUNCHER, *command],
            env=os.environ | server.environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        exit_code, peak_kib = map(int, launched.stdout.split())
        assert exit_code == 0
        assert len(double.asked) == pages
    keys = server.client().get_paginator("list_objects_v2")
    found = keys.paginate(Bucket=server.bucket, Prefix=f"{layer}/")
    assert sum(len(page.get("Contents", ())) for page in found) == pages + 1
    return peak_kib * 1024


@pytest.mark.seaweedfs
def test_memory_is_the_answers_and_a_base(seaweedfs, layer, tmp_path):
    """Pages of several times `--memory` pass through it."""
    memory = 16 * MIB
    peak = collect_pages(seaweedfs, layer, tmp_path, pages=1_000, memory=memory)
    assert peak <= memory + BASE


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_ten_thousand_pages(seaweedfs, layer, tmp_path, capsys):
    """The figure of a release."""
    memory = 32 * MIB
    peak = collect_pages(seaweedfs, layer, tmp_path, pages=10_000, memory=memory)
    with capsys.disabled():
        print(f"\npeak RSS {peak / MIB:.0f} MiB with --memory {memory // MIB}MiB")
    assert peak <= memory + BASE
