"""Move one file to one object: one put, or one multipart upload that is completed or aborted."""

from asyncload.transfer.multipart import MultipartTools, upload_multipart
from asyncload.transfer.policy import TransferPolicy
from asyncload.transfer.put import put_file

__all__ = ["MultipartTools", "TransferPolicy", "put_file", "upload_multipart"]
