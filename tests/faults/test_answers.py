"""Answers that make no sense, have no end, or lead in a circle: through the real program."""

from __future__ import annotations

import re
import resource
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asyncload.errors import EndlessListing
from asyncload.s3.answers import MAX_ANSWER
from asyncload.store.protocol import MAX_EMPTY_PAGES, Page, pages_of
from tests.faults.lake import fail_always, fail_first
from tests.faults.proxy import Fault, Reply, s3_error
from tests.support.loads import write_files

LANDED = {"a.csv": "uploaded", "l.csv": "uploaded"}


def other_body(change):
    return Fault(rewrite=lambda reply: Reply(reply.status, change(reply.body), dict(reply.headers)))


def other_headers(**headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(rewrite=lambda reply: Reply(reply.status, reply.body, dict(reply.headers) | named))


def without(tag):
    element = re.compile(rb"<%b>.*?</%b>" % (tag, tag), re.DOTALL)
    return other_body(lambda body: element.sub(b"", body))


MALFORMED = {
    "no-upload-id": ("CreateMultipartUpload", without(b"UploadId")),
    "no-xml": ("CreateMultipartUpload", other_body(lambda body: body[:40])),
    "error-in-200": ("CreateMultipartUpload", Fault(reply=Reply(200, s3_error(500, "X").body))),
    "date-of-head": ("HeadObject", other_headers(last_modified="yesterday")),
    "length-of-head": ("HeadObject", other_headers(content_length="-5")),
    "interim": ("UploadPart", Fault(reply=Reply(101))),
    "no-content": ("UploadPart", Fault(reply=Reply(204))),
    "partial": ("PutObject", Fault(reply=Reply(206))),
    "checksum": ("PutObject", other_headers(x_amz_checksum_crc64nvme="?")),
    "truncated": (
        "ListMultipartUploads",
        other_body(lambda body: body.replace(b">false</Is", b">true</Is")),
    ),
    "uploads-html": ("ListMultipartUploads", Fault(reply=Reply(200, b"<html></html>"))),
    "objects-empty": ("ListObjectsV2", Fault(reply=Reply(200, b""))),
    "objects-204": ("ListObjectsV2", Fault(reply=Reply(204))),
}


@pytest.mark.fault("C5")
@pytest.mark.parametrize("case", MALFORMED)
def test_an_answer_that_makes_no_sense_is_asked_for_again(lake, small_and_large, case, lane):
    """Once it makes sense all files land."""
    operation, fault = MALFORMED[case]
    orphans = operation == "CreateMultipartUpload"
    landed = lake.load(fail_first(operation, fault), lane=lane, orphans=orphans)
    assert landed.code == 0, landed.ended
    assert landed.statuses.keys() == LANDED.keys()
    assert landed.proxy.count(operation) > 1


# The object is there, and described by another request; what is not there has no date.
HARMLESS = {"checksum", "date-of-head"}


@pytest.mark.fault("C5")
@pytest.mark.parametrize("case", sorted(MALFORMED.keys() - HARMLESS))
def test_answers_that_never_make_sense_fail_what_they_are_about(lake, small_and_large, case, lane):
    """The file whose request it is, or the run that can't list its bucket; the request is named."""
    operation, fault = MALFORMED[case]
    orphans = 10 if operation == "CreateMultipartUpload" else 0
    landed = lake.load(fail_always(operation, fault), lane=lane, orphans=orphans)
    failed = [record for record in landed.files.values() if record["status"] == "failed"]
    error = failed[0]["error"] if failed else landed.error
    assert landed.code == (3 if failed else 6), landed.ended
    assert error["kind"] == "ServerError"
    assert operation in error["message"]
    assert error["hint"]
    if failed:
        assert failed[0]["key"] in error["message"]
    else:
        assert operation.startswith("List")


@pytest.mark.fault("C5")
@pytest.mark.parametrize("operation", ["PutObject", "CompleteMultipartUpload", "HeadObject"])
def test_412_to_a_request_without_a_condition_fails_its_file(
    lake, small_and_large, operation, lane
):
    """By --overwrite nothing is asked that could fail so; the run is not over, and others land."""
    odd = Fault(reply=s3_error(412, "PreconditionFailed"))
    landed = lake.load(fail_always(operation, odd), "--overwrite", lane=lane)
    if operation == "HeadObject":
        # It does not describe the key: the puts decide.
        assert (landed.code, landed.statuses) == (0, LANDED)
        return
    path = "a.csv" if operation == "PutObject" else "l.csv"
    assert (landed.code, landed.statuses) == (3, LANDED | {path: "failed"})
    error = landed.files[path]["error"]
    assert (error["kind"], error["http_status"]) == ("RequestRejected", 412)
    assert error["hint"]


@contextmanager
def endless_server(length=None):
    """Answer every request with spaces, without an end or, if told, with so many."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response_only(200)
            if length is None:
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            sent = 0
            while length is None or sent < length:
                sent += self.wfile.write(b" " * 65536)
                served.append(65536)

        def log_message(self, *arguments):
            pass

    served = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *arguments: None
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.fault("C8")
@pytest.mark.parametrize("length", [None, 600 * 1024 * 1024], ids=["endless", "600MB"])
@pytest.mark.parametrize("command", ["run", "verify", "clean"])
def test_a_listing_that_has_no_end_is_an_error_in_flat_memory(
    asyncload, volume, monkeypatch, length, command
):
    """No more of an answer is read than the largest one that S3 can give."""
    write_files(volume, {"a.csv": b"1"})
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with endless_server(length) as (url, served):
        arguments = [volume] if command != "clean" else []
        ended = asyncload(command, *arguments, "--bucket", "lake", "--endpoint-url", url)
    assert ended.code == 6
    assert "the answer to ListObjectsV2" in ended.err
    assert "larger than 8 MiB" in ended.err
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * 1024 < 10 * MAX_ANSWER
    # What was on its way when the connection was closed comes on top.
    assert sum(served) < 20 * 3 * MAX_ANSWER


PAGE = '<?xml version="1.0"?><{0}><IsTruncated>true</IsTruncated>{1}</{0}>'


def page(kind, marker, items=""):
    """A page of a listing that continues at a marker."""
    named = {
        "ListBucketResult": f"<NextContinuationToken>{marker}</NextContinuationToken>",
        "ListMultipartUploadsResult": f"<NextKeyMarker>{marker}</NextKeyMarker>",
        "ListPartsResult": f"<NextPartNumberMarker>{marker}</NextPartNumberMarker>",
    }[kind]
    return Reply(200, PAGE.format(kind, named + items).encode(), {"content-type": "text/xml"})


KINDS = {
    "ListObjectsV2": "ListBucketResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
}


@pytest.mark.fault("A8")
@pytest.mark.parametrize("operation", KINDS)
@pytest.mark.parametrize("cycle", [1, 2, 3])
def test_a_listing_that_leads_in_a_circle_ends_the_run(
    lake, small_and_large, volume, operation, cycle, lane
):
    """Its marker stays, or comes again after others: objects, uploads and parts alike."""
    write_files(volume, {f"d/{n}.csv": b"1" for n in range(9)})
    if operation == "ListParts":
        key = f"{lake.layer}/Local/CSV/L/2022/05/02/l.csv"
        lake.server.client().create_multipart_upload(Bucket=lake.server.bucket, Key=key)
    pages = iter(range(10**6))

    def decide(call):
        if call.operation != operation:
            return None
        return Fault(reply=page(KINDS[operation], next(pages) % cycle + 1))

    landed = lake.load(decide, lane=lane, orphans=1)
    assert landed.code == 5, landed.ended
    assert landed.error["kind"] == "EndlessListing"
    assert landed.error["hint"]
    assert landed.proxy.count(operation) <= cycle + 4


@pytest.mark.fault("A13")
async def test_pages_that_come_again_under_other_markers_end_a_listing():
    """A store that ignores the marker it is given, and makes up another one each time."""
    asked = []

    async def ask(after):
        asked.append(after)
        return Page(["a", "b"], f"t{len(asked)}")

    with pytest.raises(EndlessListing):
        [items async for items in pages_of(ask)]
    assert len(asked) == 2


@pytest.mark.fault("A13")
async def test_empty_pages_may_follow_each_other_but_not_for_ever():
    """S3 may answer with pages that hold nothing."""
    asked = []

    async def ask(after):
        asked.append(after)
        return Page([], f"t{len(asked)}" if len(asked) < last else None)

    last = MAX_EMPTY_PAGES
    assert [items async for items in pages_of(ask)] == [[]] * last
    asked.clear()
    last = 10**6
    with pytest.raises(EndlessListing):
        [items async for items in pages_of(ask)]
    assert len(asked) == MAX_EMPTY_PAGES + 1
