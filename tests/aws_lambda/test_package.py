"""The deployment package: small, complete, and the same each time it is built."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from tests.support.aws_lambda import ROOT, bare_python, build_package, unpacked

MAX_ZIPPED = 50_000_000


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The package, and the folder that it is unpacked to."""
    return unpacked(tmp_path_factory)


def run_in(task, code):
    """Run code with the package alone, as Lambda does, but for its runtime."""
    command = [bare_python(), "-S", "-c", code]
    done = subprocess.run(
        command,
        cwd=task,
        env={"PYTHONPATH": str(task), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_can_be_uploaded_directly(package):
    """Lambda accepts 50 MB zipped and 250 MiB unpacked."""
    zipped, _ = package
    assert zipped.stat().st_size < MAX_ZIPPED
    with zipfile.ZipFile(zipped) as archive:
        assert sum(entry.file_size for entry in archive.infolist()) < 250 * 1024 * 1024


def test_nothing_in_it_depends_on_the_time_or_the_folder_it_was_built_in(package):
    """Names are sorted, times and modes the same, and bytecode is not compared with times."""
    zipped, _ = package
    with zipfile.ZipFile(zipped) as archive:
        entries = archive.infolist()
        assert [entry.filename for entry in entries] == sorted(e.filename for e in entries)
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
        bytecode = [archive.read(e) for e in entries if e.filename.endswith(".pyc")]
    assert bytecode
    # An unchecked hash in place of a time: PEP 552.
    assert {content[4:8] for content in bytecode} == {b"\x01\0\0\0"}
    assert not [content for content in bytecode if b"asyncload-lambda-" in content]


def test_it_has_licenses_and_versions_but_no_command_line(package):
    """Nor what only that needs, nor botocore's other 400 services, nor tests."""
    _, task = package
    names = {path.name for path in task.iterdir()}
    assert not names & {"bin", "typer", "rich", "pygments", "pip"}
    assert {"asyncload", "aiobotocore", "botocore", "tzdata"} <= names
    assert [*task.glob("aiobotocore-*.dist-info/METADATA")]
    assert [*task.glob("aiohttp-*.dist-info/licenses/LICENSE*")]
    assert (task / "asyncload" / "LICENSE").exists()
    services = {path.name for path in (task / "botocore" / "data").iterdir() if path.is_dir()}
    assert services == {"s3", "sts", "sso", "sso-oidc", "ssm", "secretsmanager"}


def test_all_modules_of_the_handler_are_there(package):
    """Each module below `asyncload` but commands and extras, and each service that is asked."""
    _, task = package
    code = """
import asyncio, importlib, pkgutil
import asyncload.aws_lambda
for module in pkgutil.walk_packages(asyncload.__path__, "asyncload."):
    if not module.name.startswith(("asyncload.cli", "asyncload.__main__")):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            # Dask, traces and checks are extras; the progress display is the command line's.
            extras = ("distributed", "opentelemetry", "duckdb", "rich")
            if error.name.partition(".")[0] not in extras:
                raise
from aiobotocore.session import get_session
for name in ("s3", "sts", "sso", "sso-oidc", "ssm", "secretsmanager"):
    asyncio.run(get_session().get_service_model(name))
from zoneinfo import ZoneInfo
print(ZoneInfo("America/Sao_Paulo"), asyncload.__file__)
"""
    assert run_in(task, code).split() == ["America/Sao_Paulo", f"{task}/asyncload/__init__.py"]


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_it_is_the_same_each_time(package, tmp_path):
    """The same bytes, from the same pins."""
    zipped, _ = package
    assert build_package(tmp_path / "again").read_bytes() == zipped.read_bytes()


@pytest.mark.nightly
@pytest.mark.parametrize(("arch", "machine"), [("x86_64", 0x3E), ("arm64", 0xB7)])
def test_it_can_be_built_for_both_processors(tmp_path, arch, machine):
    """All compiled modules are for the one that was asked for."""
    script = ROOT / "deploy" / "lambda" / "build_zip.py"
    command = [sys.executable, script, "--arch", arch, "--output", tmp_path]
    subprocess.run(command, check=True, timeout=110)
    (zipped,) = tmp_path.iterdir()
    assert zipped.stat().st_size < MAX_ZIPPED
    with zipfile.ZipFile(zipped) as archive:
        compiled = [archive.read(name)[:20] for name in archive.namelist() if ".so" in name]
    assert len(compiled) > 10
    # The field e_machine of ELF's header.
    assert {int.from_bytes(head[18:20], "little") for head in compiled} == {machine}
