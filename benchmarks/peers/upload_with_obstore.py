"""Upload a volume with obstore; `peers/obstore.py` has the settings."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store

from benchmarks.peers.csvs import find_csvs


async def _upload(
    store: S3Store, files: list[tuple[str, str]], at_once: int, options: dict[str, Any]
) -> None:
    gate = asyncio.Semaphore(at_once)

    async def upload(path: str, key: str) -> None:
        async with gate:
            await obstore.put_async(store, key, Path(path), **options)

    await asyncio.gather(*(upload(path, key) for path, key in files))


def main() -> None:
    """Upload according to the command line."""
    volume, bucket, prefix, endpoint, at_once, *tuning = sys.argv[1:]
    options: dict[str, Any] = {}
    unsigned = False
    if tuning:
        signs, part_mib, parts_at_once = tuning
        unsigned = signs == "unsigned"
        options = {
            "chunk_size": int(part_mib) * 1024 * 1024,
            "max_concurrency": int(parts_at_once),
        }
    store = S3Store(
        bucket,
        endpoint=endpoint,
        region="us-east-1",
        virtual_hosted_style_request=False,
        unsigned_payload=unsigned,
        client_options={"allow_http": True},
    )
    files = find_csvs(volume, prefix)
    asyncio.run(_upload(store, files, int(at_once), options))
    # Everything is uploaded. Its threads sometimes abort the process at interpreter exit (2 of 30
    # runs with two files). Exiting at once avoids this, and is slightly faster.
    os._exit(0)


if __name__ == "__main__":
    main()
