"""Names that asyncload writes into a bucket, and users must not use."""

from __future__ import annotations

VERSION = "asyncload-version"
RUN = "asyncload-run"
CRC64NVME = "asyncload-crc64nvme"
SOURCE_PATH = "source-path"
MTIME = "mtime"
SOURCE_URL = "source-url"
SOURCE_STATUS = "source-status"
SOURCE_ETAG = "source-etag"
SOURCE_NEXT = "source-next"
SOURCE_TIME = "source-time"

METADATA_NAMES = frozenset(
    {VERSION, RUN, CRC64NVME, SOURCE_PATH, MTIME}
    | {SOURCE_URL, SOURCE_STATUS, SOURCE_ETAG, SOURCE_NEXT, SOURCE_TIME}
)
"""The metadata names that asyncload sets."""

UPLOADS = "uploads"
"""The folder below the prefix of manifests with a record of each multipart upload."""

SHARDS = "shards"
"""The folder below the prefix of manifests with the records of runs of several shards."""

SUCCESS_MARKER = "_SUCCESS"
"""The name of the object that marks a complete partition."""
