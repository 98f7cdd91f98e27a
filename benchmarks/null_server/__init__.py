"""A null S3 server: answers as S3 does, reads every body and throws it away."""

from benchmarks.null_server.serving import NullServer

__all__ = ["NullServer"]
