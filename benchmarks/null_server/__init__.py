"""A null S3 server: answers like S3, reads every body and discards it."""

from benchmarks.null_server.serving import NullServer

__all__ = ["NullServer"]
