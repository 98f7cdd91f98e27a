"""`asyncload demo`: start a store, load into it, show the lake, and compare it with the volume."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from asyncload.errors import AsyncloadError
from asyncload.model.values import SourceFile
from asyncload.operations.demo import local_s3, sample_volume
from asyncload.reporting.text import format_size, printable
from asyncload.s3 import S3Options, create_bucket, open_client, read_objects
from asyncload.s3.lake import ObjectContent
from asyncload.settings.run import Settings, layout_of
from asyncload.source.folders import check_volume
from asyncload.source.scanner import Scanner

_BUCKET = "lake"
# The manifest of the load is in the same bucket.
_RECORDS = "_asyncload/"


def demo(volume: Path | None) -> int:
    """Load a volume into a temporary store, show the lake, and compare it with the volume.

    Returns:
        The exit code of the load.

    Raises:
        AsyncloadError: the store did not start, or an object differs from its file.
    """
    volume = volume or sample_volume()
    check_volume(volume)
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]1.[/] start SeaweedFS on loopback, with fresh credentials")
    with local_s3() as store:
        if not store.private:
            console.print(
                "   without openssl, other users of this machine can read the data over gRPC"
            )
        _forget_user_settings()
        os.environ.update(store.environment())
        today = datetime.now(UTC).date().isoformat()
        settings = Settings(
            volume=volume, bucket=_BUCKET, date=today, endpoint_url=store.endpoint_url
        )
        asyncio.run(_create_bucket(settings))
        command = ["run", str(volume), "--bucket", _BUCKET, "--date", today]
        command += ["--endpoint-url", store.endpoint_url]
        console.print(f"[bold]2.[/] asyncload {escape(printable(' '.join(command)))}")
        ended = subprocess.run([sys.executable, "-m", "asyncload", *command], check=False)  # noqa: S603  # our own program
        objects = asyncio.run(_read_back(settings))
    console.print("[bold]3.[/] the lake, with each object read back:")
    console.print(lake_tree(objects))
    data = [content for content in objects if not content.key.startswith(_RECORDS)]
    compare(_digests_of_volume(settings), data)
    console.print(f"[bold]4.[/] {compared(len(data))} by SHA-256; the store is stopped and deleted")
    return ended.returncode


def lake_tree(objects: list[ObjectContent]) -> Tree:
    """Return a bucket's keys as a tree of folders."""
    tree = Tree(f"s3://{_BUCKET}")
    branches: dict[str, Tree] = {"": tree}
    for key, size, _ in objects:
        folder, _, name = key.rpartition("/")
        parent = ""
        for segment in filter(None, folder.split("/")):
            path = f"{parent}/{segment}"
            if path not in branches:
                branches[path] = branches[parent].add(escape(printable(segment)))
            parent = path
        branches[parent].add(f"{escape(printable(name))}  [dim]{format_size(size)}[/]")
    return tree


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


def _options(settings: Settings) -> S3Options:
    return S3Options(settings.bucket, connections=1, endpoint_url=settings.endpoint_url)


def _digests_of_volume(settings: Settings) -> dict[str, str]:
    layout = layout_of(settings, datetime.now(UTC))
    digests = {}
    for found in Scanner(settings.volume).scan():
        if isinstance(found, SourceFile):
            with (settings.volume / found.path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            digests[str(layout.key_for(found.path))] = digest
    return digests
