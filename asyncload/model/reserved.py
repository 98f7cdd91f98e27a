"""Names that asyncload writes into a bucket by itself, and users may not."""

from __future__ import annotations

VERSION = "asyncload-version"
RUN = "asyncload-run"
CRC64NVME = "asyncload-crc64nvme"
SOURCE_PATH = "source-path"
MTIME = "mtime"

METADATA_NAMES = frozenset({VERSION, RUN, CRC64NVME, SOURCE_PATH, MTIME})
"""The names that objects' metadata has from us."""

UPLOADS = "uploads"
"""The folder below the prefix of manifests that holds a record of each multipart upload."""

SUCCESS_MARKER = "_SUCCESS"
"""The name of the object that marks a complete partition."""
