"""Networks, proxies and addresses: faults N of the catalogue."""

from __future__ import annotations

import datetime as dt
import json
import time
from urllib.parse import urlsplit

import pytest
import trustme

from tests.faults.gate import gate_before
from tests.faults.lake import fail_always, fail_first
from tests.faults.proxy import Fault, Reply, proxy_before, s3_error
from tests.support.loads import write_files
from tests.support.servers import free_port
from tests.support.tls import authority, tls_for

__all__ = ["authority"]

WRITES = {"PutObject", "CreateMultipartUpload", "UploadPart"}
ALL = WRITES | {"ListObjectsV2", "HeadObject", "CompleteMultipartUpload"}
LANDED = {"a.csv": "uploaded", "l.csv": "uploaded"}


def check_it_passes(lake, fault, lane, operations=ALL, **options):
    """The first request for each thing meets the fault; all files land, whole."""
    landed = lake.load(fail_first(operations, fault), lane=lane, **options)
    assert landed.code == 0, landed.ended.out
    assert landed.statuses.keys() == LANDED.keys()
    retried = {call.operation for call in landed.proxy.calls if call.attempt == 2}
    assert retried >= operations - {"HeadObject"}
    return landed


BREAKS = {
    "n1-reset-in-the-head": Fault(cut_request=10),
    "n1-reset-in-the-body": Fault(cut_request=9_000),
    "n1-closed-in-the-body": Fault(cut_request=9_000, how="close"),
    "n1-reset-before-the-reply": Fault(cut_reply=0),
    "n1-closed-before-the-reply": Fault(cut_reply=0, how="close"),
    "n1-reset-in-the-reply": Fault(cut_reply=25),
    "n1-closed-in-the-reply": Fault(cut_reply=25, how="close"),
}


@pytest.mark.fault("N1")
@pytest.mark.parametrize("fault", BREAKS.values(), ids=BREAKS)
def test_a_connection_that_breaks_at_any_byte_costs_a_retry(lake, small_and_large, fault, lane):
    """In head, body or reply: the request is repeated; one that was done is recognised."""
    orphans = 1 if fault.cut_reply is not None else 0
    check_it_passes(lake, fault, lane, orphans=orphans)


SILENCE = {
    "n2-stops-reading": Fault(cut_request=2_000, how="stall"),
    "n3-no-reply": Fault(cut_reply=0, how="stall"),
    "n3-silence-in-the-reply": Fault(cut_reply=30, how="stall"),
    "n4-a-reply-byte-by-byte": Fault(trickle=20),
    "n5-half-closed-instead-of-a-reply": Fault(cut_reply=0, how="half-close"),
    "n5-half-closed-in-the-reply": Fault(cut_reply=30, how="half-close"),
}


@pytest.mark.fault("N2", "N3", "N4", "N5")
@pytest.mark.parametrize("fault", SILENCE.values(), ids=SILENCE)
def test_silence_meets_the_calls_deadline(lake, small_and_large, fault, lane, short_deadline):
    """A server that stops reading or answering is left after the deadline, and asked again."""
    orphans = 1 if fault.cut_request is None else 0
    check_it_passes(lake, fault, lane, orphans=orphans)


@pytest.mark.fault("N3")
def test_a_server_that_stays_silent_ends_the_run(lake, volume, lane, short_deadline):
    """Exit 6 after the last try, with the endpoint in the message: nothing hangs."""
    write_files(volume, {"a.csv": b"1"})
    landed = lake.load(fail_always("ListObjectsV2", Fault(cut_reply=0, how="stall")), lane=lane)
    assert landed.code == 6
    assert landed.proxy.url in landed.error["message"]
    assert landed.proxy.count("ListObjectsV2") == 10


@pytest.mark.fault("N6")
def test_no_request_expects_a_100_continue(lake, small_and_large, lane):
    """A server that never sends one can't make a call wait for it."""
    landed = lake.load(lane=lane)
    assert len(landed.proxy.calls) == 10
    assert not any("expect" in call.head.fields for call in landed.proxy.calls)


@pytest.mark.fault("N7")
def test_a_name_that_does_not_resolve_is_unavailable(lake, volume, lane):
    """Exit 6, with the endpoint in the message and what to check."""
    write_files(volume, {"a.csv": b"1"})
    landed = lake.load(None, "--allow-http", url="http://store.invalid:8333", lane=lane)
    assert landed.code == 6
    assert "store.invalid" in landed.error["message"]
    assert "--endpoint-url" in landed.error["hint"]


@pytest.mark.fault("N8")
def test_a_refused_connection_is_unavailable(lake, volume, lane):
    """Exit 6, after more than one try."""
    write_files(volume, {"a.csv": b"1"})
    url = f"http://127.0.0.1:{free_port()}"
    landed = lake.load(url=url, lane=lane)
    assert landed.code == 6
    assert url in landed.error["message"]


@pytest.mark.fault("N8")
def test_a_server_that_comes_up_meanwhile_is_used(lake, volume, spawn):
    """The preflight asks again: a run may be started a moment before its store."""
    write_files(volume, {"a.csv": b"1"})
    port = free_port()
    process = spawn(*lake.arguments(f"http://127.0.0.1:{port}"))
    # It is waited for for at least 8 s, from the start of the program.
    time.sleep(2)
    with proxy_before(lake.server.endpoint_url, port=port) as proxy:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert proxy.count("PutObject") == 1


YESTERDAY = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
LAST_WEEK = YESTERDAY - dt.timedelta(days=7)


@pytest.mark.fault("N9")
@pytest.mark.parametrize("wrong", ["untrusted", "expired", "wrong-host"])
def test_a_certificate_that_is_wrong_ends_the_run_at_once(lake, volume, authority, wrong, lane):
    """One handshake, no retry, no request: exit 5."""
    write_files(volume, {"a.csv": b"1"})
    tls = {
        "untrusted": lambda: tls_for(trustme.CA()),
        "expired": lambda: tls_for(authority, not_before=LAST_WEEK, not_after=YESTERDAY),
        "wrong-host": lambda: tls_for(authority, "elsewhere.example"),
    }[wrong]()
    landed = lake.load(proxy=lake.proxy(tls=tls), lane=lane)
    assert landed.code == 5
    assert "certificate" in landed.error["message"]
    assert landed.proxy.calls == []
    assert len(tls.handshakes) == 1


def break_handshake(alert):
    """Answer the client's hello with a fatal alert, or never."""
    return (lambda client: client.sendall(b"\x15\x03\x03\x00\x02\x02\x28")) if alert else id


@pytest.mark.fault("N10")
@pytest.mark.parametrize("alert", [True, False], ids=["alert", "stall"])
def test_a_handshake_that_fails_or_stalls_is_tried_again(
    lake, small_and_large, authority, alert, lane, monkeypatch
):
    """The third connection gets through, and all files land."""
    monkeypatch.setattr("asyncload.s3.opening._CONNECT_SECONDS", 0.4)
    monkeypatch.setattr("asyncload.s3.fast.connection._CONNECT_SECONDS", 0.4)
    proxy = lake.proxy(tls=tls_for(authority))
    with gate_before(urlsplit(proxy.url).port, 2, break_handshake(alert)) as (port, connections):
        landed = lake.load(proxy=proxy, url=f"https://127.0.0.1:{port}", lane=lane)
    assert (landed.code, landed.statuses) == (0, LANDED)
    assert len(connections) > 2


@pytest.mark.fault("N11")
def test_a_link_of_64_kib_a_second_is_slow_and_finishes(lake, volume, lane):
    """Its bytes have the time that they need: nothing is sent twice."""
    body = bytes(96 * 1024)
    write_files(volume, {"a.csv": body})
    landed = lake.load(fail_always("PutObject", Fault(rate=64 * 1024)), lane=lane)
    assert (landed.code, landed.statuses) == (0, {"a.csv": "uploaded"})
    assert landed.proxy.body_bytes["PutObject"] == len(body)


@pytest.mark.fault("N11")
def test_the_deadline_grows_with_the_bytes(lake, volume, lane, monkeypatch, short_deadline):
    """A body that takes longer than the time to answer is waited for, by its size."""
    write_files(volume, {"a.csv": bytes(1024 * 1024)})
    monkeypatch.setattr("asyncload.s3.requests._MIN_BYTES_PER_SECOND", 512 * 1024)
    landed = lake.load(fail_always("PutObject", Fault(rate=1024 * 1024)), lane=lane)
    assert landed.code == 0
    assert landed.proxy.count("PutObject") == 1


@pytest.mark.fault("N12")
def test_a_late_duplicate_of_a_part_is_harmless(lake, small_and_large, lane):
    """A part, and a put, that arrive twice make the same object."""
    landed = lake.load(fail_first({"UploadPart", "PutObject"}, Fault(twice=True)), lane=lane)
    assert landed.code == 0
    assert landed.statuses["l.csv"] == "uploaded"
    assert landed.proxy.passed["UploadPart"] == 6


@pytest.mark.fault("N13")
@pytest.mark.parametrize("operation", ["ListObjectsV2", "PutObject"])
def test_a_proxy_that_wants_a_login_ends_the_run(lake, volume, operation, lane, monkeypatch):
    """407 is about the way, not about a file: exit 5, with the variable that holds the login."""
    write_files(volume, {f"{n}.csv": b"1" for n in range(50)})
    proxy = lake.proxy(fail_always(operation, Fault(reply=Reply(407, b"<html>login</html>"))))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    options = ("--concurrency", 2, "--allow-http")
    landed = lake.load(None, *options, proxy=proxy, url="http://store.invalid", lane=lane)
    assert landed.code == 5
    assert "HTTP_PROXY" in landed.error["hint"]
    assert landed.proxy.count("PutObject") <= 4


@pytest.mark.fault("N13")
def test_a_proxy_that_wants_a_login_for_its_tunnel_ends_the_run(lake, volume, lane, monkeypatch):
    """The same where HTTPS is tunnelled through it."""
    write_files(volume, {"a.csv": b"1"})
    proxy = lake.proxy(lambda call: Fault(reply=Reply(407, b"login")))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    landed = lake.load(proxy=proxy, url="https://store.invalid", lane=lane)
    assert landed.code == 5
    assert "HTTPS_PROXY" in landed.error["hint"]
    assert len(proxy.calls) == 1


@pytest.mark.fault("N13")
def test_a_proxy_in_trouble_is_asked_again(lake, small_and_large, lane, monkeypatch):
    """Its 503 in HTML is not an answer of the store."""
    proxy = lake.proxy(fail_first(ALL, Fault(reply=Reply(503, b"<html>busy</html>")), times=2))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    landed = lake.load(None, "--allow-http", proxy=proxy, url="http://store.invalid", lane=lane)
    assert (landed.code, landed.statuses) == (0, LANDED)
    assert landed.proxy.count("ListObjectsV2") >= 3


@pytest.mark.fault("N14")
def test_a_bit_that_is_flipped_in_flight_is_found_and_mended(lake, small_and_large, lane):
    """The server's BadDigest shows it; the file is read and sent again."""
    fault = Fault(flip=12_345)
    landed = check_it_passes(lake, fault, lane, {"PutObject", "UploadPart"})
    assert landed.proxy.oracle.violations == []


@pytest.mark.fault("N1")
def test_a_manifest_whose_reply_breaks_off_is_read_again(lake, volume):
    """`verify` reads it in pieces, and each piece whole."""
    write_files(volume, {"a.csv": b"1"})
    proxy = lake.proxy()
    store = ("--bucket", lake.server.bucket, "--endpoint-url", proxy.url, "--layer", lake.layer)
    ended = lake.program("run", volume, *store, "--json")
    summary = json.loads(ended.out.splitlines()[-1].replace(":_", ":0"))
    proxy.decide = fail_first("GetObject", Fault(cut_reply=700))
    ended = lake.program("verify", *store, "--manifest", summary["manifest"])
    assert (ended.code, ended.out) == (0, "OK: 1 file matches (1 by CRC64NVME)\n")
    assert proxy.count("GetObject") >= 2


@pytest.mark.fault("N18")
@pytest.mark.parametrize("how", ["reset", "stall"])
def test_a_body_that_is_never_read_fails_its_file_alone(
    lake, small_and_large, lane, how, short_deadline
):
    """As where a proxy takes none of this size: the others land, and no upload stays open."""
    landed = lake.load(fail_always("UploadPart", Fault(cut_request=9_000, how=how)), lane=lane)
    assert (landed.code, landed.statuses) == (3, LANDED | {"l.csv": "failed"})
    error = landed.files["l.csv"]["error"]
    assert error["kind"] == "BodyUnanswered"
    assert "bodies of this size" in error["hint"]
    assert landed.open_uploads == []


@pytest.mark.fault("N18")
def test_a_store_that_takes_no_body_at_all_ends_the_run(lake, volume, lane):
    """After ten files in a row, not after all of them."""
    write_files(volume, {f"{n}.csv": b"%d" % n for n in range(60)})
    landed = lake.load(
        fail_always("PutObject", Fault(cut_request=10)), "--concurrency", "4", lane=lane
    )
    assert landed.code == 6
    assert "the last 10 failed after all retries" in landed.error["message"]
    assert "bodies of this size" in landed.error["hint"]


EARLY = {
    "500": Reply(500, b"<html>"),
    "503": s3_error(503, "SlowDown"),
    "broken-document": Reply(500, b"<Error><Code>Inter"),
}


@pytest.mark.fault("N15")
@pytest.mark.parametrize("answer", EARLY)
def test_a_refusal_before_the_body_was_read_is_an_answer(lake, small_and_large, answer, lane):
    """It passes: the body is sent again, by another connection, and all files land."""
    check_it_passes(lake, Fault(early=True, reply=EARLY[answer]), lane, WRITES)


@pytest.mark.fault("N15")
def test_a_success_before_the_body_was_read_proves_nothing(lake, small_and_large, lane):
    """The object is looked at, and is not there: its file is not called uploaded."""
    early = Fault(early=True, reply=Reply(200, headers={"ETag": '"early"'}))
    landed = lake.load(fail_first("PutObject", early), lane=lane)
    assert landed.code == 3
    assert landed.statuses == {"a.csv": "failed", "l.csv": "uploaded"}


MALFORMED = {
    "binary": Reply(raw=b"\0\1\2 this is not HTTP\r\n\r\n"),
    "status": Reply(raw=b"HTTP/1.1 two hundred\r\n\r\n"),
    "length": Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"),
    "chunks": Reply(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
    "another-protocol": Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
}


@pytest.mark.fault("N16")
@pytest.mark.parametrize("answer", MALFORMED)
def test_an_answer_that_is_not_http_counts_as_none(
    lake, small_and_large, answer, lane, short_deadline
):
    """Of any request: it is made again, by another connection."""
    check_it_passes(lake, Fault(reply=MALFORMED[answer]), lane)


@pytest.mark.fault("N17")
@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_end_is_given_up(lake, small_and_large, status, lane, short_deadline):
    """At the deadline at the latest; the request is made again.

    But for HEAD, whose answer ends with its head: it says that the object is of that size.
    """
    endless = Reply(status, headers={"content-length": "999999999999"}, endless=b"x" * 16_384)
    check_it_passes(lake, Fault(reply=endless), lane, ALL - {"HeadObject"})
