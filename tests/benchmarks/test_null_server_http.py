"""The null server's HTTP: what boto3 does not send, byte by byte."""

from __future__ import annotations

import hashlib
import http.client
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

SIGNATURE = b";chunk-signature=" + b"0" * 64


def connect(server):
    return closing(socket.create_connection(urlsplit(server.url).netloc.split(":"), timeout=10))


def answer_on(connection) -> tuple[int, dict[str, str], bytes]:
    answer = http.client.HTTPResponse(connection)
    try:
        answer.begin()
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    finally:
        answer.close()


def digests_of(server, key):
    return server.stats(objects=True)["contents"][key]["digests"]


def put(path: str, *headers: str) -> bytes:
    return "\r\n".join((f"PUT {path} HTTP/1.1", "Host: x", *headers, "", "")).encode()


@pytest.mark.parametrize("trailer", [b"", b"x-amz-checksum-crc64nvme:AAAAAAAAAAA=\r\n"])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_aws_chunks_of_a_known_length_are_decoded(server, trailer, step):
    body = (
        b"5" + SIGNATURE + b"\r\nhello\r\n6" + SIGNATURE + b"\r\n world\r\n"
        b"0" + SIGNATURE + b"\r\n" + trailer + b"\r\n"
    )  # fmt: skip
    request = put(
        "/lake/a",
        "Content-Encoding: aws-chunked",
        "X-Amz-Content-SHA256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "X-Amz-Decoded-Content-Length: 11",
        f"Content-Length: {len(body)}",
    )
    with connect(server) as connection:
        for start in range(0, len(request + body), step):
            connection.sendall((request + body)[start : start + step])
        status, headers, _ = answer_on(connection)
    assert status == 200
    assert digests_of(server, "lake/a") == [[11, hashlib.sha256(b"hello world").hexdigest()]]
    assert headers.get("x-amz-checksum-crc64nvme") == ("AAAAAAAAAAA=" if trailer else None)


def test_aws_chunks_inside_http_chunks_are_decoded(server):
    inner = b"b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    outer = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (7, inner[:7], len(inner) - 7, inner[7:])
    request = put("/lake/a", "Content-Encoding: aws-chunked", "Transfer-Encoding: chunked")
    with connect(server) as connection:
        connection.sendall(request + outer)
        status, headers, _ = answer_on(connection)
    assert (status, headers["x-amz-checksum-crc32"]) == (200, "AAAAAA==")
    assert digests_of(server, "lake/a") == [[11, hashlib.sha256(b"hello world").hexdigest()]]


def test_a_client_that_waits_for_100_continue_gets_it(server):
    with connect(server) as connection:
        connection.sendall(put("/lake/a", "Content-Length: 5", "Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert answer_on(connection)[0] == 200


def test_a_connection_serves_many_requests_and_closes_when_asked_to(server):
    with connect(server) as connection:
        for number in range(3):
            connection.sendall(put(f"/lake/{number}", "Content-Length: 1") + b"x")
            assert answer_on(connection)[0] == 200
        connection.sendall(put("/lake/last", "Content-Length: 0", "Connection: close"))
        assert answer_on(connection)[1]["connection"] == "close"
        assert connection.recv(1) == b""
    assert server.stats()["objects"] == 4


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"PUT /a/b HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"PUT /a/b HTTP/1.1\r\nContent-Encoding: aws-chunked\r\nContent-Length: 3\r\n\r\n5\r\n",
        b"x" * 70_000,
    ],
    ids=["no HTTP", "no length", "no chunk size", "half a chunk", "endless head"],
)
def test_garbage_is_answered_with_400_and_the_next_client_is_served(server, client, request_bytes):
    with connect(server) as connection:
        connection.sendall(request_bytes)
        assert answer_on(connection)[0] == 400
    client.put_object(Bucket="lake", Key="a", Body=b"1")
    assert server.stats()["objects"] == 1


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_no_object(server, client):
    with connect(server) as connection:
        connection.sendall(put("/lake/half", "Content-Length: 1000000") + b"x" * 1000)
    client.put_object(Bucket="lake", Key="a", Body=b"1")
    assert list(server.stats(objects=True)["contents"]) == ["lake/a"]
