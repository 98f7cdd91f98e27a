"""The command line's own tests run it in both ways."""

from __future__ import annotations

import pytest

from tests.support.program import asyncload, spawn
from tests.support.scripted_s3 import EMPTY_LISTING, error, put_accepted, scripted_s3

__all__ = ["asyncload", "spawn"]

DATE = ("--date", "2022-05-02")


@pytest.fixture
def patient(monkeypatch):
    """Outputs for machines have a minute: no test depends on how fast the machine is."""
    monkeypatch.setattr("asyncload.cli.ending._OUTLET_SECONDS", 60.0)


@pytest.fixture
def lake(monkeypatch):
    """A scripted store that takes everything; yields the options that lead there."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIACANARY",
        "AWS_SECRET_ACCESS_KEY": "secret-canary",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)

    def answer(request):
        if request.method == "GET":
            return EMPTY_LISTING
        return (
            error(400, "InvalidRequest", "no")
            if "/bad.csv" in request.path
            else put_accepted(request)
        )

    with scripted_s3(answer) as (url, requests):
        yield ("--bucket", "lake", "--endpoint-url", url, *DATE), requests
