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
from asyncload.s3.client.session import DirectSession
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
    return EMPTY_LISTING if request.method == "GET" else put_accepted(request)


async def load(volume, url, **options):
    settings = asyncload.Settings(
        volume=volume, bucket="lake", endpoint_url=url, **{"manifest": False} | options
    )
    return await asyncload.load(settings, now=NOW)


@contextmanager
def tunnelling_proxy():
    """A proxy that connects to the port it is asked for, on this machine, for any host.

    Yields its URL and what it was asked.
    """
    asked = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            method, target, _ = self.rfile.readline().decode().split()
            asked.append((method, target))
            while self.rfile.readline().strip():
                pass
            port = int(target.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=10) as store:
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
    """The proxy passes the store's certificate on, or another one."""
    write_files(volume, {"a.csv": b"1"})
    issuer = authority if trusted else trustme.CA()
    with (
        scripted_s3(accept_all, tls=context_for(issuer, "store.test")) as (address, requests),
        tunnelling_proxy() as (proxy, asked),
    ):
        url = address.replace("127.0.0.1", "store.test")
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


async def test_a_session_for_plain_http_still_verifies_https(authority):
    """Should it ever be led to an HTTPS address."""
    session = DirectSession(timeout=60)
    session.plain = True
    with scripted_s3(accept_all, tls=context_for(authority, "127.0.0.1")) as (url, requests):
        async with session:
            with pytest.raises(ssl.SSLCertVerificationError):
                await session.request("PUT", url, "/lake/key", {}, memoryview(b""))
    assert requests == []


@pytest.fixture
def bundles(tmp_path):
    """Files that are not bundles of certificates."""
    (tmp_path / "empty.pem").touch()
    (tmp_path / "text.pem").write_text("trust me")
    (tmp_path / "broken.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    )
    key = trustme.CA().private_key_pem
    key.write_to_path(str(tmp_path / "key.pem"))
    (tmp_path / "folder.pem").mkdir()
    return tmp_path


NO_BUNDLES = ["missing.pem", "empty.pem", "text.pem", "broken.pem", "key.pem", "folder.pem"]


@pytest.mark.parametrize("name", NO_BUNDLES)
async def test_a_ca_bundle_that_is_none_is_a_usage_error(volume, bundles, name):
    """Missing, empty, a key, a folder: known before anything is sent."""
    write_files(volume, {"a.csv": b"1"})
    with (
        scripted_s3(accept_all) as (url, requests),
        pytest.raises(errors.UsageError, match=r"--ca-bundle: .*" + name),
    ):
        await load(volume, url, ca_bundle=bundles / name)
    assert requests == []


@pytest.mark.parametrize("name", NO_BUNDLES)
async def test_a_ca_bundle_of_the_aws_configuration_must_be_one_too(
    volume, bundles, name, monkeypatch
):
    """Only for HTTPS, for which it is used."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundles / name))
    with pytest.raises(errors.UsageError, match=r"AWS_CA_BUNDLE: .*" + name):
        await load(volume, "https://127.0.0.1:9")


async def test_the_ca_bundle_that_is_asked_for_counts_alone(volume, authority, tmp_path):
    """Not AWS_CA_BUNDLE's beside it."""
    write_files(volume, {"a.csv": b"1"})
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with (
        scripted_s3(accept_all, tls=context_for(authority, "127.0.0.1")) as (url, requests),
        pytest.raises(errors.EndpointRefused, match="not trusted"),
    ):
        await load(volume, url, ca_bundle=other)
    assert requests == []


@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize(
    "turned_off",
    [
        {"AWS_CA_BUNDLE": ""},
        {"AWS_CONFIG_FILE": "ca_bundle ="},
        {"AWS_CONFIG_FILE": "verify_ssl = false"},
        {"PYTHONHTTPSVERIFY": "0", "CURL_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": ""},
        {"AWS_NO_VERIFY_SSL": "1", "AWS_VERIFY_SSL": "false"},
    ],
    ids=" ".join,
)
async def test_verification_can_not_be_turned_off(
    volume, turned_off, fast_lane, monkeypatch, tmp_path
):
    """By nothing that turns it off elsewhere: an unknown authority's store is sent nothing."""
    write_files(volume, {"a.csv": b"1"})
    config = tmp_path / "config"
    config.write_text(f"[default]\n{turned_off.get('AWS_CONFIG_FILE', '')}\n")
    for name, value in turned_off.items():
        monkeypatch.setenv(name, str(config) if name == "AWS_CONFIG_FILE" else value)
    with (
        scripted_s3(accept_all, tls=context_for(trustme.CA(), "127.0.0.1")) as (url, requests),
        pytest.raises(errors.EndpointRefused, match="not trusted"),
    ):
        await load(volume, url, fast_lane=fast_lane)
    assert requests == []


def test_no_option_is_about_not_verifying():
    """What isn't there can't be used by mistake."""
    # `trust` says by what of a file's state a change is known.
    names = " ".join(name for name in asyncload.Settings.__dataclass_fields__ if name != "trust")
    assert not {"insecure", "verify", "trust"} & set(names.replace("_", " ").split())
