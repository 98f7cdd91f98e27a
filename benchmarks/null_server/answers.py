"""S3's answer to each operation, computed from the ledger alone."""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode
from collections.abc import Callable
from html import unescape
from xml.sax.saxutils import escape

from benchmarks.null_server import listings
from benchmarks.null_server.http import Request, Response, http_date
from benchmarks.null_server.ledger import Checksums, Ledger, Part, Stored, Upload
from benchmarks.null_server.operations import operation_of

_MIN_PART = 5 * 1024 * 1024
# How parts and object will be checked, as given when the upload starts.
_ANNOUNCED = (b"x-amz-checksum-algorithm", b"x-amz-checksum-type")
_LISTED_PART = re.compile(
    rb"<Part>(?=.*?<PartNumber>(\d+)</PartNumber>)(?=.*?<ETag>([^<]*)</ETag>).*?</Part>", re.DOTALL
)


def answer(ledger: Ledger, request: Request) -> Response:
    """Carry out a request whose body was read, and return S3's answer."""
    if request.path == "/_stats":
        document = ledger.stats(with_objects="objects" in request.query)
        return Response(body=json.dumps(document).encode())
    if request.path == "/_reset":
        (ledger.reset_counts if "counts" in request.query else ledger.reset)()
        return Response()
    operation = operation_of(request)
    ledger.calls[operation] += 1
    if ledger.capacity is None or ledger.capacity.serves(time.monotonic()):
        response = _HANDLERS.get(operation, _not_implemented)(ledger, request)
    else:
        response = listings.slow_down(request)
    ledger.statuses[response.status] += 1
    if request.method == b"HEAD":
        response.body = b""
    return response


def _put_object(ledger: Ledger, request: Request) -> Response:
    ledger.body_bytes += request.size
    if _must_not_replace(ledger, request):
        return listings.precondition_failed(request)
    checksums = _checksums(request)
    etag = _etag(ledger, request)
    digests = [(request.size, request.digest)]
    ledger.objects[_name(request)] = Stored(
        request.size, etag, checksums, digests, time.time(), _metadata(request)
    )
    return Response(headers={b"ETag": etag.encode(), **checksums})


def _create_upload(ledger: Ledger, request: Request) -> Response:
    checksums: Checksums = {
        name: request.headers[name] for name in _ANNOUNCED if name in request.headers
    }
    upload_id = ledger.next_etag().strip('"')
    ledger.uploads[upload_id] = Upload(
        _name(request), checksums, time.time(), metadata=_metadata(request)
    )
    body = listings.document(
        "InitiateMultipartUploadResult",
        f"<Bucket>{escape(request.bucket)}</Bucket><Key>{escape(request.key)}</Key>"
        f"<UploadId>{upload_id}</UploadId>",
    )
    return Response(headers=checksums, body=body)


def _upload_part(ledger: Ledger, request: Request) -> Response:
    ledger.body_bytes += request.size
    upload = _upload(ledger, request)
    if upload is None:
        return listings.no_such_upload(request)
    checksums = _checksums(request)
    etag = _etag(ledger, request)
    number = int(request.query["partNumber"])
    upload.parts[number] = Part(request.size, etag, request.digest, checksums)
    return Response(headers={b"ETag": etag.encode(), **checksums})


def _complete(ledger: Ledger, request: Request) -> Response:
    upload = _upload(ledger, request)
    if upload is None:
        return listings.no_such_upload(request)
    if _must_not_replace(ledger, request):
        return listings.precondition_failed(request)
    listed = [
        (int(number), unescape(etag.decode()).strip('"'))
        for number, etag in _LISTED_PART.findall(request.body)
    ]
    parts = [upload.parts.get(number) for number, _ in listed]
    if not parts or any(
        part is None or part.etag.strip('"') != etag
        for part, (_, etag) in zip(parts, listed, strict=True)
    ):
        return listings.error(request, 400, "InvalidPart", "A part is missing or has another ETag.")
    if [number for number, _ in listed] != sorted({number for number, _ in listed}):
        return listings.error(request, 400, "InvalidPartOrder", "The parts are not in order.")
    present = [part for part in parts if part is not None]
    if any(part.size < _MIN_PART for part in present[:-1]):
        return listings.error(request, 400, "EntityTooSmall", "A part is under 5 MiB.")
    etag = f'{ledger.next_etag()[:-1]}-{len(present)}"'
    checksums = _checksums(request)
    digests = [(part.size, part.digest) for part in present]
    size = sum(part.size for part in present)
    ledger.objects[upload.name] = Stored(
        size, etag, checksums, digests, time.time(), upload.metadata
    )
    del ledger.uploads[request.query["uploadId"]]
    return Response(body=listings.completed(request, etag, checksums))


def _abort(ledger: Ledger, request: Request) -> Response:
    if _upload(ledger, request) is None:
        return listings.no_such_upload(request)
    del ledger.uploads[request.query["uploadId"]]
    return Response(204)


def _head_object(ledger: Ledger, request: Request) -> Response:
    stored = ledger.find(_name(request))
    if stored is None:
        return listings.error(request, 404, "NoSuchKey", "The specified key does not exist.")
    shown = stored.checksums if b"x-amz-checksum-mode" in request.headers else {}
    headers = {
        b"ETag": stored.etag.encode(),
        b"Last-Modified": http_date(stored.modified).encode(),
        b"Content-Type": b"binary/octet-stream",
        **stored.metadata,
        **shown,
    }
    return Response(headers=headers, length=stored.size)


def _head_bucket(ledger: Ledger, request: Request) -> Response:
    del ledger, request  # every bucket exists
    return Response(headers={b"x-amz-bucket-region": b"us-east-1"})


def _location(ledger: Ledger, request: Request) -> Response:
    del ledger, request  # every bucket is in us-east-1, for which S3 returns no name
    return Response(body=listings.document("LocationConstraint", ""))


def _not_implemented(ledger: Ledger, request: Request) -> Response:
    del ledger
    return listings.error(request, 501, "NotImplemented", "The null server has no such operation.")


def _name(request: Request) -> str:
    return request.path[1:]


def _etag(ledger: Ledger, request: Request) -> str:
    md5 = request.headers.get(b"content-md5")
    if md5 or request.md5:
        return f'"{b64decode(md5).hex() if md5 else request.md5}"'
    return ledger.next_etag()


def _must_not_replace(ledger: Ledger, request: Request) -> bool:
    if request.headers.get(b"if-none-match") != b"*":
        return False
    return ledger.find(_name(request)) is not None


def _upload(ledger: Ledger, request: Request) -> Upload | None:
    upload = ledger.uploads.get(request.query["uploadId"])
    return upload if upload is not None and upload.name == _name(request) else None


def _checksums(request: Request) -> Checksums:
    return {
        name: value
        for name, value in request.headers.items()
        if name.startswith(b"x-amz-checksum-") and name != b"x-amz-checksum-algorithm"
    }


def _metadata(request: Request) -> dict[bytes, bytes]:
    return {
        name: value for name, value in request.headers.items() if name.startswith(b"x-amz-meta-")
    }


_HANDLERS: dict[str, Callable[[Ledger, Request], Response]] = {
    "PutObject": _put_object,
    "CreateMultipartUpload": _create_upload,
    "UploadPart": _upload_part,
    "CompleteMultipartUpload": _complete,
    "AbortMultipartUpload": _abort,
    "HeadObject": _head_object,
    "HeadBucket": _head_bucket,
    "CreateBucket": _head_bucket,
    "GetBucketLocation": _location,
    "ListParts": listings.list_parts,
    "ListMultipartUploads": listings.list_uploads,
    "ListObjects": listings.list_objects_v1,
    "ListObjectsV2": listings.list_objects,
}
