"""No output holds a secret or obeys a server: canaries and escapes in what each fault prints."""

from __future__ import annotations

import logging

import pytest

from tests.support.loads import AT_ONCE, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, Answer, error, put_accepted, scripted_s3

SECRET = "CANARY-secret-key-of-forty-characters-xx"
TOKEN = "CANARY-session-token//" + "x" * 200
OPTIONS = ("--bucket", "lake", "--date", "2022-05-02", "--region", "us-east-1")
# A server could try to fool a terminal with its texts.
ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202egnp\rerror: all is well"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setattr("asyncload.operations.bucket.PREFLIGHT", AT_ONCE)
    monkeypatch.setattr("asyncload.operations.bucket.RetryPolicy", lambda: AT_ONCE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@pytest.fixture
def logs():
    """All that is logged from here on, at any level, by any logger."""
    records = []

    class Keep(logging.Handler):
        def emit(self, record):
            records.append(self.format(record))

    handler, root = Keep(), logging.getLogger()
    levels = {}
    for name in (None, "botocore", "botocore.auth", "botocore.endpoint", "aiobotocore.httpsession"):
        levels[name] = logging.getLogger(name).level
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield records
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def tells_all(status, code):
    """Answer with an error that repeats all that the request held, as a debugging proxy may."""

    def answer(request):
        told = " ".join(f"{name}={value}" for name, value in request.headers.items())
        return error(status, code, f"you sent {told}", **{"x-amz-request-id": TOKEN})

    return answer


def after_listing(answer):
    return lambda request: EMPTY_LISTING if "list-type" in request.query else answer(request)


ANSWERS = {
    "403 to list": (tells_all(403, "InvalidAccessKeyId"), 5),
    "a code that is the token": (lambda request: error(403, TOKEN), 5),
    "a region that is the token": (
        lambda request: error(301, "PermanentRedirect", **{"x-amz-bucket-region": TOKEN}),
        5,
    ),
    "500 to list": (tells_all(500, "InternalError"), 6),
    "403 to put": (after_listing(tells_all(403, "AccessDenied")), 5),
    "400 to put": (after_listing(tells_all(400, "InvalidRequest")), 3),
    "503 to put": (after_listing(tells_all(500, "InternalError")), 3),
    "no error document": (after_listing(lambda request: Answer(418, TOKEN.encode())), 3),
    "no XML": (after_listing(lambda request: Answer(400, b"<Error>" + TOKEN.encode())), 3),
}


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("fault", ANSWERS)
def test_what_a_server_repeats_is_not_printed(asyncload, volume, logs, fault, json, monkeypatch):
    """In messages, in JSON, in logs of any level: the rest of its words are."""
    monkeypatch.setenv("ASYNCLOAD_TRACEBACK", "1")
    write_files(volume, {"a.csv": b"1"})
    answer, code = ANSWERS[fault]
    with scripted_s3(answer) as (url, requests):
        ended = asyncload(
            *("run", volume, *OPTIONS, "--endpoint-url", url), *(["--json"] if json else [])
        )
    assert (ended.code, bool(requests)) == (code, True)
    assert "CANARY" not in ended.out + ended.err + "".join(logs)
    if "to put" in fault or "to list" in fault:
        assert "you sent " in ended.out + ended.err


FAULTS = {
    "nobody there": (("--endpoint-url", "http://127.0.0.1:9"), {}, 6),
    "user and password": (("--endpoint-url", "http://u:CANARY@127.0.0.1:9"), {}, 2),
    "user and password by environment": (
        (),
        {"AWS_ENDPOINT_URL": "http://u:CANARY@127.0.0.1:9"},
        2,
    ),
    "no endpoint": ((), {"AWS_ENDPOINT_URL_S3": "http://u:CANARY@no host"}, 2),
    "a proxy": (
        ("--endpoint-url", "http://127.0.0.1:9"),
        {"HTTP_PROXY": "http://u:CANARY@127.0.0.1:9"},
        6,
    ),
    "no region": (("--region", "no region!"), {}, 2),
    "no bucket": (("--bucket", "arn:aws:s3:::lake"), {}, 5),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_are_reported_without_secrets(asyncload, volume, logs, fault, monkeypatch):
    """Nothing needs to be asked of a server for it."""
    write_files(volume, {"a.csv": b"1"})
    options, variables, code = FAULTS[fault]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ended = asyncload("run", volume, *OPTIONS, *options)
    assert ended.code == code, ended.err
    assert "CANARY" not in ended.out + ended.err + "".join(logs)


def test_a_good_run_logs_no_secret(asyncload, volume, logs):
    """However much of it is logged."""
    write_files(volume, {"a.csv": b"1", "l.csv": bytes(17 * 1024 * 1024)})
    with scripted_s3(after_listing(accept_or_fail)) as (url, _):
        asyncload("run", volume, *OPTIONS, "--endpoint-url", url, "--no-fast-lane")
    assert "CANARY" not in "".join(logs)


def accept_or_fail(request):
    return put_accepted(request) if "x-amz-checksum-crc64nvme" in request.headers else Answer(404)


def test_an_internal_errors_traceback_holds_no_secret_and_no_escape(asyncload, volume, monkeypatch):
    """`ASYNCLOAD_TRACEBACK` prints what is to be pasted into a report."""
    from asyncload.cli import run

    def breaks(*arguments, **options):
        raise ZeroDivisionError(f"{SECRET} {TOKEN} \x1b[2J")

    monkeypatch.setattr(run, "load", breaks)
    monkeypatch.setenv("ASYNCLOAD_TRACEBACK", "1")
    ended = asyncload("run", volume, *OPTIONS)
    assert "Traceback (most recent call last):" in ended.err
    assert ended.err.count("ZeroDivisionError: *** *** \\x1b[2J") == 2
    assert "CANARY" not in ended.err
    assert "\x1b" not in ended.err
    assert ended.code == 1


def test_a_short_secret_of_a_toy_takes_no_word_from_a_message(asyncload, volume, monkeypatch):
    """`testing` is moto's."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "")
    write_files(volume, {"testing.csv": b"1"})
    with scripted_s3(after_listing(lambda request: error(400, "X", "testing"))) as (url, _):
        ended = asyncload("run", volume, *OPTIONS, "--endpoint-url", url)
    assert "failed: testing.csv -> s3://lake/Raw/Local/CSV/Testing/" in ended.out
    assert "X: testing (request id REQ1)" in ended.out


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("status", [400, 403, 500])
def test_what_a_server_says_can_not_command_a_terminal(asyncload, volume, status, json):
    """Escapes, overlong words and faked lines in message, code and request id."""
    write_files(volume, {"a\x1b[2Jb.csv": b"1", "a.csv": b"1", "x\x1b[2J.csv.tmp": b""})
    references = (
        "".join(f"&#{ord(char)};" for char in ESCAPES if ord(char) > 31) + "&#13;&#10;x" * 9
    )
    answer = error(status, "Odd\u202e", f"{references} {'long ' * 5000}")
    with scripted_s3(after_listing(lambda request: answer)) as (url, _):
        ended = asyncload(
            *("run", volume, *OPTIONS, "--endpoint-url", url), *(["--json"] if json else [])
        )
    printed = ended.out + ended.err
    assert "Odd" in printed
    assert not any(char in printed for char in "\x1b\x07\u202e\r")
    assert all(len(line) < 3000 for line in printed.splitlines())
    assert "\nerror: all is well" not in printed


def test_names_are_escaped_wherever_they_are_printed(asyncload, volume):
    """Left-out lines, plans, failures: a name can't command a terminal either."""
    write_files(volume, {"a\x1b[2Jb.csv": b"1", "x\x1b[2J.csv.tmp": b"", "\u202evsc.csv": b"1"})
    (volume / "l\x1b[2J.csv").symlink_to("nowhere")
    for extra in ([], ["--dry-run"], ["--dry-run", "--json"]):
        with scripted_s3(after_listing(put_accepted)) as (url, _):
            ended = asyncload("run", volume, *OPTIONS, "--endpoint-url", url, *extra)
        printed = ended.out + ended.err
        assert ended.code == 3
        assert "1b[2J" in printed
        assert not any(char in printed for char in "\x1b\u202e")
