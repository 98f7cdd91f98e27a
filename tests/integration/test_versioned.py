"""A bucket that keeps versions: no run adds an unnecessary one."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace

import pytest

import asyncload
from asyncload.planning.plan import MIB
from tests.support.content import random_bytes
from tests.support.loads import NOW, write_files


@pytest.fixture
def versioned(s3):
    """A bucket of its own with versioning on, and its versions by key."""
    s3 = replace(s3, bucket=f"versions-{uuid.uuid4().hex[:12]}")
    s3.client().create_bucket(Bucket=s3.bucket)
    s3.client().put_bucket_versioning(
        Bucket=s3.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    return s3


def versions(s3):
    """Count the versions of each file name."""
    answer = s3.client().list_object_versions(Bucket=s3.bucket)
    return Counter(version["Key"].rsplit("/", 1)[-1] for version in answer.get("Versions", ()))


@pytest.mark.parametrize("fast_lane", [True, False])
async def test_a_version_is_added_only_if_bytes_are_replaced_or_were_deleted(
    versioned, volume, fast_lane
):
    """A second run adds none, --overwrite one of what differs; a deleted object comes back."""
    write_files(volume, {f"d/{name}.csv": name.encode() for name in ("a", "b", "c")})
    (volume / "large.csv").write_bytes(random_bytes(17 * MIB))

    async def load(**options):
        settings = asyncload.Settings(
            volume=volume,
            bucket=versioned.bucket,
            endpoint_url=versioned.endpoint_url,
            manifest=False,
            fast_lane=fast_lane,
            **options,
        )
        return await asyncload.load(settings, now=NOW)

    once = {"a.csv": 1, "b.csv": 1, "c.csv": 1, "large.csv": 1}
    assert (await load()).counts == {"uploaded": 4}
    assert versions(versioned) == once
    assert (await load()).counts == {"unchanged": 4}
    assert (await load(overwrite=True)).counts == {"unchanged": 4}
    assert versions(versioned) == once
    write_files(volume, {"d/b.csv": b"other bytes"})
    assert (await load()).counts == {"unchanged": 3, "failed": 1}
    assert versions(versioned) == once
    assert (await load(overwrite=True)).replaced == 1
    assert versions(versioned) == once | {"b.csv": 2}
    (key,) = [key for key in versioned.objects("") if key.endswith("/a.csv")]
    versioned.client().delete_object(Bucket=versioned.bucket, Key=key)
    assert (await load()).counts == {"unchanged": 3, "uploaded": 1}
    assert versions(versioned) == once | {"a.csv": 2, "b.csv": 2}
