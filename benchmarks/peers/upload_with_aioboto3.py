"""Upload a volume with aioboto3's `upload_fileobj`; `peers/aioboto3.py` has the settings."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aioboto3
from aiobotocore.config import AioConfig

from benchmarks.peers.csvs import find_csvs


async def _upload(endpoint: str, bucket: str, files: list[tuple[str, str]], at_once: int) -> None:
    gate = asyncio.Semaphore(at_once)
    config = AioConfig(max_pool_connections=at_once)
    async with aioboto3.Session().client("s3", endpoint_url=endpoint, config=config) as client:

        async def upload(path: str, key: str) -> None:
            async with gate:
                # As users write it: opening is fast, and the uploader reads in threads.
                with Path(path).open("rb") as file:  # noqa: ASYNC230  # as above
                    await client.upload_fileobj(file, bucket, key)

        await asyncio.gather(*(upload(path, key) for path, key in files))


def main() -> None:
    """Upload according to the command line."""
    volume, bucket, prefix, endpoint, at_once = sys.argv[1:]
    asyncio.run(_upload(endpoint, bucket, find_csvs(volume, prefix), int(at_once)))


if __name__ == "__main__":
    main()
