"""Operations of a lake's reader: create a bucket, list objects, read them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

_CHUNK = 1024 * 1024


class ObjectContent(NamedTuple):
    """An object that was read whole: its size in bytes and its SHA-256 in hex."""

    key: str
    size: int
    sha256: str


async def create_bucket(client: Any, bucket: str) -> None:
    """Create a bucket in the client's region."""
    await client.create_bucket(Bucket=bucket)


async def list_lake(client: Any) -> AsyncIterator[tuple[str, list[tuple[str, int]]]]:
    """Yield each bucket of a small store with the keys and sizes of its objects, in key order."""
    for bucket in (await client.list_buckets())["Buckets"]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"])
        objects = [
            (entry["Key"], entry["Size"])
            async for page in pages
            for entry in page.get("Contents", ())
        ]
        yield bucket["Name"], objects


async def read_objects(client: Any, bucket: str) -> AsyncIterator[ObjectContent]:
    """Read all objects of a bucket, in key order and flat memory."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    async for page in pages:
        for entry in page.get("Contents", ()):
            yield await _read(client, bucket, entry["Key"])


async def _read(client: Any, bucket: str, key: str) -> ObjectContent:
    answer = await client.get_object(Bucket=bucket, Key=key)
    digest, size = hashlib.sha256(), 0
    async for chunk in answer["Body"].iter_chunks(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return ObjectContent(key, size, digest.hexdigest())
