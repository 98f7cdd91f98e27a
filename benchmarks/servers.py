"""The servers for the tools, each in its own process on loopback."""

from __future__ import annotations

import json
import os
import secrets
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from asyncload.operations.demo import local_s3
from benchmarks.null_server.history import HistorySpec
from benchmarks.peers.peer import ROOT

_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `ca_bundle` is the certificate authority of a TLS server."""

    url: str
    credentials: Mapping[str, str] = field(repr=False)
    ca_bundle: Path | None = None

    def environment(self) -> dict[str, str]:
        """Return a tool's complete environment, with this server and nothing of the user's."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.devnull,
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            **self.credentials,
        }
        if self.ca_bundle:
            # Each tool uses another variable: botocore and s5cmd, Go and Rust, curl.
            for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
                environment[name] = str(self.ca_bundle)
        return environment

    def stats(self, objects: bool = False) -> dict[str, Any]:
        """Return the counts of a null server."""
        stats: dict[str, Any] = json.loads(self._ask("/_stats?objects" if objects else "/_stats"))
        return stats

    def reset(self, counts_only: bool = False) -> None:
        """Reset everything in a null server, or only its counts."""
        self._ask("/_reset?counts" if counts_only else "/_reset", "POST")

    def _ask(self, path: str, method: str = "GET") -> bytes:
        context = ssl.create_default_context(cafile=self.ca_bundle) if self.ca_bundle else None
        # S310: the address is our server's.
        request = Request(self.url + path, method=method)  # noqa: S310
        with urlopen(request, timeout=60, context=context) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The conditions of a null server; see `benchmarks.null_server.NullServer`."""

    tls: bool = False
    delay: float = 0.0
    rate: float | None = None
    capacity: float | None = None
    digests: bool = False
    md5: bool = False
    history: HistorySpec | None = None


@contextmanager
def null_server(folder: Path, conditions: Conditions = Conditions()) -> Iterator[Server]:
    """Run a null server while the context is active; its files go to `folder`."""
    argv = [sys.executable, "-m", "benchmarks.null_server", f"--delay={conditions.delay}"]
    ca_bundle = None
    if conditions.tls:
        ca_bundle, certificate, key = make_certificate(folder)
        argv += ["--tls", str(certificate), str(key)]
    for name in ("rate", "capacity"):
        if (value := getattr(conditions, name)) is not None:
            argv.append(f"--{name}={value}")
    argv += [f"--{name}" for name in ("digests", "md5") if getattr(conditions, name)]
    if conditions.history is not None:
        history = folder / "history.json"
        conditions.history.write(history)
        argv.append(f"--history={history}")
    # S603: it is ours.
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the null server did not start")
        credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": secrets.token_hex()}
        yield Server(url, credentials, ca_bundle)
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)
        if process.stdout:
            process.stdout.close()


@contextmanager
def seaweedfs() -> Iterator[Server]:
    """Run a SeaweedFS with empty storage while the context is active."""
    with local_s3() as store:
        wanted = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        environment = store.environment()
        yield Server(store.endpoint_url, {name: environment[name] for name in wanted})


def make_certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Create an authority and its certificate for loopback; return authority, certificate, key."""
    # Imported late: only TLS needs it.
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    paths = (folder / "authority.pem", folder / "certificate.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(paths[0]))
    certificate.cert_chain_pems[0].write_to_path(str(paths[1]))
    certificate.private_key_pem.write_to_path(str(paths[2]))
    return paths
