"""A day's work, tried as its users do: numbers that are true, counts instead of storms."""

from __future__ import annotations

import pytest

from tests.support.loads import write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, put_accepted, scripted_s3
from tests.support.vocabulary import check_lines

MB = 1_000_000
FILES = 200
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
def test_bytes_that_the_store_took_are_reported_though_the_file_failed(run, volume):
    """They went over the network; that nothing came of it is another number."""
    write_files(volume, {"large.csv": bytes(21 * MB)})
    ended, _ = run(refuses_complete, "--json")
    summary = check_lines(ended.out)[-1]
    assert (summary["uploaded"], summary["failed"]) == (0, 1)
    assert summary["bytes_sent"] == 21 * MB
    ended, _ = run(refuses_complete)
    assert "0 of 1 file is in the raw zone: 1 failed (21.0 MB sent in" in ended.out


@pytest.mark.fault("G10")
def test_nothing_is_said_to_be_in_the_raw_zone_that_is_not(run, volume):
    """No file was uploaded, and no record could be written, either."""
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


class Shared:
    """A store of small objects; the first put of each key comes second to another run's."""

    def __init__(self, answer, *, kept=True):
        self.answer = answer
        self.kept = kept
        self.lost = {}

    def __call__(self, request):
        if request.method == "GET":
            return EMPTY_LISTING
        if request.method == "HEAD":
            return self._describe(self.lost.get(request.path))
        if "/Raw/" in request.path and request.path not in self.lost:
            self.lost[request.path] = request
            return self.answer
        return put_accepted(request)

    def _describe(self, put):
        if put is None or not self.kept:
            return Answer(404)
        headers = {
            "ETag": '"opaque"',
            "Last-Modified": "Mon, 02 May 2022 12:00:00 GMT",
            "x-amz-checksum-crc64nvme": put.headers["x-amz-checksum-crc64nvme"],
            "x-amz-checksum-type": "FULL_OBJECT",
        }
        # A description has no body; its length is that of the object.
        return Answer(200, put.body, headers)


@pytest.mark.fault("I15")
@pytest.mark.parametrize(
    "answer",
    [error(412, "PreconditionFailed"), error(409, "ConditionalRequestConflict")],
    ids=["taken", "conflict"],
)
def test_the_second_of_two_runs_asks_once_for_each_file(run, volume, answer):
    """A body and a HEAD: it neither waits nor sends again, nor has fewer requests at once."""
    write_files(volume, {f"d/{n:03}.csv": b"1" for n in range(FILES)})
    ended, requests = run(Shared(answer), "--json")
    summary = check_lines(ended.out)[-1]
    assert (ended.code, summary["unchanged"]) == (0, FILES)
    made = [request.method for request in requests if "/Raw/" in request.path]
    assert (made.count("PUT"), made.count("HEAD")) == (FILES, FILES)
    assert summary["retries"] == 0
    assert "throttled" not in ended.err


@pytest.mark.fault("I15", "I22")
def test_a_conflict_without_an_object_is_put_again(run, volume):
    """The other writer gave up; the second put lands the file."""
    write_files(volume, {"a.csv": b"1"})
    store = Shared(error(409, "ConditionalRequestConflict"), kept=False)
    ended, requests = run(store, "--json")
    summary = check_lines(ended.out)[-1]
    assert (ended.code, summary["uploaded"], summary["retries"]) == (0, 1, 1)
    made = [request.method for request in requests if "/Raw/" in request.path]
    # A partition of one file is not listed: its key is asked for first.
    assert made == ["HEAD", "PUT", "HEAD", "PUT"]


@pytest.mark.fault("I6")
def test_conflicts_cost_no_request_each(run, volume):
    """The listing has shown that they hold other bytes: so few lines, so few requests."""
    write_files(volume, {f"d/{n:03}.csv": b"12" for n in range(FILES)})
    listed = "".join(
        f"<Contents><Key>Raw/Local/CSV/D/2022/05/02/{n:03}.csv</Key><Size>7</Size>"
        '<ETag>"opaque"</ETag></Contents>'
        for n in range(FILES)
    )
    listing = Answer(
        200,
        f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>".encode(),
    )

    def answer(request):
        return listing if request.method == "GET" else put_accepted(request)

    ended, requests = run(answer)
    assert ended.code == 3
    assert [r.method for r in requests if "/Raw/" in r.path] == []
    assert len(ended.out.splitlines()) < 50
    assert f"and {FILES - 20} more failed in the same way (ObjectConflict)" in ended.out
