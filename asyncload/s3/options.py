"""Options of a bucket: how to reach it, and how objects are stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode

from asyncload.store.protocol import ObjectInfo
from asyncload.store.rates import RateLimit


class ObjectOptions(NamedTuple):
    """How objects are stored; None uses the bucket's default.

    `tags` and `metadata` are added to those of each CSV. Storage class and tags apply to CSVs only:
    a manifest must stay readable.
    """

    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key_id: str | None = None
    acl: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    metadata: Mapping[str, str] = MappingProxyType({})

    def arguments(self, info: ObjectInfo) -> dict[str, Any]:
        """Return the arguments of botocore's PutObject and CreateMultipartUpload for an object."""
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
            # Sorted, so that the same tags in any order give the same fingerprint.
            given["Tagging"] = urlencode(sorted(self.tags.items())) if self.tags else None
        if info.lock is not None:
            given["ObjectLockMode"] = info.lock.mode
            # In text: the settings of an upload are hashed.
            given["ObjectLockRetainUntilDate"] = info.lock.until_text
        given["Metadata"] = metadata or None
        return {name: value for name, value in given.items() if value is not None}


class S3Options(NamedTuple):
    """The bucket, and how to reach it. None leaves a choice to the standard AWS chain.

    `connections` is the maximum number of requests in flight. `allow_http` allows plain HTTP to
    other machines. `ca_bundle` is a PEM file of trusted certificates. `unsigned_payload` omits the
    body's SHA-256 from signatures on plain HTTP, as on HTTPS. `addressing_style` is botocore's:
    `path`, `virtual`, or `auto`, which puts the bucket in the host name for AWS and in the path for
    other endpoints. `checksum` is sent with requests, see `dialect.Dialect`. `fast_lane` sends
    puts, parts and HEADs over a faster code path than the generic client. `expected_bucket_owner`
    makes the store refuse requests if the bucket belongs to another account. `accelerate` sends
    requests to the endpoint of S3 Transfer Acceleration. `payer` states in each request that the
    requester pays for it. `rate` limits how fast bodies are sent.
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
    accelerate: bool = False
    payer: bool = False
    rate: RateLimit | None = None
    objects: ObjectOptions = ObjectOptions()

    @property
    def in_each_request(self) -> dict[str, str]:
        """The arguments of every request besides those that say what is requested."""
        given = {}
        if self.expected_bucket_owner:
            given["ExpectedBucketOwner"] = self.expected_bucket_owner
        if self.payer:
            given["RequestPayer"] = "requester"
        return given
