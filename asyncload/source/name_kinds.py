"""Names of files and folders that hold no data, temporary data, or packed data."""

from __future__ import annotations

import re
from typing import Literal

from asyncload.model.values import ExcludedReason

FileKind = ExcludedReason | Literal["csv", "other"]

_CSV = ".csv"

COMPRESSED_CSVS = {
    ".csv.gz": "application/gzip",
    ".csv.zst": "application/zstd",
    ".csv.bz2": "application/x-bzip2",
}
"""Endings of compressed CSVs that query engines read as they are, with their content types."""

_COMPRESSED_CSVS = tuple(COMPRESSED_CSVS)

# Files that editors, office programs and unfinished exports leave beside or instead of a CSV.
_TEMPORARY = re.compile(
    r"(?:^~\$|^#.*#$|~$"
    r"|\.csv(?:\.(?:gz|zst|bz2))?\.(?:tmp|temp|part|partial|swp|bak|crdownload|filepart)$"
    r"|\.(?:tmp|part|partial|crdownload)\.csv(?:\.(?:gz|zst|bz2))?$)",
    re.IGNORECASE,
)
_COMPRESSED = re.compile(
    r"\.csv\.(?:gz|gzip|z|zst|zstd|bz2|xz|lzma|lz4|br|snappy|sz)$", re.IGNORECASE
)
_ARCHIVE = re.compile(
    r"\.(?:zip|7z|rar|tar|tgz|tbz2?|txz|tzst|tar\.(?:gz|z|zst|zstd|bz2|xz|lzma|lz4))$",
    re.IGNORECASE,
)

# Recycle bins, snapshots and thumbnails: of Windows, macOS, Synology, QNAP and NetApp. Those that
# begin with a dot are hidden anyway.
_OF_SYSTEM = frozenset(
    {
        "$recycle.bin",
        "recycler",
        "recycled",
        "system volume information",
        "network trash folder",
        "temporary items",
        "__macosx",
        "#recycle",
        "#snapshot",
        "@eadir",
        "@tmp",
        "@recycle",
        "@recently-snapshot",
        "~snapshot",
    }
)
# Folders in which jobs of Hadoop, Spark, Hive, Impala and their committers keep uncommitted data
# and notes.
_OF_JOB = re.compile(
    r"_temporary|_success|_spark_metadata|_delta_log|_impala_insert_staging|_distcp_logs"
    r"|_scratch.*|_tmp\..*|_task_tmp\..*|__magic.*",
    re.IGNORECASE,
)


def folder_kind(name: str, *, at_root: bool) -> ExcludedReason | None:
    """Return why a folder with this name is not entered; None if it is.

    `at_root`: it is at the root of the volume, where `lost+found` belongs to the file system.
    """
    if name.startswith("."):
        return "hidden"
    if name.lower() in _OF_SYSTEM or (at_root and name == "lost+found"):
        return "system folder"
    return "temporary folder" if name[:1] == "_" and _OF_JOB.fullmatch(name) else None


def file_kind(name: str) -> FileKind:
    """Return the kind of a file by its name: a CSV, a reason to exclude it, or other."""
    csv = name[-4:].lower() == _CSV
    kind: FileKind
    if _TEMPORARY.search(name) and _CSV in name.lower():
        kind = "temporary"
    elif csv:
        kind = "csv"
    elif _COMPRESSED.search(name):
        kind = "compressed"
    else:
        kind = "archive" if _ARCHIVE.search(name) else "other"
    return "hidden" if name.startswith(".") and kind != "other" else kind


def compressed_csv(name: str) -> str | None:
    """Return the ending of a compressed CSV that is loaded as it is, in lower case; else None."""
    tail = name[-8:].lower()
    if not tail.endswith(_COMPRESSED_CSVS):
        return None
    return next(ending for ending in _COMPRESSED_CSVS if tail.endswith(ending))


def is_zip(name: str) -> bool:
    """Return whether a file has the name of a ZIP archive."""
    return name[-4:].lower() == ".zip"
