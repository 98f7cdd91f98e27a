"""`python -m benchmarks.null_server`: run the null server until it is terminated."""

from __future__ import annotations

import argparse
import contextlib
import gc
import ssl
from pathlib import Path

from benchmarks.null_server.history import History
from benchmarks.null_server.ledger import Ledger
from benchmarks.null_server.serving import NullServer


def main() -> None:
    """Serve according to the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.null_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--tls", nargs=2, type=Path, metavar=("CERT", "KEY"), help="PEM files")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--digests", action="store_true", help="keep a SHA-256 of all that is put")
    parser.add_argument("--md5", action="store_true", help="the ETag of a put is its MD5")
    parser.add_argument("--rate", type=float, help="bytes a second from each connection")
    parser.add_argument("--capacity", type=float, help="requests a second; others get 503")
    parser.add_argument("--history", type=Path, help="a JSON file of objects that are there")
    options = parser.parse_args()
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
    history = History.read(options.history) if options.history else None
    server = NullServer(
        options.port,
        context,
        options.delay,
        options.digests,
        md5=options.md5,
        rate=options.rate,
        ledger=Ledger(history, options.capacity),
    )
    # The stored data grows and has no cycles: searching for them would only cost time.
    gc.disable()
    print(server.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()


if __name__ == "__main__":
    main()
