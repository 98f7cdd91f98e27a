"""Upload a volume with boto3; `peers/boto3.py` has the settings."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks.peers.csvs import find_csvs

_PART = 16 * 1024 * 1024


def main() -> None:
    """Upload according to the command line."""
    volume, bucket, prefix, endpoint, threads, at_once = sys.argv[1:]
    files = find_csvs(volume, prefix)
    if int(threads) == 1:
        client = boto3.client("s3", endpoint_url=endpoint)
        for path, key in files:
            client.upload_file(path, bucket, key)
        return
    client = boto3.client(
        "s3", endpoint_url=endpoint, config=Config(max_pool_connections=int(at_once))
    )
    # Use threads within a file only if there are too few files for all threads.
    transfer = TransferConfig(
        use_threads=len(files) < int(threads),
        max_concurrency=int(at_once),
        multipart_threshold=_PART,
        multipart_chunksize=_PART,
    )
    with ThreadPoolExecutor(int(threads)) as pool:
        uploads = [
            pool.submit(client.upload_file, path, bucket, key, Config=transfer)
            for path, key in files
        ]
    for upload in uploads:
        upload.result()


if __name__ == "__main__":
    main()
