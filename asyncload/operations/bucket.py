"""How a run opens its bucket."""

from __future__ import annotations

from asyncload.model.version import VERSION
from asyncload.s3 import ObjectOptions, S3Options
from asyncload.settings.run import Settings


def s3_options(settings: Settings) -> S3Options:
    """Return the options for opening the bucket."""
    return S3Options(
        bucket=settings.bucket,
        connections=settings.max_requests,
        endpoint_url=settings.endpoint_url,
        addressing_style=settings.addressing_style,
        checksum=settings.checksum,
        allow_http=settings.allow_http,
        ca_bundle=settings.ca_bundle,
        region=settings.region,
        profile=settings.profile,
        user_agent=f"asyncload/{VERSION}",
        unsigned_payload=settings.unsigned_payload,
        fast_lane=settings.fast_lane,
        expected_bucket_owner=settings.expected_bucket_owner,
        accelerate=settings.endpoint_accelerate,
        payer=settings.request_payer,
        objects=ObjectOptions(
            storage_class=settings.storage_class,
            sse=settings.sse,
            sse_kms_key_id=settings.sse_kms_key_id,
            acl=settings.acl,
            tags=settings.tags,
            metadata=settings.metadata,
        ),
    )
