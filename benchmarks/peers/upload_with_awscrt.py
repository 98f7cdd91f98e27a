"""Upload a volume with awscrt's `S3Client`; `peers/awscrt.py` has the settings."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future
from functools import partial
from threading import Semaphore
from urllib.parse import quote, urlsplit

from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientTlsContext, TlsContextOptions
from awscrt.s3 import (
    S3ChecksumAlgorithm,
    S3ChecksumConfig,
    S3ChecksumLocation,
    S3Client,
    S3RequestTlsMode,
    S3RequestType,
    create_default_s3_signing_config,
)

from benchmarks.peers.csvs import find_csvs

_REGION = "us-east-1"


def _open_client(encrypted: bool) -> S3Client:
    provider = AwsCredentialsProvider.new_default_chain()
    signing = create_default_s3_signing_config(region=_REGION, credential_provider=provider)
    if not encrypted:
        return S3Client(region=_REGION, signing_config=signing, tls_mode=S3RequestTlsMode.DISABLED)
    trust = TlsContextOptions()
    trust.override_default_trust_store_from_path(None, os.environ["AWS_CA_BUNDLE"])
    tls = ClientTlsContext(trust).new_connection_options()
    return S3Client(region=_REGION, signing_config=signing, tls_connection_options=tls)


def main() -> None:
    """Upload according to the command line."""
    volume, bucket, prefix, endpoint, at_once = sys.argv[1:]
    address = urlsplit(endpoint)
    client = _open_client(address.scheme == "https")
    gate = Semaphore(int(at_once))
    checksum = S3ChecksumConfig(
        algorithm=S3ChecksumAlgorithm.CRC64NVME, location=S3ChecksumLocation.TRAILER
    )
    under_way: list[Future[None]] = []
    for path, key in find_csvs(volume, prefix):
        headers = HttpHeaders(
            [
                ("Host", address.netloc),
                ("Content-Type", "text/csv"),
                ("Content-Length", str(os.path.getsize(path))),  # noqa: PTH202  # a third of pathlib's time
            ]
        )
        gate.acquire()
        request = client.make_request(
            type=S3RequestType.PUT_OBJECT,
            request=HttpRequest("PUT", f"/{bucket}/{quote(key)}", headers),
            send_filepath=path,
            checksum_config=checksum,
            on_done=partial(_done, gate),
        )
        under_way.append(request.finished_future)
        del request
    for future in under_way:
        future.result()


def _done(gate: Semaphore, **outcome: object) -> None:
    del outcome  # the future has it
    gate.release()


if __name__ == "__main__":
    main()
