"""What a bucket is opened with: how to reach it, and what its objects are stored as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from asyncload.store.protocol import ObjectInfo
from asyncload.store.rates import RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """How objects are to be stored; None leaves it to the bucket.

    `tags` and `metadata` are added to what describes each CSV. Storage class and tags are for
    CSVs only: a manifest must stay readable.
    """

    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key_id: str | None = None
    acl: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def arguments(self, info: ObjectInfo) -> dict[str, Any]:
        """Return what botocore's PutObject and CreateMultipartUpload are given for an object."""
        given: dict[str, Any] = {
            "ContentType": info.content_type,
            "ServerSideEncryption": self.sse,
            "SSEKMSKeyId": self.sse_kms_key_id,
            "ACL": self.acl,
        }
        metadata = dict(info.metadata)
        if not info.bookkeeping:
            metadata = {**self.metadata, **metadata}
            given["StorageClass"] = self.storage_class
            # Sorted: the same tags are the same settings, in whatever order they were given.
            given["Tagging"] = urlencode(sorted(self.tags.items())) if self.tags else None
        given["Metadata"] = metadata or None
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class S3Options:
    """Which bucket, and how to reach it. None leaves a choice to the standard AWS chain.

    `connections` is the most requests that will be in flight. `allow_http` allows plain HTTP to
    leave this machine. `ca_bundle` is a PEM file of trusted certificates. `unsigned_payload`
    leaves the body's SHA-256 out of signatures on plain HTTP, as is done on HTTPS anyway.
    `addressing_style` is botocore's: `path`, `virtual`, or `auto`, by which the bucket is in the
    host's name for AWS, and in the path for other endpoints. `checksum` is what requests carry, see
    `dialect.Dialect`. `fast_lane` sends puts, parts and HEADs past the generic client. With
    `expected_bucket_owner` every request is refused where the bucket is not of that account.
    `rate` is how fast bodies are sent.
    """

    bucket: str
    connections: int
    endpoint_url: str | None = None
    allow_http: bool = False
    ca_bundle: Path | None = None
    region: str | None = None
    profile: str | None = None
    user_agent: str = "asyncload"
    unsigned_payload: bool = False
    addressing_style: str = "auto"
    checksum: str = "auto"
    fast_lane: bool = True
    expected_bucket_owner: str | None = None
    rate: RateLimit | None = None
    objects: ObjectOptions = field(default_factory=ObjectOptions)
