"""Determine the S3 operation of a request."""

from __future__ import annotations

from benchmarks.null_server.http import Request

_BUCKET_QUERIES = {
    "location": "GetBucketLocation",
    "uploads": "ListMultipartUploads",
    "list-type": "ListObjectsV2",
}


def operation_of(request: Request) -> str:
    """Return S3's name of the operation; `Unknown` if the null server does not support it."""
    method, query = request.method, request.query
    if request.key:
        if method == b"PUT":
            return "UploadPart" if "partNumber" in query else "PutObject"
        if method == b"POST" and ("uploads" in query or "uploadId" in query):
            return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
        if method == b"DELETE" and "uploadId" in query:
            return "AbortMultipartUpload"
        if method == b"GET" and "uploadId" in query:
            return "ListParts"
        return "HeadObject" if method == b"HEAD" else "Unknown"
    if method == b"GET":
        for word, operation in _BUCKET_QUERIES.items():
            if word in query:
                return operation
        return "ListObjects"
    return {b"HEAD": "HeadBucket", b"PUT": "CreateBucket"}.get(method, "Unknown")
