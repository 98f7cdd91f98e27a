"""Upload a volume with opendal's `AsyncOperator`; `peers/opendal.py` has the settings."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import opendal

from benchmarks.peers.csvs import find_csvs


async def _upload(
    operator: opendal.AsyncOperator, files: list[tuple[str, str]], at_once: int
) -> None:
    gate = asyncio.Semaphore(at_once)

    async def upload(path: str, key: str) -> None:
        async with gate:
            # It takes bytes, not paths.
            await operator.write(key, Path(path).read_bytes())  # noqa: ASYNC240  # as its users write it

    await asyncio.gather(*(upload(path, key) for path, key in files))


def main() -> None:
    """Upload according to the command line."""
    volume, bucket, prefix, endpoint, at_once = sys.argv[1:]
    operator = opendal.AsyncOperator("s3", bucket=bucket, endpoint=endpoint, region="us-east-1")
    asyncio.run(_upload(operator, find_csvs(volume, prefix), int(at_once)))
    # As with obstore: its threads sometimes abort the process at interpreter exit.
    os._exit(0)


if __name__ == "__main__":
    main()
