"""The meaning of S3's error codes, and hints for each.

Sources: "Error responses" in the Amazon S3 API reference; the error codes of Alibaba OSS, Backblaze
B2, Ceph RGW, Cloudflare R2, Google Cloud Storage, MinIO and Tencent COS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from asyncload import errors
from asyncload.errors import StoreError

_MEANINGS: Mapping[str, type[StoreError]] = {
    "InvalidAccessKeyId": errors.CredentialsRejected,
    "SignatureDoesNotMatch": errors.CredentialsRejected,
    "ExpiredToken": errors.CredentialsRejected,
    "TokenRefreshRequired": errors.CredentialsRejected,
    "InvalidToken": errors.CredentialsRejected,
    "RequestTimeTooSkewed": errors.CredentialsRejected,
    "AccessDenied": errors.AccessDenied,
    "AllAccessDisabled": errors.AccessDenied,
    "AccountProblem": errors.AccessDenied,
    "NoSuchBucket": errors.BucketNotFound,
    "InvalidBucketName": errors.BucketNotFound,
    "PermanentRedirect": errors.WrongRegion,
    "AuthorizationHeaderMalformed": errors.WrongRegion,
    "NotImplemented": errors.EndpointRefused,
    "PreconditionFailed": errors.PreconditionFailed,
    "NoSuchUpload": errors.NoSuchUpload,
    "InvalidPart": errors.UploadBroken,
    "InvalidPartOrder": errors.UploadBroken,
    "EntityTooSmall": errors.UploadBroken,
    "SlowDown": errors.Throttled,
    "RequestTimeout": errors.Throttled,
    "IncompleteBody": errors.ServerError,
    "BadDigest": errors.BodyDamaged,
    "InvalidDigest": errors.BodyDamaged,
    "XAmzContentSHA256Mismatch": errors.BodyDamaged,
    "XAmzContentChecksumMismatch": errors.BodyDamaged,
    # Another conditional request for the key is in progress.
    "ConditionalRequestConflict": errors.WriteConflict,
}

# Other stores' codes for a denied request.
_DENIAL = re.compile(
    r"denied|forbidden|unauthori[sz]ed|not_?authori[sz]ed|permission", re.IGNORECASE
)
_PATH_STYLE = re.compile(
    r"SecondLevelDomain|PathStyle|VirtualHost|third.level domain|virtual.?(?:host|style)"
    r"|path.?style",
    re.IGNORECASE,
)
# "The retain until date must be in the future!", "Bucket is missing Object Lock Configuration", and
# "S3 Transfer Acceleration is not configured on this bucket": their codes are InvalidRequest and
# InvalidArgument. Several words of each are compared, as a message may contain a file's name.
_UNTIL = re.compile(r"retain.?until.?date|retention (?:period|date)", re.IGNORECASE)
_LOCK = re.compile(r"object ?lock ?config|object ?lock .{0,12}not ", re.IGNORECASE)
_ACCELERATION = re.compile(r"S3 Transfer Acceleration", re.IGNORECASE)
PROXY_WANTS_LOGIN = 407


def meaning_of(code: str, status: int, message: str = "") -> type[StoreError]:
    """Return the error class of a response, by its code, else by its status and message."""
    known = _MEANINGS.get(code)
    if known is not None:
        return known
    if status == 403:
        return _meaning_of_refusal(code, message)
    if status == 400 and _hint_by_words(message):
        # The bucket or the options are the reason, so that no other file would be accepted.
        return errors.StoreRefused
    if 300 <= status < 400 or status in (PROXY_WANTS_LOGIN, 501, 505):
        return errors.EndpointRefused
    if status == 412:
        return errors.PreconditionFailed
    if status in (429, 503):
        return errors.Throttled
    if status >= 500 or status < 300:
        # S3 reports late failures as an error document in a response with status 200.
        return errors.ServerError
    return errors.RequestRejected


def _meaning_of_refusal(code: str, message: str) -> type[StoreError]:
    """Return the meaning of a 403: a missing permission, or what its code says."""
    if wants_virtual_hosts(code, message):
        return errors.StoreRefused
    return errors.AccessDenied if not code or _DENIAL.search(code) else errors.StoreRefused


def wants_virtual_hosts(code: str, message: str) -> bool:
    """Return whether a store refuses addresses with the bucket in the path."""
    return bool(_PATH_STYLE.search(code) or _PATH_STYLE.search(message))


def _hint_by_words(message: str) -> str:
    """Return the hint for a refusal of which only the words say what it refers to, else ""."""
    if _UNTIL.search(message):
        return "use another --lock-until, and check this machine's clock"
    if _LOCK.search(message):
        return "enable Object Lock on the bucket, or omit --lock-mode and --lock-until"
    if _ACCELERATION.search(message):
        return "enable Transfer Acceleration on the bucket, or omit --endpoint-accelerate"
    return ""


_HINTS: Mapping[str, str] = {
    "AccessControlListNotSupported": "the bucket has ACLs disabled: omit --acl",
    "EntityTooLarge": "the object or part is too large for the store: split the file, or raise the "
    "store's limit",
    "InsufficientStorage": "the store is full: free space there, then run again",
    "InvalidEncryptionAlgorithmError": "use an --sse that the store offers, or none",
    "InvalidObjectState": "the object is archived: restore it, or load under another --date",
    "InvalidStorageClass": "use a --storage-class that the store offers, or none",
    "InvalidTag": "use a --tag that the store accepts, or none",
    "KMS.DisabledException": "enable the key of --sse-kms-key-id, or use another one",
    "KMS.NotFoundException": "check --sse-kms-key-id and its region",
    "KeyTooLongError": "shorten the path, or use --layout with a shorter prefix",
    "MetadataTooLarge": "use less --metadata, or a shorter path",
    "QuotaExceeded": "the store's quota is used up: raise it or free space, then run again",
    "SignatureDoesNotMatch": "other requests with these credentials were accepted: rename the file "
    "if its path contains spaces or special characters, or check the proxies between here and the "
    "store",
    "XMinioAdminBucketQuotaExceeded": "the bucket's quota is used up: raise it or free space, "
    "then run again",
    "XMinioInvalidObjectName": "rename the file, or change --layout: the store refuses such keys",
    "XMinioStorageFull": "the store is full: free space there, then run again",
}
_HINTS_BY_STATUS: Mapping[int, str] = {
    404: "check --bucket, --endpoint-url and --addressing-style",
    405: "the store, or a proxy before it, does not allow this kind of request at this address: "
    "check --endpoint-url",
    411: "a proxy removes the Content-Length header: bypass it with NO_PROXY, or fix it",
    412: "the request set no condition that could fail: check the proxies between here and the "
    "store",
    413: "the store, or a proxy before it, does not accept a body of this size: raise its limit to "
    "16 MiB "
    "or more (nginx: client_max_body_size)",
    414: "shorten the path, or use --layout with a shorter prefix",
    431: "use less --metadata and fewer tags, or a shorter path",
    507: "the store is full: free space there, then run again",
}
_HINTS_BY_HEADER = (
    ("x-amz-acl", "omit --acl"),
    ("x-amz-checksum-", "use --checksum auto or --checksum md5"),
    ("x-amz-sdk-checksum-", "use --checksum auto or --checksum md5"),
    ("x-amz-trailer", "use --checksum auto or --checksum md5"),
    ("x-amz-expected-bucket-owner", "omit --expected-bucket-owner"),
    ("x-amz-meta-", "omit --metadata"),
    ("x-amz-object-lock-", "omit --lock-mode and --lock-until"),
    ("x-amz-request-payer", "omit --request-payer"),
    ("x-amz-server-side-encryption", "omit --sse and --sse-kms-key-id"),
    ("x-amz-storage-class", "omit --storage-class"),
    ("x-amz-tagging", "omit --tag"),
    ("if-none-match", "or use --overwrite: objects are then replaced without that check"),
)
_HINTS_BY_MEANING: tuple[tuple[type[StoreError], str], ...] = (
    (
        errors.CredentialsRejected,
        (
            "check the access key, its secret and session token, the endpoint they belong to, "
            "and the machine's clock"
        ),
    ),
    (errors.BucketNotFound, "check --bucket and --endpoint-url, or create the bucket first"),
    (
        errors.EndpointRefused,
        "check that --endpoint-url is the store's own address; redirects aren't followed",
    ),
    (errors.PreconditionFailed, "another program writes to this key; run again"),
    (errors.NoSuchUpload, "another run or a lifecycle rule ended the upload; run again"),
    (errors.UploadBroken, "run again: the file is then uploaded from the start"),
    (errors.BodyDamaged, "run again; if it recurs, check the machine's memory and the network"),
    (errors.Throttled, "use a lower --concurrency, or run again later"),
    (errors.ServerError, "run again later; if it recurs, contact the store's operator"),
    (errors.StoreRefused, "look the code up in the store's documentation"),
    (errors.RequestRejected, "look the code up in the store's documentation, then run again"),
)


def hint_by_code(code: str, status: int, message: str) -> str:
    """Return the hint for a code or status that explains itself, else ""."""
    if status in (400, 403, 404) and wants_virtual_hosts(code, message):
        return "use --addressing-style virtual: the store requires the bucket in the host name"
    by_words = _hint_by_words(message) if status == 400 else ""
    return _HINTS.get(code) or by_words or _HINTS_BY_STATUS.get(status, "")


def hint_by_header(header: str) -> str:
    """Return the hint for a header that a store does not support."""
    lacking = f"the store does not offer {header}: use one that does"
    for begin, way_out in _HINTS_BY_HEADER:
        if header.lower().startswith(begin):
            return f"{lacking}, {way_out if way_out.startswith('or ') else f'or {way_out}'}"
    return lacking


def hint_by_meaning(meaning: type[StoreError]) -> str:
    """Return the hint for an error of which only the class is known."""
    return next(hint for kind, hint in _HINTS_BY_MEANING if issubclass(meaning, kind))
