"""S3 behind the `ObjectStore` protocol: the only place that knows aioboto3 and botocore."""

from asyncload.s3.client import open_client, open_store
from asyncload.s3.lake import create_bucket, read_objects
from asyncload.s3.options import ObjectOptions, S3Options
from asyncload.s3.times import describe_offset

__all__ = [
    "ObjectOptions",
    "S3Options",
    "create_bucket",
    "describe_offset",
    "open_client",
    "open_store",
    "read_objects",
]
