"""A double of TMDB's API on loopback: it answers as TMDB does, and remembers what it was asked.

It serves films and series from a list, in pages of 20 of which at most 500 may be requested.
"""

from __future__ import annotations

import gzip
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

TOKEN = "eyJhbGciOiJIUzI1NiJ9.canary-7c1d5f9e.secret"
GENRES = {
    "movie": {28: "Action", 12: "Adventure", 878: "Science Fiction", 18: "Drama"},
    "tv": {10759: "Action & Adventure", 18: "Drama"},
}


class Asked(NamedTuple):
    """A request as it arrived: its time by the monotonic clock, path, parameters and headers."""

    at: float
    path: str
    params: dict[str, str]
    headers: dict[str, str]


class Sent(NamedTuple):
    """An answer to send. `headers` replace the usual ones; `cut` drops so many of its bytes."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut: int = 0
    seconds: float = 0.0


def json_of(document) -> bytes:
    """JSON as TMDB sends it: compact, and not escaped beyond need."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Double:
    """What the double knows, and what it was asked.

    `faults` are asked first with each request, and may answer it instead. `answered` is called with
    each request after its answer was sent.
    """

    films: dict[str, list[dict]] = field(default_factory=lambda: {"movie": [], "tv": []})
    people: list[dict] = field(default_factory=list)
    cast: dict[tuple[str, int], list[dict]] = field(default_factory=dict)
    changed: dict[str, list[int]] = field(default_factory=lambda: {"movie": [], "tv": []})
    missing: set[str] = field(default_factory=set)
    faults: list = field(default_factory=list)
    answered: Callable[[Asked], None] = lambda asked: None
    per_page: int = 20
    page_limit: int = 500
    compressed: bool = False
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paths(self) -> Counter[str]:
        """How often each path was asked, with its parameters in order."""
        return Counter(
            f"{asked.path}?{'&'.join(f'{k}={v}' for k, v in sorted(asked.params.items()))}"
            for asked in self.asked
        )

    def add_films(self, count: int, kind: str = "movie", **fields) -> None:
        """Add films (or series) with ids from the number that are there."""
        films = self.films[kind]
        for number in range(len(films) + 1, len(films) + count + 1):
            title = f"Film {number} — “Çağdaş” 映画 🎬 e\u0301"
            year = 1900 + number % 120
            films.append(
                {
                    "id": number,
                    "title": title,
                    "genre_ids": [28],
                    "release_date": f"{year}-{number % 12 + 1:02}-{number % 28 + 1:02}",
                    **fields,
                }
            )

    def answer(self, path: str, params: dict[str, str]) -> Sent:  # noqa: C901  # one row each
        """Answer as TMDB does."""
        parts = path.strip("/").split("/")[1:]
        if int(params.get("page", "1")) > self.page_limit:
            return refusal(400, 22, "Invalid page: Pages start at 1 and max at 500.")
        if "/".join(parts) in self.missing:
            return refusal(404, 34, "The resource you requested could not be found.")
        match parts:
            case ["search", "person"]:
                name = params["query"].casefold()
                return self.page([p for p in self.people if name in p["name"].casefold()], params)
            case ["search", kind]:
                title = params["query"].casefold()
                films = self.films[kind]
                return self.page([f for f in films if title in f["title"].casefold()], params)
            case ["genre", kind, "list"]:
                genres = [{"id": i, "name": name} for i, name in GENRES[kind].items()]
                return ok({"genres": genres})
            case ["discover", kind]:
                return self.page(self.discover(kind, params), params)
            case [kind, "changes"]:
                found = [{"id": number, "adult": False} for number in self.changed[kind]]
                return self.page(found, params)
            case ["person", number, "combined_credits" | "tv_credits" as which]:
                roles = [
                    {**self.film(kind, film), "media_type": kind, "character": role["character"]}
                    for (kind, film), cast in self.cast.items()
                    for role in cast
                    if role["id"] == int(number)
                    if which == "combined_credits" or kind == "tv"
                ]
                return ok({"cast": roles, "crew": [], "id": int(number)})
            case ["person", number]:
                return ok(next(p for p in self.people if p["id"] == int(number)))
            case [kind, number, "credits"]:
                cast = self.cast.get((kind, int(number)), [])
                return ok({"id": int(number), "cast": cast, "crew": []})
            case [kind, number, "aggregate_credits"]:
                cast = [
                    {"id": c["id"], "name": c["name"], "roles": [{"character": c["character"]}]}
                    for c in self.cast.get((kind, int(number)), [])
                ]
                return ok({"id": int(number), "cast": cast})
            case [kind, number]:
                return ok(self.film(kind, int(number)))
        return refusal(404, 34, "The resource you requested could not be found.")

    def film(self, kind: str, number: int) -> dict:
        return next((f for f in self.films[kind] if f["id"] == number), {"id": number})

    def discover(self, kind: str, params: dict[str, str]) -> list[dict]:
        found = self.films[kind]
        if wanted := params.get("with_genres"):
            any_of = "|" in wanted
            numbers = {int(n) for n in wanted.replace("|", ",").split(",")}
            found = [
                f
                for f in found
                if (numbers & {*f["genre_ids"]} if any_of else numbers <= {*f["genre_ids"]})
            ]
        if wanted := params.get("with_cast"):
            found = [
                f
                for f in found
                if int(wanted) in {c["id"] for c in self.cast.get((kind, f["id"]), [])}
            ]
        for name, keep in (("gte", str.__ge__), ("lte", str.__le__)):
            for parameter in ("primary_release_date", "first_air_date"):
                if day := params.get(f"{parameter}.{name}"):
                    found = [f for f in found if keep(f["release_date"], day)]
        return found

    def page(self, results: list[dict], params: dict[str, str]) -> Sent:
        number = int(params.get("page", "1"))
        begin = (number - 1) * self.per_page
        return ok(
            {
                "page": number,
                "results": results[begin : begin + self.per_page],
                "total_pages": -(-len(results) // self.per_page),
                "total_results": len(results),
            }
        )

    @property
    def most_in_a_second(self) -> int:
        """The largest number of requests in any second."""
        times = sorted(asked.at for asked in self.asked)
        most, begin = 0, 0
        for end, at in enumerate(times):
            while at - times[begin] >= 1.0:
                begin += 1
            most = max(most, end - begin + 1)
        return most


def ok(document) -> Sent:
    return Sent(200, json_of(document))


def refusal(status: int, code: int, message: str) -> Sent:
    """An error as TMDB sends it."""
    document = {"success": False, "status_code": code, "status_message": message}
    return Sent(status, json_of(document))


def once(path: str, *sent: Sent):
    """A fault: the first requests for a path get these answers, one after the other."""
    left = list(sent)

    def fault(asked: Asked) -> Sent | None:
        return left.pop(0) if left and asked.path.endswith(path) else None

    return fault


def always(path: str, sent: Sent):
    """A fault: each request for a path gets this answer."""
    return lambda asked: sent if asked.path.endswith(path) else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: Double

    def do_GET(self):
        parts = urlsplit(self.path)
        asked = Asked(
            time.monotonic(), parts.path, dict(parse_qsl(parts.query)), dict(self.headers)
        )
        double = self.double
        with double.lock:
            double.asked.append(asked)
            sent = next((s for fault in double.faults if (s := fault(asked))), None)
        if sent is None and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            sent = refusal(401, 7, "Invalid API key: You must be granted a valid key.")
        if sent is None:
            sent = double.answer(parts.path, asked.params)
            with double.lock:
                double.served[self.path] = sent.body
        self._send(sent)
        double.answered(asked)

    def _send(self, sent: Sent):
        if sent.seconds:
            time.sleep(sent.seconds)
        body, headers = sent.body, dict(sent.headers)
        if self.double.compressed and "Content-Encoding" not in headers:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        self.send_response(sent.status)
        headers.setdefault("Content-Type", "application/json;charset=utf-8")
        headers.setdefault("Content-Length", str(len(body)))
        headers.setdefault("ETag", 'W/"canary"')
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) - sent.cut] if sent.cut else body)
        if sent.cut:
            self.close_connection = True

    def log_message(self, *arguments):
        """Nothing: tests look at `asked`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """Clients are killed in the midst of an answer."""


class serving:  # noqa: N801  # reads as a verb
    """Serve a double while the context is active."""

    def __init__(self, double: Double | None = None, tls: ssl.SSLContext | None = None):
        self.double = double or Double()
        self.tls = tls

    def __enter__(self) -> Double:
        handler = type("Handler", (_Handler,), {"double": self.double})
        self._server = _Server(("127.0.0.1", 0), handler)
        scheme = "http"
        if self.tls is not None:
            scheme = "https"
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.double.url = f"{scheme}://127.0.0.1:{self._server.server_port}/3"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self.double

    def __exit__(self, *exception):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
