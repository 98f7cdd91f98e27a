"""`asyncload demo`: start a store, load into it, show the lake, and compare it with the volume.

The sample is loaded twice: as a folder, and as the ZIP archive in which such data is handed over.
With `--keep` the store stays for the user until a signal.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.markup import escape

from asyncload.cli.interruption import Signalled
from asyncload.errors import AsyncloadError
from asyncload.model.names import MEMBER
from asyncload.model.values import Excluded, SourceFile
from asyncload.operations.demo import LocalS3, local_s3, sample_volume, write_sample_zip
from asyncload.reporting.text import printable
from asyncload.reporting.tree import tree_lines
from asyncload.s3 import S3Options, create_bucket, list_lake, open_client, read_objects
from asyncload.s3.lake import ObjectContent
from asyncload.settings.run import Settings, layout_of
from asyncload.source.folders import check_volume
from asyncload.source.scanner import Scanner

_BUCKET = "lake"
_ZIP_BUCKET = "lake-of-the-zip"
# The manifest of the load is in the same bucket.
_RECORDS = "_asyncload/"


def demo(volume: Path | None, *, keep: bool) -> int:
    """Load a volume into a temporary store, show the lake, and compare it with the volume.

    `keep`: then keep the store until a signal, and show the lake as it is then.

    Returns:
        The exit code of the load.

    Raises:
        AsyncloadError: the store did not start, or an object differs from its file.
    """
    sample = volume is None
    volume = volume or sample_volume()
    check_volume(volume)
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]1.[/] start SeaweedFS on loopback, with fresh credentials")
    with local_s3() as store, TemporaryDirectory(prefix="asyncload-zip-") as folder:
        if not store.private:
            console.print(
                "   without openssl, other users of this machine can read the data over gRPC"
            )
        _forget_user_settings()
        os.environ.update(store.environment())
        loading = _Loading(console, store.endpoint_url)
        code = loading.load(volume, _BUCKET)
        if sample and not code:
            loading.say("pack movies.csv and series.csv into Filmes+e+Series.zip, with make_zip.py")
            write_sample_zip(Path(folder))
            code = loading.load(Path(folder), _ZIP_BUCKET, archives=True)
        if keep:
            loading.keep(store, volume)
    console.print("   the store is stopped and deleted")
    return code


class _Loading:
    """Loads volumes into buckets of a store, and prints each step with its number."""

    def __init__(self, console: Console, endpoint_url: str) -> None:
        self._console = console
        self._endpoint_url = endpoint_url
        self._step = 1
        # A key to show in an example, if there is one.
        self._largest = ""

    def load(self, volume: Path, bucket: str, *, archives: bool = False) -> int:
        """Load a volume, show the bucket, and compare it with the volume.

        Returns:
            The exit code of the load.

        Raises:
            AsyncloadError: an object differs from its file.
        """
        settings = Settings(
            volume=volume,
            bucket=bucket,
            date=datetime.now(UTC).date().isoformat(),
            endpoint_url=self._endpoint_url,
            archives=archives,
        )
        asyncio.run(_create_bucket(settings))
        command = ["run", str(volume), "--bucket", bucket, "--date", settings.date]
        command += ["--endpoint-url", self._endpoint_url, *(["--archives"] * archives)]
        self.say(f"asyncload {escape(printable(' '.join(command)))}")
        ended = subprocess.run([sys.executable, "-m", "asyncload", *command], check=False)  # noqa: S603  # our own program
        objects = asyncio.run(_read_back(settings))
        self.say("the lake, with each object read back:")
        self._print_tree(bucket, [content[:2] for content in objects])
        data = [content for content in objects if not content.key.startswith(_RECORDS)]
        if bucket == _BUCKET and data:
            self._largest = max(data, key=lambda content: content.size).key
        compare(_digests_of_volume(settings), data)
        self.say(f"{compared(len(data))} by SHA-256")
        return ended.returncode

    def keep(self, store: LocalS3, volume: Path) -> None:
        """Wait for a signal, with all that is needed to use the store; then show the lake.

        Raises:
            AsyncloadError: the store ended by itself.
        """
        self.say(f"the store stays until Ctrl-C, with the lake in s3://{_BUCKET}")
        print_way = partial(self._console.print, markup=False)
        print_way("\n   in another terminal, its address and credentials:\n")
        for line in _exports(store):
            print_way(line)
        print_way("\n   and what to do with it:\n")
        for line in _commands(volume, self._largest):
            print_way(line)
        print_way("")
        try:
            store.wait()
        except Signalled:
            self.say("the lake at the end:")
            for bucket, objects in asyncio.run(_list_lake(store)):
                self._print_tree(bucket, objects)
        else:
            raise AsyncloadError("the local store ended by itself", hint="start the demo again")

    def _print_tree(self, bucket: str, objects: Iterable[tuple[str, int]]) -> None:
        for line in tree_lines(bucket, objects):
            self._console.print(line, markup=False)

    def say(self, text: str) -> None:
        """Print the next step."""
        self._step += 1
        self._console.print(f"[bold]{self._step}.[/] {text}")


def _exports(store: LocalS3) -> list[str]:
    """Return lines for a shell that direct any S3 program to a store."""
    variables = {
        "AWS_ENDPOINT_URL": store.endpoint_url,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def _commands(volume: Path, key: str) -> list[str]:
    """Return commands to try: list the lake, load another day, and read the object of a key.

    They name this Python, because another terminal may not find `asyncload`.
    """
    python = shlex.quote(sys.executable)
    folder = shlex.quote(str(volume.absolute()))
    lines = [
        f"aws s3 ls --recursive s3://{_BUCKET}",
        f"{python} -m asyncload run {folder} --bucket {_BUCKET} --date yesterday",
    ]
    if key:
        code = (
            'import boto3; print(boto3.client("s3").get_object('
            f'Bucket="{_BUCKET}", Key={json.dumps(key)})["Body"].read(300).decode())'
        )
        lines.append(f"{python} -c {shlex.quote(code)}")
    return [printable(line) for line in lines]


def compare(expected: Mapping[str, str], objects: list[ObjectContent]) -> None:
    """Check that the lake holds exactly the expected keys and SHA-256 digests.

    Raises:
        AsyncloadError: it does not; the message lists the keys that differ.
    """
    found = {content.key: content.sha256 for content in objects}
    wrong = sorted(key for key in expected.keys() | found if expected.get(key) != found.get(key))
    if wrong:
        raise AsyncloadError(
            "the lake differs from the volume in these keys:", details=[f"  {key}" for key in wrong]
        )


def compared(objects: int) -> str:
    """Describe a number of objects that equal their files."""
    return (
        "the object equals its file"
        if objects == 1
        else f"all {objects:,} objects equal their files"
    )


def _forget_user_settings() -> None:
    """Exclude the user's own AWS settings, asyncload settings and proxies from the demo."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "ASYNCLOAD_")) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["ASYNCLOAD_CONFIG"] = os.devnull


async def _create_bucket(settings: Settings) -> None:
    async with open_client(_options(settings)) as client:
        await create_bucket(client, settings.bucket)


async def _read_back(settings: Settings) -> list[ObjectContent]:
    async with open_client(_options(settings)) as client:
        return [content async for content in read_objects(client, settings.bucket)]


async def _list_lake(store: LocalS3) -> list[tuple[str, list[tuple[str, int]]]]:
    options = S3Options(_BUCKET, connections=1, endpoint_url=store.endpoint_url)
    async with open_client(options) as client:
        return [found async for found in list_lake(client)]


def _options(settings: Settings) -> S3Options:
    return S3Options(settings.bucket, connections=1, endpoint_url=settings.endpoint_url)


def _digests_of_volume(settings: Settings) -> dict[str, str]:
    """Return the SHA-256 of each file by its key; zipfile reads the members of archives."""
    layout = layout_of(settings, datetime.now(UTC))
    digests = {}
    (volume,) = settings.volumes
    for found in Scanner(volume).scan():
        if isinstance(found, SourceFile):
            with (volume / found.path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            digests[str(layout.key_for(found.path))] = digest
        elif settings.archives and isinstance(found, Excluded):
            with zipfile.ZipFile(volume / found.path) as archive:
                for name in archive.namelist():
                    digest = hashlib.sha256(archive.read(name)).hexdigest()
                    digests[str(layout.key_for(f"{found.path}{MEMBER}{name}"))] = digest
    return digests
