"""A bucket in a real server: create it, and compare its objects with the volume."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from pathlib import Path
from typing import Any

import boto3

from benchmarks.servers import Server
from benchmarks.verification import NotVerified, list_files

_SAMPLE = 50
_READ = 1024 * 1024


def make_bucket(server: Server, bucket: str) -> None:
    """Create a bucket and write to it once."""
    client = _client(server)
    client.create_bucket(Bucket=bucket)
    # The first write to a new bucket sets up its storage, which must not count for a tool.
    client.put_object(Bucket=bucket, Key="warm-up", Body=b"")
    client.delete_object(Bucket=bucket, Key="warm-up")


def compare_bucket(server: Server, bucket: str, volume: Path) -> str:
    """Compare names and sizes of all objects, and the bytes of a sample; return a description.

    Raises:
        NotVerified: they differ.
    """
    client = _client(server)
    files = list_files(volume)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    objects = {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", ())}
    wanted = Counter((path.name, size) for path, size in files.items())
    if Counter((key.rpartition("/")[2], size) for key, size in objects.items()) != wanted:
        raise NotVerified(f"{len(objects)} objects are not the {len(files)} files")
    # Names are unique in the benchmark's volumes: a file has one object.
    keys = {key.rpartition("/")[2]: key for key in objects}
    sample = random.Random(0).sample(sorted(files), min(_SAMPLE, len(files)))  # noqa: S311  # no secret
    for path in sample:
        stored = hashlib.sha256()
        for chunk in client.get_object(Bucket=bucket, Key=keys[path.name])["Body"].iter_chunks(
            _READ
        ):
            stored.update(chunk)
        with path.open("rb") as file:
            if stored.digest() != hashlib.file_digest(file, "sha256").digest():
                raise NotVerified(f"{path.name}: the object's bytes are not the file's")
    return f"{len(files):,} objects by name and size, {len(sample)} by SHA-256"


def _client(server: Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.credentials["AWS_SECRET_ACCESS_KEY"],
    )
