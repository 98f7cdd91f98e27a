"""Kind H: lane and client get the same answers, make the same requests, and end alike."""

from __future__ import annotations

import hashlib
import json
from functools import partial

import pytest

from asyncload.errors import StoreError
from asyncload.model.checksums import crc64nvme, crc64nvme_checksum
from asyncload.model.values import ObjectKey
from asyncload.s3 import S3Options, open_store
from asyncload.s3.meanings import _MEANINGS
from asyncload.store.limits import AdaptiveLimit
from asyncload.store.retries import RetryingStore, RetryPolicy
from asyncload.transfer import TransferPolicy
from tests.faults.lake import DATE, LEAST
from tests.integration.test_lane import accept_all
from tests.support.loads import write_files
from tests.support.scripted_s3 import Answer, error, scripted_s3

STATUSES = (300, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 407, 408, 409, 410)
STATUSES += (411, 412, 413, 414, 416, 417, 418, 421, 428, 429, 431, 451)
STATUSES += (500, 501, 502, 503, 504, 505, 507, 509, 520, 599)
CODES = {code for code in _MEANINGS if not code.isdigit()}
# The answer's Date would be another one each time.
CODES -= {"RequestTimeTooSkewed"}
CODES |= {"InternalError", "ServiceUnavailable", "TooManyRequests", "EntityTooLarge"}
CODES |= {"InvalidRequest", "MethodNotAllowed", "KMS.DisabledException", "OperationAborted"}
CODES |= {"MissingContentLength", "KeyTooLongError", "NewlyInvented"}
HTML = b"<html><body>gateway</body></html>"
XHTML = b"<html xmlns='http://www.w3.org/1999/xhtml'><head/><body>no</body></html>"
OUTSIDE = b"<Error xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Code>SlowDown</Code></Error>"
OTHER_REST = (
    b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>m</Message></Error>"
    b"<RequestId>R</RequestId></ErrorResponse>"
)


def cut(status, body, length):
    """An answer that promises a longer body than it has."""
    head = f"HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n".encode()
    return Answer(raw=head + body)


def until_close(status, body, version="1.0", headers=""):
    """An answer whose body ends with the connection."""
    return Answer(raw=f"HTTP/{version} {status} x\r\n{headers}\r\n".encode() + body)


SLOW_DOWN = error(503, "SlowDown").body
STATUS_ANSWERS = {f"status {status}": Answer(status) for status in STATUSES}
HTML_ANSWERS = {f"{status} in HTML": Answer(status, HTML) for status in STATUSES if status > 304}
CODE_ANSWERS = {f"400 {code}": error(400, code) for code in sorted(CODES)}
OTHERS = {
    "403 AccessDenied": error(403, "AccessDenied"),
    "403 NewlyInvented": error(403, "NewlyInvented"),
    "403 RequestTimeTooSkewed": error(
        403, "RequestTimeTooSkewed", Date="Thu, 01 Jan 1970 00:00:00 GMT"
    ),
    "301 with its region": error(301, "PermanentRedirect", **{"x-amz-bucket-region": "sa-east-1"}),
    "400 with its region": error(
        400, "AuthorizationHeaderMalformed", extra="<Region>sa-east-1</Region>"
    ),
    "307 elsewhere": Answer(307, b"", {"Location": "http://127.0.0.1:9/"}),
    "501 naming a header": error(501, "NotImplemented", extra="<Header>If-None-Match</Header>"),
    "403 naming an action": error(403, "AccessDenied", "is not authorized to perform: kms:Decrypt"),
    "500 asking to wait": error(500, "InternalError", **{"Retry-After": "0"}),
    "503 until": error(503, "SlowDown", **{"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    "400 in XHTML": Answer(400, XHTML),
    "503 in another namespace": Answer(503, OUTSIDE),
    "403 of another service": Answer(403, OTHER_REST),
    "400 with an empty code": Answer(400, b"<Error><Code/><Message/></Error>"),
    "400 with nothing in it": Answer(400, b"<Error/>"),
    "400 with nested words": Answer(
        400, b"<Error><Code><a>b</a></Code><Message><c/>d</Message></Error>"
    ),
    "400 with two codes": Answer(400, b"<Error><Code>A</Code><Code>B</Code></Error>"),
    "400 cut off in its XML": Answer(400, b"<Error><Code>SlowDown</Co"),
    "400 of no XML": Answer(400, b"\x00\xff\xfe{}"),
    "400 with a code in its header only": Answer(400, b"", {"x-amz-request-id": "REQ2"}),
    "an error in a 200": Answer(200, error(200, "InternalError").body),
    "a denial in a 200": Answer(200, error(200, "AccessDenied").body),
    "a slow down in a 200": Answer(200, SLOW_DOWN),
    "another document in a 200": Answer(200, b"<Fine/>", {"ETag": '"e"'}),
    "garbage in a 200": Answer(200, b"\0garbage"),
    "HTML in a 200": Answer(200, HTML),
    "garbage in a 201": Answer(201, b"\0garbage"),
    "an error in a 202": Answer(202, error(202, "InternalError").body),
    "200 without an ETag": Answer(200),
    "201 without an ETag": Answer(201),
    "204 without an ETag": Answer(204),
    "206 without an ETag": Answer(206),
    "200 with an ETag of nothing": Answer(200, b"", {"ETag": ""}),
    "200 with another checksum": Answer(
        200, b"", {"ETag": '"e"', "x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}
    ),
    "200 with the checksum of parts": Answer(
        200, b"", {"ETag": '"e"', "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=-3"}
    ),
    "200 with a composite checksum": Answer(
        200,
        b"",
        {
            "ETag": '"e"',
            "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=",
            "x-amz-checksum-type": "COMPOSITE",
        },
    ),
    "503 of HTTP/1.0": until_close(503, SLOW_DOWN),
    "503 until the end": until_close(503, SLOW_DOWN, "1.1", "Connection: close\r\n"),
    "503 in chunks": Answer(
        raw=b"HTTP/1.1 503 x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%s\r\n0\r\n\r\n" % (len(SLOW_DOWN), SLOW_DOWN)
    ),
    "503 after other words": Answer(
        raw=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
        % (len(SLOW_DOWN), SLOW_DOWN)
    ),
    "101": Answer(raw=b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
    "101 to nothing": Answer(raw=b"HTTP/1.1 101 x\r\nConnection: close\r\n\r\n"),
    "a header in Latin-1": Answer(
        raw=b"HTTP/1.1 503 x\r\nServer: caf\xe9\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ),
}
BREAKS = {
    "no answer": Answer(raw=b""),
    "cut in its status": Answer(raw=b"HTTP/1.1 2"),
    "cut in its head": Answer(raw=b"HTTP/1.1 200 OK\r\nETag: "),
    "cut in its body": cut(503, SLOW_DOWN[:50], len(SLOW_DOWN)),
    "cut success": cut(200, b"<a", 99),
    "cut in a chunk": Answer(raw=b"HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n<Err"),
    "garbage": Answer(raw=b"\0\1\2\r\n\r\n"),
    "another protocol": Answer(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a length of nonsense": Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
    "a head without end": Answer(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000),
}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


TRIES = 3
QUICK = RetryPolicy(attempts=TRIES, first_wait=0.0001, max_wait=0.0002, max_asked_wait=0.0)
# Given so often, an answer outlasts all tries.
ALWAYS = TRIES + 1
BODY = b"1|2\n" * 9


def describe(request):
    """What was asked for, on what condition, and with which bytes."""
    named = ("if-", "x-amz-checksum", "x-amz-sdk", "content-")
    conditions = {name: text for name, text in request.headers.items() if name.startswith(named)}
    query = {name: value for name, value in request.query.items() if name != "uploadId"}
    body = hashlib.sha256(request.body).hexdigest()
    return request.method, request.path, query, conditions, body


async def ask(store, operation):
    """What a put or a part ends in: a result, or all that the error says."""
    key, checksum = ObjectKey("Raw/a b.csv"), crc64nvme_checksum(crc64nvme(BODY))
    try:
        if operation == "PutObject":
            result = await store.put(key, BODY, checksum, create_only=True)
        else:
            result = await store.upload_part(key, "u/1+=", 7, BODY, checksum)
    except StoreError as error:
        facts = type(error).__name__, error.code, error.status, error.request_id, error.retry_after
        return (*facts, error.message, error.hint)
    else:
        return result.etag, result.checksum


async def ends_of(answers, operation, lane):
    """How each answer, given once and given always, ends: the result and the requests."""
    ends, current = {}, {}

    def script(request):
        current["requests"].append(describe(request))
        given = len(current["requests"]) <= current["times"]
        return current["answer"] if given else accept_all(request)

    with scripted_s3(script) as (url, _):
        # By `auto` a first refusal may be met by a request without checksums.
        options = S3Options(
            "lake", connections=1, endpoint_url=url, fast_lane=lane, checksum="crc64nvme"
        )
        async with open_store(options) as opened:
            store = RetryingStore(opened, limit=AdaptiveLimit(1), retries=QUICK)
            for name, answer in answers.items():
                for times in (1, ALWAYS):
                    current |= {"answer": answer, "times": times, "requests": []}
                    result = await ask(store, operation)
                    text = tuple(
                        part.replace(url, "URL") if isinstance(part, str) else part
                        for part in result
                    )
                    ends[name, times] = text, current["requests"]
    return ends


def differences(lane, client):
    """The cases in which lane and client do not end alike."""
    return {name: (end, client[name]) for name, end in lane.items() if end != client[name]}


OPERATIONS = pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])


GROUPS = {"statuses": STATUS_ANSWERS, "html": HTML_ANSWERS, "codes": CODE_ANSWERS, "others": OTHERS}


@OPERATIONS
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.fault("H1", "H3", "H4")
async def test_every_answer_means_the_same_to_lane_and_client(group, operation):
    """As many requests, on the same conditions; the same result, or the same error to a word."""
    lane, client = [await ends_of(GROUPS[group], operation, lane) for lane in (True, False)]
    assert differences(lane, client) == {}
    # Given once, it costs one more body at the most; only throttling has more tries than others.
    bodies = {end: sum(asked[0] == "PUT" for asked in lane[end][1]) for end in lane}
    assert {count for (_, times), count in bodies.items() if times == 1} <= {1, 2}
    assert max(bodies.values()) <= ALWAYS + 1


@OPERATIONS
@pytest.mark.fault("H1", "H2")
async def test_an_answer_that_breaks_off_costs_lane_and_client_one_try(operation):
    """Each try is one body, then a look at the key; each library has words for what broke."""
    lane, client = [await ends_of(BREAKS, operation, lane) for lane in (True, False)]
    for ends in (lane, client):
        for (name, times), (result, requests) in list(ends.items()):
            methods = [request[0] for request in requests]
            tries = min(times + 1, TRIES)
            assert methods[:tries] == ["PUT"] * tries, name
            # If there was no answer at all.
            assert methods[tries:] in ([], ["HEAD"][: times // ALWAYS]), name
            if times > 1:
                words = result[5].partition(operation)[0]
                ends[name, times] = (*result[:5], words, result[6]), requests
    assert differences(lane, client) == {}


@pytest.fixture
def run(asyncload, volume, monkeypatch):
    """Load one file into a scripted server; returns exit code, records and requests."""
    smaller = partial(TransferPolicy, put_limit=LEAST, part_size=LEAST)
    monkeypatch.setattr("asyncload.operations.running.TransferPolicy", smaller)
    options = ("--date", DATE, "--json", "--no-manifest", "--concurrency", 1)

    def load(fault, path, lane):
        write_files(volume, {path: bytes(10 if path == "a.csv" else LEAST + 16)})
        way = () if lane else ("--no-fast-lane",)
        with scripted_s3(lambda r: fault if r.method == "PUT" else accept_all(r)) as (url, asked):
            ended = asyncload(
                "run", volume, "--bucket", "lake", "--endpoint-url", url, *options, *way
            )
        text = ended.out.replace(url, "URL").replace('"seconds":_', '"seconds":0')
        records = [json.loads(line) for line in text.splitlines()]
        for record in records:
            for name in ("run_id", "started", "finished", "seconds"):
                record.pop(name, None)
        return ended.code, records, [describe(request) for request in asked]

    return load


PROGRAM = {
    "403 AccessDenied": 5,
    "400 InvalidRequest": 3,
    "307 elsewhere": 5,
    "an error in a 200": 3,
    "404 in HTML": 3,
    "200 without an ETag": 3,
}


@pytest.mark.parametrize("path", ["a.csv", "l.csv"], ids=["put", "part"])
@pytest.mark.parametrize("answer", PROGRAM)
@pytest.mark.fault("H1")
def test_a_run_ends_alike_with_the_lane_and_without(run, answer, path):
    """Exit code, records and requests of the program, where every put is answered so."""
    answers = HTML_ANSWERS | CODE_ANSWERS | OTHERS
    lane, client = (run(answers[answer], path, lane) for lane in (True, False))
    assert lane == client
    assert lane[0] == PROGRAM[answer]
