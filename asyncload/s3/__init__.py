"""S3 behind the `ObjectStore` protocol: the only package that uses aioboto3 and botocore."""

import asyncload.s3.libraries  # noqa: F401  # first, see there

# isort: split
from asyncload.model.http_dates import describe_offset
from asyncload.s3.auth.lending import Lender, Lent
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.client.tls import check_bundle
from asyncload.s3.hooks.http_session import never_repeat
from asyncload.s3.lake import create_bucket, list_lake, read_objects
from asyncload.s3.opening import open_client, open_endpoint, open_store
from asyncload.s3.options import ObjectOptions, S3Options
from asyncload.s3.proxies import proxies_of_environment

__all__ = [
    "Lender",
    "Lent",
    "ObjectOptions",
    "S3Options",
    "Secrets",
    "check_bundle",
    "create_bucket",
    "describe_offset",
    "list_lake",
    "never_repeat",
    "open_client",
    "open_endpoint",
    "open_store",
    "proxies_of_environment",
    "read_objects",
]
