"""From what botocore raises to what it means: the one place that reads S3's error codes.

Source: "Error responses" in the Amazon S3 API reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientConnectorCertificateError
from botocore import exceptions as boto

from asyncload import errors
from asyncload.errors import AsyncloadError, StoreError
from asyncload.s3.signatures import Signing
from asyncload.s3.times import describe_offset, read_offset, read_retry_after

_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
}

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
    "403": errors.AccessDenied,
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
    # Another conditional request for the key is under way.
    "ConditionalRequestConflict": errors.ServerError,
}

# As IAM and KMS put it: "... is not authorized to perform: kms:Decrypt on resource ..."
_DENIED = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_PROXY_WANTS_LOGIN = 407
_PROXY_HINT = "give user name and password in HTTPS_PROXY or HTTP_PROXY, or bypass by NO_PROXY"


def translate(
    error: Exception, operation: str, bucket: str, endpoint: str, signing: Signing
) -> AsyncloadError:
    """Return the error of ours that says what a botocore error means.

    Args:
        error: what the client raised.
        operation: the S3 operation that was asked for, as botocore names it.
        bucket: where it was sent, for the message.
        endpoint: as above.
        signing: what the request was signed with, for what must not be in the message.
    """
    redact = signing.secrets.redact
    # It may be printed, too, as this error's cause.
    error.args = tuple(redact(part) if isinstance(part, str) else part for part in error.args)
    of_others = isinstance(error, boto.ClientError) and error.operation_name not in ("", operation)
    if isinstance(error, boto.ClientError) and not of_others:
        return _translate_answer(error.response, operation, bucket, signing)
    # STS and the like are asked on the way, when credentials are to be made or refreshed.
    if of_others or isinstance(
        error,
        boto.NoCredentialsError
        | boto.PartialCredentialsError
        | boto.CredentialRetrievalError
        | boto.TokenRetrievalError
        | boto.SSOError
        | boto.UnauthorizedSSOTokenError,
    ):
        return errors.CredentialsMissing(
            f"no usable AWS credentials: {redact(error)}",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a --profile, "
            "or give the machine or container a role",
        )
    if isinstance(error, boto.SSLError) and _is_certificate_error(error):
        return errors.EndpointRefused(
            f"the certificate of {endpoint} is not trusted: {redact(error.kwargs['error'])}",
            hint="name the right CA bundle with --ca-bundle (or AWS_CA_BUNDLE)",
        )
    if isinstance(error, boto.ProxyConnectionError) and _wants_login(error):
        return errors.EndpointRefused(
            f"the proxy on the way to {endpoint} wants a login", hint=_PROXY_HINT
        )
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        # botocore's own words repeat the whole URL; what it met says more.
        cause = error.kwargs.get("error") or error
        timed_out = isinstance(error, boto.ConnectTimeoutError | boto.ReadTimeoutError)
        return (errors.TimedOut if timed_out else errors.StoreUnavailable)(
            f"no answer from {endpoint} to {operation}: {redact(cause) or type(cause).__name__}",
            hint="check --endpoint-url, the network and the proxy settings",
        )
    return errors.StoreRefused(
        f"bucket {bucket!r}: {operation} can't be sent: {redact(error)}",
        hint="check --bucket, --region and --endpoint-url",
    )


def _is_certificate_error(error: boto.SSLError) -> bool:
    return isinstance(error.kwargs.get("error"), ClientConnectorCertificateError)


def _wants_login(error: boto.ProxyConnectionError) -> bool:
    return getattr(error.kwargs.get("error"), "status", 0) == _PROXY_WANTS_LOGIN


def _translate_answer(
    response: Mapping[str, Any], operation: str, bucket: str, signing: Signing
) -> AsyncloadError:
    described = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    redact, now = signing.secrets.redact, signing.now()
    code = redact(described.get("Code", status))
    request_id = redact(metadata.get("RequestId", ""))
    meaning = _MEANINGS.get(code) or _meaning_of_status(status)
    region = described.get("Region") or headers.get("x-amz-bucket-region")
    region = region and redact(region)
    if code == "AuthorizationHeaderMalformed" and not region:
        # The same code tells of an access key that no store could accept.
        meaning = errors.CredentialsRejected
    if code == "ConditionalRequestConflict" and operation == "CompleteMultipartUpload":
        # Another writer came first: S3 wants all of the upload anew.
        meaning = errors.UploadBroken
    if meaning is errors.BodyDamaged and operation == "CompleteMultipartUpload":
        # Of the whole: each part arrived as it was sent, and one of them was read wrong.
        meaning = errors.UploadBroken
    if meaning is errors.AccessDenied and not 400 <= status < 500:
        # Told late, in an answer that began as a success: of this object only.
        meaning = errors.RequestRejected
    name = code if not code.isdigit() else f"HTTP {code}"
    text = f"{name}: {redact(described['Message'])}" if described.get("Message") else name
    message = f"bucket {bucket!r}: {operation} was answered with {text}"
    if request_id:
        message += f" (request id {request_id})"
    hint = _hint(meaning, operation, bucket, region)
    if code == "RequestTimeTooSkewed":
        hint = _clock_hint(read_offset(headers, now))
    return meaning(
        message,
        hint=_hint_in_answer(described, operation)
        or (_PROXY_HINT if status == _PROXY_WANTS_LOGIN else "")
        or hint,
        code=code,
        status=status,
        request_id=request_id,
        retry_after=read_retry_after(headers, now),
    )


def _meaning_of_status(status: int) -> type[StoreError]:
    if 300 <= status < 400 or status == _PROXY_WANTS_LOGIN:
        return errors.EndpointRefused
    if status == 403:
        return errors.AccessDenied
    if status == 412:
        return errors.PreconditionFailed
    if status in (429, 503):
        return errors.Throttled
    if status >= 500 or status < 300:
        # An error in an answer that claims success is S3's way to fail late.
        return errors.ServerError
    return errors.RequestRejected


def _hint_in_answer(described: Mapping[str, Any], operation: str) -> str:
    """Say what an error document itself names: the action that is denied, or what is lacking."""
    if described.get("Code") == "NotImplemented":
        lacking = described.get("Header") or operation
        way_out = ", or use --overwrite" if lacking.lower() == "if-none-match" else ""
        return f"the store does not offer {lacking}: use one that does{way_out}"
    denied = _DENIED.search(described.get("Message") or "")
    return f"permit {denied[1]}, which the request needs" if denied else ""


def _hint(meaning: type[StoreError], operation: str, bucket: str, region: str | None) -> str:
    if meaning is errors.CredentialsRejected:
        return (
            "check the access key, its secret and session token, the endpoint they belong to, "
            "and the machine's clock"
        )
    if meaning is errors.AccessDenied:
        action = _ACTIONS.get(operation, "s3:PutObject")
        return f"permit {action} on the bucket {bucket!r} and its prefix"
    if meaning is errors.BucketNotFound:
        return "check --bucket and --endpoint-url, or create the bucket first"
    if meaning is errors.WrongRegion:
        return f"use --region {region}" if region else "use the bucket's --region"
    if meaning is errors.EndpointRefused:
        return "check that --endpoint-url is the store's own address; redirects aren't followed"
    return ""


def _clock_hint(offset: float | None) -> str:
    if offset is None:
        return "set the machine's clock"
    return f"set the machine's clock: it is {describe_offset(offset)} the store's"
