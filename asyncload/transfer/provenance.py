"""Metadata that says where an object comes from. Pure."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from asyncload.model import reserved
from asyncload.model.names import to_bytes
from asyncload.model.values import Checksum, PlannedUpload
from asyncload.source.name_kinds import COMPRESSED_CSVS, compressed_csv
from asyncload.store.protocol import CSV, ObjectInfo

# S3 allows 2 KiB of metadata in all; the user's own metadata may use the rest.
_MAX_PATH = 1024


class Provenance(NamedTuple):
    """The run and the version of asyncload that an object comes from; empty without a run."""

    run_id: str = ""
    version: str = ""

    def info(
        self,
        upload: PlannedUpload,
        mtime_ns: int,
        checksum: Checksum | None = None,
        info: ObjectInfo | None = None,
    ) -> ObjectInfo:
        """Return the content type and the metadata stored with a file, added to `info` if given.

        `source-path` is percent-encoded, and omitted if that takes over 1 KiB, or if the bytes come
        from an address, which `info` has. `mtime` is in seconds since 1970, in rclone's format.
        """
        if info is None:
            ending = compressed_csv(upload.source.path)
            info = ObjectInfo(COMPRESSED_CSVS[ending]) if ending else CSV
        if not self.run_id:
            return info
        metadata = {
            **info.metadata,
            reserved.VERSION: self.version,
            reserved.RUN: self.run_id,
            reserved.MTIME: _seconds(mtime_ns),
        }
        path = quote(to_bytes(upload.source.path))
        if len(path) <= _MAX_PATH and reserved.SOURCE_URL not in metadata:
            metadata[reserved.SOURCE_PATH] = path
        if checksum is not None and checksum.algorithm == "CRC64NVME":
            metadata[reserved.CRC64NVME] = checksum.digest
        return info._replace(metadata=metadata)


def _seconds(nanoseconds: int) -> str:
    """Format nanoseconds since 1970 (or before) as seconds with all digits."""
    seconds, fraction = divmod(abs(nanoseconds), 1_000_000_000)
    return f"{'-' if nanoseconds < 0 else ''}{seconds}.{fraction:09}"
