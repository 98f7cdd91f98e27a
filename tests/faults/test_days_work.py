"""A day's work, tried as its users do: numbers that are true, counts instead of storms."""

from __future__ import annotations

import pytest

from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, put_accepted, scripted_s3
from tests.support.vocabulary import check_lines

MB = 1_000_000
CREATED = Answer(
    200,
    b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.fixture
def run(asyncload, volume, lane):
    """Load the volume into a store that answers as a function says."""

    def run_against(answer, *options):
        with scripted_s3(answer) as (url, requests):
            to = ("--bucket", "lake", "--endpoint-url", url, "--date", "2022-05-02")
            ways = () if lane else ("--no-fast-lane",)
            return asyncload("run", volume, *to, *ways, *options), requests

    return run_against


def refuses_complete(request):
    """Takes every part, and then refuses the whole."""
    if request.method == "GET":
        return EMPTY_LISTING
    if request.method == "POST":
        return CREATED if "uploads" in request.query else error(400, "InvalidRequest")
    return Answer(204) if request.method == "DELETE" else put_accepted(request)


@pytest.mark.fault("G10")
def test_bytes_that_the_store_took_are_told_though_the_file_failed(run, volume):
    """They went over the network; that nothing came of it is another number."""
    write_files(volume, {"large.csv": bytes(21 * MB)})
    ended, _ = run(refuses_complete, "--json")
    summary = check_lines(ended.out)[-1]
    assert (summary["uploaded"], summary["failed"]) == (0, 1)
    assert summary["bytes_sent"] == 21 * MB
    ended, _ = run(refuses_complete)
    assert "0 of 1 files are in the raw zone: 1 failed (21.0 MB sent in" in ended.out


@pytest.mark.fault("G10")
def test_nothing_is_said_to_be_in_the_raw_zone_that_is_not(run, volume):
    """Where no file landed and no record could be written, either."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(7)})

    def refuses_all(request):
        if request.method == "GET":
            return EMPTY_LISTING
        return error(400, "InvalidRequest") if request.method == "PUT" else put_accepted(request)

    ended, _ = run(refuses_all)
    assert ended.code == 3
    assert "0 of 7 files are in the raw zone: 7 failed (0 B sent in" in ended.out
    assert "could not be written" in ended.err
    assert "all the same" not in ended.out + ended.err
