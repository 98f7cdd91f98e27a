"""What an HTTP request means to S3."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from tests.faults.proxy.http import Head


@dataclass(frozen=True)
class Call:
    """One request: its operation as S3 names it, and the how-manieth of its kind it is.

    `attempt` counts from 1 the requests of the same operation, key and part; `number` all
    requests in the order of arrival, on which nothing that is to be replayed may depend.
    """

    operation: str
    bucket: str
    key: str
    part: int
    attempt: int
    number: int
    upload_id: str
    head: Head

    @property
    def identity(self) -> tuple[str, str, int]:
        return self.operation, self.key, self.part


def understand(head: Head) -> Call:
    """Read method, path and query; attempt and number are yet to be counted."""
    parts = urlsplit(head.target)
    query = parse_qs(parts.query, keep_blank_values=True)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    return Call(
        operation=_operation(head.method, key, query),
        bucket=bucket,
        key=key,
        part=int(query.get("partNumber", ["0"])[0]),
        attempt=0,
        number=0,
        upload_id=query.get("uploadId", [""])[0],
        head=head,
    )


def _operation(method: str, key: str, query: dict[str, list[str]]) -> str:
    if not key:
        if "object-lock" in query:
            return "GetObjectLockConfiguration"
        listing = "ListMultipartUploads" if "uploads" in query else "ListObjectsV2"
        return {"GET": listing, "HEAD": "HeadBucket", "PUT": "CreateBucket"}.get(method, method)
    names = {
        ("PUT", True): "UploadPart",
        ("PUT", False): "PutObject",
        ("POST", True): "CompleteMultipartUpload",
        ("POST", False): "CreateMultipartUpload",
        ("DELETE", True): "AbortMultipartUpload",
        ("DELETE", False): "DeleteObject",
        ("GET", True): "ListParts",
        ("GET", False): "GetObject",
    }
    return names.get((method, "uploadId" in query), "HeadObject")
