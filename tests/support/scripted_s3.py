"""An S3 server on loopback whose answers a test writes: for what real servers won't say."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.observed import observe


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """An answer with the length of its body; `raw` is sent in its place as it is, then the end."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


def error(status, code, message="as the test wants it", extra="", **headers):
    """An S3 error document."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Error><Code>{code}</Code><Message>{message}</Message>{extra}"
        "<RequestId>REQ1</RequestId></Error>"
    )
    return Answer(status, body.encode(), {"x-amz-request-id": "REQ1", **headers})


EMPTY_LISTING = Answer(
    200,
    b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
)


def put_accepted(request):
    """What S3 answers to a put: the checksum it was sent. To a look at the key: nothing there."""
    if request.method == "HEAD":
        return Answer(404)
    checksum = request.headers["x-amz-checksum-crc64nvme"]
    return Answer(200, b"", {"ETag": '"opaque"', "x-amz-checksum-crc64nvme": checksum})


def _read_body(stream, length):
    """Read a body; records in it are held to their schemas."""
    body = stream.read(length)
    # The sender may have been killed.
    if len(body) == length:
        observe(body)
    return body


@contextmanager
def scripted_s3(
    answer: Callable[[Request], Answer], tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[Request]]]:
    """Serve with `answer`; yields the endpoint's URL and the requests it has had.

    That the store keeps its promises is remembered in it, so that no run probes it; the request for
    that is neither for the test to answer nor counted.
    """
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise a body waits 40 ms for the client to acknowledge its head.
        disable_nagle_algorithm = True

        def _serve(self):
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = _read_body(self.rfile, int(headers.get("content-length", 0)))
            request = Request(
                self.command, unquote(parts.path), parse_qs(parts.query, True), headers, body
            )
            if request.method == "GET" and request.path.endswith("/_asyncload/store.json"):
                reply = self._good_store()
            else:
                requests.append(request)
                reply = answer(request)
            if reply.raw is not None:
                self.wfile.write(reply.raw)
                self.close_connection = True
                return
            self.send_response_only(reply.status)
            if "Date" not in reply.headers:
                self.send_header("Date", self.date_time_string())
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def _good_store(self):
            """What an earlier run found out: there is nothing to be probed."""
            record = {
                "endpoint": f"{'https' if tls else 'http'}://{self.headers['Host']}",
                "probed": datetime.now(UTC).isoformat(),
                "checks": dict.fromkeys(("CRC64NVME", "CRC32", "MD5"), True),
                **dict.fromkeys(("describes", "create_only_put", "create_only_complete"), True),
                "etags_are_md5": False,
            }
            # It tells no time: that is for the answers that a test writes.
            return Answer(200, json.dumps(record).encode(), {"ETag": '"e"', "Date": ""})

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  # http.server's names

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # Clients that go away or distrust us are what the tests are about.
    server.handle_error = lambda *arguments: None
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
