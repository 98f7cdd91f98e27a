"""Ceph's S3: one monitor, one manager, one OSD that keeps all in memory, and a RADOS Gateway.

From Debian's packages ceph-mon, ceph-mgr, ceph-osd and radosgw; up in about ten seconds, on
loopback only.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.servers import S3Server, free_port, keys_environment

PACKAGES = ("ceph-mon", "ceph-mgr", "ceph-osd", "radosgw")
KEYS = ("testing", "testing-secret-key")

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
mon allow pool size one = true
mon data avail warn = 2
mon data avail crit = 1
mon data = {folder}/mon
mgr data = {folder}/mgr
osd data = {folder}/osd
keyring = {folder}/keyring
run dir = {folder}/run
log file = {folder}/$name.log
admin socket = {folder}/run/$name.asok
pid file =
"""
_CAPABILITIES = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"),
    "mgr.x": ("mon", "allow profile mgr", "osd", "allow *"),
    "client.rgw": ("mon", "allow rwx", "osd", "allow rwx"),
}


def missing_packages() -> list[str]:
    """Return the packages that have yet to be installed."""
    return [name for name in PACKAGES if shutil.which(name) is None]


@contextmanager
def ceph_s3() -> Iterator[S3Server]:
    """Run a cluster of one node in a temporary folder, and a gateway before it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asyncload-ceph-")))
        cluster = _Cluster(folder, stack)
        cluster.start()
        url = cluster.start_gateway()
        s3 = S3Server("ceph", url, keys_environment(*KEYS))
        s3.client().create_bucket(Bucket=s3.bucket)
        yield s3


class _Cluster:
    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._configuration = folder / "ceph.conf"

    def start(self) -> None:
        folder, fsid, port = self._folder, str(uuid.uuid4()), free_port()
        for name in ("mon", "mgr", "osd", "run"):
            (folder / name).mkdir()
        self._configuration.write_text(_CONFIGURATION.format(fsid=fsid, port=port, folder=folder))
        keyring, monmap = folder / "keyring", folder / "monmap"
        _run("ceph-authtool", "--create-keyring", keyring)
        for name, granted in _CAPABILITIES.items():
            caps = [
                part
                for kind, cap in zip(granted[::2], granted[1::2], strict=True)
                for part in ("--cap", kind, cap)
            ]
            _run("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
        address = f"[v2:127.0.0.1:{port}]"
        _run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._spawn("ceph-mon", "-i", "a")
        self._spawn("ceph-mgr", "-i", "x")
        self._run("ceph", "osd", "create")
        self._run("ceph-osd", "-i", "0", "--mkfs")
        self._spawn("ceph-osd", "-i", "0")

    def start_gateway(self) -> str:
        port, (access_key, secret_key) = free_port(), KEYS
        user = ["--uid=tests", "--display-name=tests"]
        keys = [f"--access-key={access_key}", f"--secret-key={secret_key}"]
        self._run("radosgw-admin", "user", "create", *user, *keys)
        frontend = f"beast endpoint=127.0.0.1:{port}"
        gateway = self._spawn("radosgw", "-n", "client.rgw", "--rgw-frontends", frontend)
        deadline = time.monotonic() + 90
        # Its port opens last.
        while not _listens(port):
            assert gateway.poll() is None, "the gateway ended at once"
            assert time.monotonic() < deadline, "the gateway did not start"
            time.sleep(0.1)
        return f"http://127.0.0.1:{port}"

    def _run(self, program: str, *arguments: object) -> None:
        _run(program, "-c", self._configuration, *arguments)

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = self._stack.enter_context((self._folder / f"{program}.out").open("wb"))
        process = subprocess.Popen(
            [program, "-c", str(self._configuration), "-f", *arguments], stdout=log, stderr=log
        )
        self._stack.callback(_stop, process)
        return process


def _run(*command: object) -> None:
    ended = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.returncode == 0, f"{command[0]}: {ended.stderr[-2000:]}"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
