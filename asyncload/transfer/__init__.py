"""Move one file to one object: one put, or one multipart upload that is completed or aborted."""

from asyncload.transfer.multipart import MultipartTools, upload_multipart
from asyncload.transfer.policy import TransferPolicy
from asyncload.transfer.put import put_file
from asyncload.transfer.window import PartWindow

__all__ = ["MultipartTools", "PartWindow", "TransferPolicy", "put_file", "upload_multipart"]
