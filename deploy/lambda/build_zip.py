"""Build the deployment package of the AWS Lambda function, the same bytes each time.

    python deploy/lambda/build_zip.py [--arch x86_64|arm64] [--output DIR]

The dependencies are those of requirements/runtime.txt, checked against their hashes, as wheels for
Linux. The package is for the Python version that runs this script. Prints the path and the sizes.
"""

from __future__ import annotations

import argparse
import compileall
import fnmatch
import os
import platform
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
MAX_ZIPPED = 50_000_000
"""Bytes that Lambda accepts in a direct upload."""
MAX_UNZIPPED = 250 * 1024 * 1024
"""Bytes that Lambda accepts unpacked, layers included."""
PLATFORMS = {"x86_64": "x86_64", "arm64": "aarch64"}

# Zip's earliest time: files that differ in their times only must give the same package.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644

# S3, the services that credentials come from, and those that a token may be kept in. The files
# beside the folders of botocore's 400 services are shared.
_SERVICES = ("s3", "sts", "sso", "sso-oidc", "ssm", "secretsmanager")

# The command line, which the handler does not import, and what it alone needs.
_COMMAND_LINE = ("typer", "click", "rich", "pygments", "markdown_it", "mdurl", "shellingham")

_UNUSED = (
    "bin/*",
    # Records of an installation that this is not. Licenses and versions are kept.
    "*.dist-info/RECORD",
    "*.dist-info/INSTALLER",
    "*.dist-info/REQUESTED",
    # Sources of compiled modules, types and tests.
    *(f"*.{suffix}" for suffix in ("c", "h", "pxd", "pxi", "pyi", "pyx", "hash")),
    "*/tests/*",
    # Object-oriented interfaces of services, and texts for people.
    "boto3/data/*",
    "boto3/examples/*",
    "botocore/data/*/examples-1.json*",
    *(pattern for name in _COMMAND_LINE for pattern in (f"{name}/*", f"{name}-*.dist-info/*")),
)


def main() -> None:
    """Build the package that the arguments describe."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", choices=PLATFORMS, default=this_arch())
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    if "PYTHONHASHSEED" not in os.environ:
        # The order of sets in bytecode depends on it.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    package = options.output / f"asyncload-lambda-python{version}-{options.arch}.zip"
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="asyncload-lambda-") as folder:
        target = Path(folder) / "package"
        install(target, options.arch)
        unzipped = write_zip(target, package)
    zipped = package.stat().st_size
    print(f"{package}: {zipped / 1e6:.1f} MB zipped, {unzipped / 1e6:.1f} MB unzipped")
    print(f"for the Lambda runtime python{version} on {options.arch}")
    if zipped > MAX_ZIPPED or unzipped > MAX_UNZIPPED:
        sys.exit("error: the package is larger than Lambda accepts")


def this_arch() -> str:
    """Return Lambda's name for the processor of this machine."""
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def install(target: Path, arch: str) -> None:
    """Install the dependencies and asyncload into a folder, without what is not needed."""
    machine = PLATFORMS[arch]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--target", target, "--no-compile", "--no-deps", "--only-binary=:all:"),
            *("--platform", f"manylinux2014_{machine}", "--platform", f"manylinux_2_28_{machine}"),
            *("--require-hashes", "--requirement", ROOT / "requirements" / "runtime.txt"),
        ],
        check=True,
    )
    shutil.copytree(
        ROOT / "asyncload", target / "asyncload", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "LICENSE", target / "asyncload")
    for path in files(target):
        if is_unused(PurePosixPath(path.relative_to(target))):
            path.unlink()
    # Lambda can't keep bytecode that it compiles: without this, each cold start would compile all
    # modules. It is not compared with its source, whose time is not kept. Its paths are Lambda's.
    compiled = compileall.compile_dir(
        target,
        quiet=1,
        stripdir=target,
        prependdir="/var/task",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    assert compiled, "all modules are valid"


def is_unused(path: PurePosixPath) -> bool:
    """Return whether an installed file can be omitted."""
    match path.parts:
        case ("botocore", "data", service, _, *_) if service not in _SERVICES:
            return True
    return any(fnmatch.fnmatchcase(str(path), pattern) for pattern in _UNUSED)


def files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, in the order of their names."""
    found = (path for path in folder.rglob("*") if path.is_file())
    yield from sorted(found, key=Path.as_posix)


def write_zip(folder: Path, package: Path) -> int:
    """Pack a folder; return the size of its files in bytes."""
    size = 0
    unfinished = package.with_suffix(f".{os.getpid()}.tmp")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _TIME)
            entry.external_attr = _MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = path.read_bytes()
            size += len(content)
            archive.writestr(entry, content, compresslevel=9)
    unfinished.rename(package)
    return size


if __name__ == "__main__":
    main()
