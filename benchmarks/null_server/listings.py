"""S3's XML documents: lists, errors and the result of a completed upload."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from urllib.parse import quote
from xml.sax.saxutils import escape

from benchmarks.null_server.http import Request, Response
from benchmarks.null_server.ledger import Checksums, Ledger

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_PAGE = 1000
# Characters that need no escaping in XML or URLs, which covers most keys.
_PLAIN = re.compile(r"[A-Za-z0-9/_.~-]*")


def document(root: str, content: str) -> bytes:
    """Return an XML document in S3's namespace; `content` is XML already."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{content}</{root}>'
    ).encode()


def error(request: Request, status: int, code: str, message: str) -> Response:
    """Return an error as S3 sends it."""
    content = (
        f"<Code>{code}</Code><Message>{message}</Message>"
        f"<Resource>{escape(request.path)}</Resource><RequestId>0</RequestId>"
    )
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{content}</Error>'
    return Response(status, body=body.encode())


def precondition_failed(request: Request) -> Response:
    """Return the answer to a create-only put of an existing key."""
    message = "At least one of the pre-conditions you specified did not hold"
    return error(request, 412, "PreconditionFailed", message)


def slow_down(request: Request) -> Response:
    """Return the answer of a store above its capacity."""
    return error(request, 503, "SlowDown", "Please reduce your request rate.")


def no_such_upload(request: Request) -> Response:
    """Return the answer to a call for an upload that does not exist."""
    return error(request, 404, "NoSuchUpload", "The specified upload does not exist.")


def completed(request: Request, etag: str, checksums: Checksums) -> bytes:
    """Return the document that answers CompleteMultipartUpload."""
    content = (
        f"<Location>{escape(request.path)}</Location><Bucket>{escape(request.bucket)}</Bucket>"
        f"<Key>{escape(request.key)}</Key><ETag>{escape(etag)}</ETag>"
    )
    for name, value in checksums.items():
        word = name.removeprefix(b"x-amz-checksum-").decode()
        element = "ChecksumType" if word == "type" else f"Checksum{word.upper()}"
        content += f"<{element}>{escape(value.decode())}</{element}>"
    return document("CompleteMultipartUploadResult", content)


def list_objects(ledger: Ledger, request: Request) -> Response:
    """Answer ListObjectsV2: a page of keys after a token, with a prefix and a delimiter."""
    query = request.query
    after = query.get("continuation-token") or query.get("start-after", "")
    return _list(ledger, request, after, "NextContinuationToken")


def list_objects_v1(ledger: Ledger, request: Request) -> Response:
    """Answer the first version of ListObjects, in which a page continues after a marker."""
    return _list(ledger, request, request.query.get("marker", ""), "NextMarker")


def _list(ledger: Ledger, request: Request, after: str, next_name: str) -> Response:
    query = request.query
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = min(int(query.get("max-keys", _PAGE)), _PAGE)
    base = f"{request.bucket}/"
    # One more than fits shows whether there are more.
    found = _entries(ledger, base, prefix, delimiter, after, limit + 1) if limit else []
    truncated, found = len(found) > limit, found[:limit]
    url = query.get("encoding-type") == "url"
    content = [
        f"<Name>{escape(request.bucket)}</Name><Prefix>{_text(prefix, url)}</Prefix>",
        f"<KeyCount>{len(found)}</KeyCount><MaxKeys>{limit}</MaxKeys>",
        f"<IsTruncated>{str(truncated).lower()}</IsTruncated>",
    ]
    if delimiter:
        content.append(f"<Delimiter>{_text(delimiter, url)}</Delimiter>")
    if url:
        content.append("<EncodingType>url</EncodingType>")
    if truncated:
        # A token is opaque to a client, which must send it back unchanged; a marker is a key.
        last = found[-1][0]
        last = _text(last, url) if next_name == "NextMarker" else escape(last)
        content.append(f"<{next_name}>{last}</{next_name}>")
    for text, is_group in found:
        if is_group:
            content.append(f"<CommonPrefixes><Prefix>{_text(text, url)}</Prefix></CommonPrefixes>")
            continue
        stored = ledger.listed(base + text)
        content.append(
            f"<Contents><Key>{_text(text, url)}</Key>"
            f"<LastModified>{_iso_time(int(stored.modified))}</LastModified>"
            f"<ETag>{escape(stored.etag)}</ETag><Size>{stored.size}</Size>"
            f"<StorageClass>STANDARD</StorageClass></Contents>"
        )
    return Response(body=document("ListBucketResult", "".join(content)))


def _entries(
    ledger: Ledger, base: str, prefix: str, delimiter: str, after: str, count: int
) -> list[tuple[str, bool]]:
    """Return at most `count` keys and groups of keys in order; groups are marked True."""
    start = (base + prefix).encode()
    end = _behind(base + prefix)
    if after:
        # After a page that ended with a group, continue after the last key of that group.
        group = _group(after, prefix, delimiter)
        start = max(start, _behind(base + group) if group else (base + after).encode() + b"\0")
    found: list[tuple[str, bool]] = []
    while len(found) < count:
        names = ledger.names_between(start, end, count - len(found))
        for name in names:
            key = name.removeprefix(base)
            group = _group(key, prefix, delimiter)
            found.append((group or key, bool(group)))
            if group:
                start = _behind(base + group)
                break
        else:
            return found
    return found


def _behind(prefix: str) -> bytes:
    """Return a string that sorts after all names with this prefix: UTF-8 has no byte 0xFF."""
    encoded = prefix.encode()
    return encoded[:-1] + bytes([encoded[-1] + 1])


def list_parts(ledger: Ledger, request: Request) -> Response:
    """Answer ListParts: a page of an open upload's parts after a part number."""
    upload_id = request.query["uploadId"]
    upload = ledger.uploads.get(upload_id)
    if upload is None or upload.name != f"{request.bucket}/{request.key}":
        return no_such_upload(request)
    after = int(request.query.get("part-number-marker") or 0)
    limit = min(int(request.query.get("max-parts", _PAGE)), _PAGE)
    numbers = sorted(number for number in upload.parts if number > after)
    page = numbers[:limit]
    content = (
        f"<Bucket>{escape(request.bucket)}</Bucket><Key>{escape(request.key)}</Key>"
        f"<UploadId>{upload_id}</UploadId><PartNumberMarker>{after}</PartNumberMarker>"
        f"<NextPartNumberMarker>{page[-1] if page else after}</NextPartNumberMarker>"
        f"<MaxParts>{limit}</MaxParts>"
        f"<IsTruncated>{str(len(numbers) > len(page)).lower()}</IsTruncated>"
    )
    for number in page:
        part = upload.parts[number]
        content += (
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(part.etag)}</ETag>"
            f"<LastModified>{_iso_time(int(upload.started))}</LastModified>"
            f"<Size>{part.size}</Size></Part>"
        )
    return Response(body=document("ListPartsResult", content))


def list_uploads(ledger: Ledger, request: Request) -> Response:
    """Answer ListMultipartUploads with all uploads of a prefix on one page."""
    prefix = request.query.get("prefix", "")
    base = f"{request.bucket}/"
    url = request.query.get("encoding-type") == "url"
    content = f"<Bucket>{escape(request.bucket)}</Bucket><Prefix>{_text(prefix, url)}</Prefix>"
    content += "<IsTruncated>false</IsTruncated>"
    if url:
        content += "<EncodingType>url</EncodingType>"
    for upload_id, upload in sorted(ledger.uploads.items(), key=lambda item: item[1].name):
        if upload.name.startswith(base + prefix):
            content += (
                f"<Upload><Key>{_text(upload.name.removeprefix(base), url)}</Key>"
                f"<UploadId>{upload_id}</UploadId>"
                f"<Initiated>{_iso_time(int(upload.started))}</Initiated></Upload>"
            )
    return Response(body=document("ListMultipartUploadsResult", content))


def _group(key: str, prefix: str, delimiter: str) -> str:
    """Return the common prefix under which a key is listed, empty if the key itself is listed."""
    if not delimiter or not key.startswith(prefix):
        return ""
    head, found, _ = key[len(prefix) :].partition(delimiter)
    return prefix + head + delimiter if found else ""


def _text(text: str, url: bool) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return quote(text) if url else escape(text)


@lru_cache(maxsize=1024)
def _iso_time(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
