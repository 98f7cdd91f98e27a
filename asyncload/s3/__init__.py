"""S3 behind the `ObjectStore` protocol: the only package that uses aioboto3 and botocore."""

import asyncload.s3.libraries  # noqa: F401  # first, see there

# isort: split
from asyncload.model.http_dates import describe_offset
from asyncload.s3.lake import create_bucket, read_objects
from asyncload.s3.opening import open_client, open_store
from asyncload.s3.options import ObjectOptions, S3Options

__all__ = [
    "ObjectOptions",
    "S3Options",
    "create_bucket",
    "describe_offset",
    "open_client",
    "open_store",
    "read_objects",
]
