"""`asyncload clean`: abandoned multipart uploads."""

from __future__ import annotations

from contextlib import suppress

import pytest

from asyncload.errors import RequestRejected
from asyncload.s3.store import S3Store
from tests.conftest import SERVERS
from tests.support.vocabulary import check_lines

PART = 5 * 1024 * 1024


@pytest.fixture
def leftovers(s3, layer):
    """Two uploads of the layout, one with a part, and one below another prefix."""
    client, ids = s3.client(), {}
    for key in (f"{layer}/Local/CSV/A/a.csv", f"{layer}/Local/CSV/B/b.csv", f"{layer}/Other/c"):
        ids[key] = client.create_multipart_upload(Bucket=s3.bucket, Key=key)["UploadId"]
    key = f"{layer}/Local/CSV/A/a.csv"
    client.upload_part(Bucket=s3.bucket, Key=key, UploadId=ids[key], PartNumber=1, Body=bytes(PART))
    yield ids
    for key, upload_id in ids.items():
        # What a test has aborted is gone.
        with suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(Bucket=s3.bucket, Key=key, UploadId=upload_id)


@pytest.fixture
def options(s3, layer):
    return ["--bucket", s3.bucket, "--endpoint-url", s3.endpoint_url, "--layer", layer]


def test_without_yes_they_are_only_listed(asyncload, leftovers, options, s3, layer):
    """With their key, parts and bytes; other prefixes are ignored."""
    ended = asyncload("clean", *options, "--older-than", "0s")
    *lines, summary = ended.out.splitlines()
    assert len(lines) == 2
    assert f"left open: s3://{s3.bucket}/{layer}/Local/CSV/A/a.csv: 1 part, 5.2 MB" in ended.out
    where = f"s3://{s3.bucket}/{layer}/Local/CSV/"
    assert summary == (
        f"2 open uploads below {where}, 5.2 MB; "
        "--yes aborts them, including those of other programs"
    )
    assert ended.code == 0
    assert len(s3.open_uploads(layer)) == 3


def test_with_yes_they_are_aborted_and_only_they(asyncload, leftovers, options, s3, layer):
    """What lies below another prefix stays; a second time there is nothing to do."""
    ended = asyncload("clean", *options, "--older-than", "0s", "--yes")
    assert ended.out.count("aborted: ") == 2
    assert ended.out.endswith("; 2 aborted\n")
    assert ended.code == 0
    assert s3.open_uploads(layer) == [f"{layer}/Other/c"]
    again = asyncload("clean", *options, "--older-than", "0s", "--yes")
    where = f"s3://{s3.bucket}/{layer}/Local/CSV/"
    assert (again.code, again.out) == (0, f"0 open uploads below {where}, 0 B\n")


# moto says of every upload that it was begun in 2010.
@pytest.mark.parametrize("s3", SERVERS[1:], indirect=True)
def test_young_ones_may_be_a_live_runs(asyncload, leftovers, options, s3, layer):
    """A day is the default; it is the last part that counts."""
    ended = asyncload("clean", *options, "--yes")
    assert ended.out.startswith("0 open uploads")
    assert len(s3.open_uploads(layer)) == 3


def test_programs_get_records(asyncload, leftovers, options, s3, layer):
    """A line each, and a summary."""
    ended = asyncload("clean", *options, "--older-than", "0s", "--json")
    *uploads, summary = check_lines(ended.out)
    by_key = {upload["key"]: upload for upload in uploads}
    upload = by_key[f"{layer}/Local/CSV/A/a.csv"]
    assert (upload["parts"], upload["size"], upload["status"]) == (1, PART, "left open")
    assert upload["upload_id"] == leftovers[f"{layer}/Local/CSV/A/a.csv"]
    names = ("prefix", "uploads", "bytes", "aborted", "skipped")
    totals = {name: summary[name] for name in names}
    assert totals == {
        "prefix": f"{layer}/Local/CSV/",
        "uploads": 2,
        "bytes": PART,
        "aborted": 0,
        "skipped": 0,
    }


def test_an_upload_that_can_not_be_aborted_is_reported(asyncload, leftovers, options, monkeypatch):
    """The others are still aborted, and the exit code says that something stayed."""
    abort = S3Store.abort_multipart

    async def refuse_one(self, key, upload_id):
        if key.endswith("a.csv"):
            raise RequestRejected("not this one", code="MethodNotAllowed", status=405)
        await abort(self, key, upload_id)

    monkeypatch.setattr(S3Store, "abort_multipart", refuse_one)
    ended = asyncload("clean", *options, "--older-than", "0s", "--yes")
    assert ended.code == 3
    assert "error: not this one" in ended.err
    assert ended.out.endswith("; 1 aborted\n")
    again = asyncload("clean", *options, "--older-than", "0s", "--yes", "--json")
    (upload, summary) = check_lines(again.out)
    assert (upload["status"], upload["error"]["message"]) == ("left open", "not this one")
    assert summary["aborted"] == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--layout", "{dataset}/{path}"], "do not share a prefix"),
        (["--older-than", "soon"], "--older-than"),
    ],
)
def test_what_can_not_be_done_is_a_usage_error(asyncload, options, more, message):
    """The whole bucket is never meant."""
    ended = asyncload("clean", *options, *more)
    assert ended.code == 2
    assert message in ended.err


def test_a_layout_with_the_date_first_is_cleaned_for_all_dates(asyncload, s3, options, layer):
    """Leftovers are from other days."""
    client, key = s3.client(), f"{layer}/2001/01/01/A/a.csv"
    client.create_multipart_upload(Bucket=s3.bucket, Key=key)
    layout = "{layer}/{date:%Y/%m/%d}/{dataset}/{path}"
    ended = asyncload("clean", *options, "--layout", layout, "--older-than", "0s", "--yes")
    assert ended.out.count("aborted: ") == 1
    assert s3.open_uploads(layer) == []
