"""Who is spoken to: certificates, host names, proxies; and no TLS where there is none."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from contextlib import contextmanager

import pytest
import trustme

import asyncload
from asyncload import errors
from asyncload.s3.session import DirectSession
from tests.support.loads import NOW, write_files
from tests.support.scripted_s3 import EMPTY_LISTING, put_accepted, scripted_s3


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """An authority that is trusted, by `AWS_CA_BUNDLE`."""
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    return authority


def context_for(authority, name):
    """A server's context, with a certificate for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def accept_all(request):
    return put_accepted(request) if request.method == "PUT" else EMPTY_LISTING


async def load(volume, url, **options):
    settings = asyncload.Settings(volume=volume, bucket="lake", endpoint_url=url, **options)
    return await asyncload.load(settings, now=NOW)


@contextmanager
def tunnelling_proxy():
    """A proxy that connects to whatever it is asked for; yields its URL and what it was asked."""
    asked = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            method, target, _ = self.rfile.readline().decode().split()
            asked.append((method, target))
            while self.rfile.readline().strip():
                pass
            host, port = target.split(":")
            with socket.create_connection((host, int(port)), timeout=10) as store:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pass_on, args=(store, self.connection))
                back.start()
                pass_on(self.connection, store)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()


def pass_on(source, target):
    """Pass on bytes until there are no more."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_certificate_for_another_host_is_refused(volume, authority, fast_lane):
    """However trusted its authority: anybody can have one for a host of their own."""
    write_files(volume, {"a.csv": b"1"})
    with (
        scripted_s3(accept_all, tls=context_for(authority, "example.org")) as (url, requests),
        pytest.raises(errors.EndpointRefused, match="certificate is not valid for"),
    ):
        await load(volume, url, fast_lane=fast_lane)
    assert requests == []


@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize("trusted", [True, False])
async def test_behind_a_proxy_the_stores_certificate_counts_too(
    volume, authority, trusted, fast_lane, monkeypatch
):
    """The proxy passes the store's certificate on, or somebody else's."""
    write_files(volume, {"a.csv": b"1"})
    issuer = authority if trusted else trustme.CA()
    with (
        scripted_s3(accept_all, tls=context_for(issuer, "127.0.0.1")) as (url, requests),
        tunnelling_proxy() as (proxy, asked),
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        if trusted:
            assert (await load(volume, url, fast_lane=fast_lane)).exit_code == 0
        else:
            with pytest.raises(errors.EndpointRefused, match="is not trusted"):
                await load(volume, url, fast_lane=fast_lane)
            assert requests == []
    assert set(asked) == {("CONNECT", url.removeprefix("https://"))}


async def test_for_plain_http_no_certificates_are_read(volume, monkeypatch, tmp_path):
    """Reading them would take longer than the load; here it would fail."""
    write_files(volume, {"a.csv": b"1"})
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with scripted_s3(accept_all) as (url, _):
        assert (await load(volume, url)).exit_code == 0


async def test_a_session_for_plain_http_trusts_nobody_unseen(authority):
    """Should it ever be led to an HTTPS address."""
    session = DirectSession(timeout=5)
    session.plain = True
    with scripted_s3(accept_all, tls=context_for(authority, "127.0.0.1")) as (url, requests):
        async with session:
            with pytest.raises(ssl.SSLCertVerificationError):
                await session.put(f"{url}/lake/key", {}, memoryview(b""))
    assert requests == []
