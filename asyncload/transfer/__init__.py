"""Upload one file: by one put, or by one multipart upload that is completed or aborted."""

from asyncload.transfer.aborting import abort_upload
from asyncload.transfer.context import KnownKeys, PutTools, TransferTools, no_change
from asyncload.transfer.existing import Finding, compare_with_existing
from asyncload.transfer.local_sums import LocalSums
from asyncload.transfer.multipart import upload_multipart
from asyncload.transfer.policy import ChecksumChoice, Existing, TransferPolicy
from asyncload.transfer.proof import Verdict, compare_recorded
from asyncload.transfer.provenance import Provenance
from asyncload.transfer.put import is_listed, put_file, wanted_digests
from asyncload.transfer.resume import last_activity, list_all_parts, seconds_idle
from asyncload.transfer.upload_records import UploadRecords
from asyncload.transfer.verify import LocalFile, compare
from asyncload.transfer.window import PartWindow
from asyncload.transfer.worth import StoreWorth

__all__ = [
    "ChecksumChoice",
    "Existing",
    "Finding",
    "KnownKeys",
    "LocalFile",
    "LocalSums",
    "PartWindow",
    "Provenance",
    "PutTools",
    "StoreWorth",
    "TransferPolicy",
    "TransferTools",
    "UploadRecords",
    "Verdict",
    "abort_upload",
    "compare",
    "compare_recorded",
    "compare_with_existing",
    "is_listed",
    "last_activity",
    "list_all_parts",
    "no_change",
    "put_file",
    "seconds_idle",
    "upload_multipart",
    "wanted_digests",
]
