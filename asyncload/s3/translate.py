"""Translate errors of client and lane: the only module that reads a store's errors.

Every text from a store, proxy or library goes through `Secrets.redact` before it is used.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from asyncload import errors
from asyncload.aio.shortage import out_of_memory
from asyncload.errors import AsyncloadError, StoreError, chain_of
from asyncload.model.http_dates import describe_offset, read_offset, read_retry_after
from asyncload.s3.auth.clock import SigningClock
from asyncload.s3.fast.sockets import AnsweredEarly
from asyncload.s3.meanings import (
    PROXY_WANTS_LOGIN,
    hint_by_code,
    hint_by_header,
    hint_by_meaning,
    meaning_of,
)
from asyncload.s3.proxy_words import PROXY_LOGIN_HINT, describe_proxy_failure
from asyncload.source.threads import out_of_threads

_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
}

# IAM and KMS: "... is not authorized to perform: kms:Decrypt on resource ..."
_DENIED = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
# Backblaze B2: "Unsupported header 'x-amz-checksum-crc32' received for this API call."
_HEADER = re.compile(
    r"\b(?:x-amz-[a-z0-9-]*[a-z0-9]|if-none-match|content-md5)(?![\w-])", re.IGNORECASE
)
_NAMING_STATUSES = (400, 501)
# With these words a header is named for its value or absence, not for being unsupported.
_WRONG = re.compile(
    r"required|missing|must|mismatch|(?:does|did|do) not match|value", re.IGNORECASE
)

MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    ResponseParserError,
)
"""Errors from reading a malformed response. Some XML errors are SyntaxErrors, others
`ResponseParserError`s.
"""


class Asked(NamedTuple):
    """The request that an error is about.

    `operation` is S3's, as botocore names it. `key` is the object's key, or the prefix of a
    listing. `conditional`: it was to succeed only if no object exists.
    """

    operation: str
    bucket: str
    endpoint: str
    key: str = ""
    conditional: bool = False

    def __str__(self) -> str:
        if not self.key:
            return self.operation
        return f"{self.operation} {'below' if 'List' in self.operation else 'of'} {self.key!r}"


def translate(error: Exception, asked: Asked, clock: SigningClock) -> AsyncloadError:
    """Return our error for a failed request.

    Args:
        error: the error of client or lane: botocore's, aiohttp's or the system's.
        asked: the request.
        clock: holds the secrets that must not be in the message.
    """
    redact = clock.secrets.redact
    _redact_chain(error, clock)
    of_others = isinstance(error, boto.ClientError) and error.operation_name not in (
        "",
        asked.operation,
    )
    if isinstance(error, boto.ClientError) and not of_others:
        return translate_answer(error.response, asked, clock)
    # STS and other services are called when credentials are created or refreshed.
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
    # botocore's message repeats the whole URL; its cause is more informative.
    cause = error.kwargs.get("error") or error if isinstance(error, boto.BotoCoreError) else error
    if (none_left := out_of_threads(cause) or out_of_memory(error)) is not None:
        return none_left
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        cause = cause.certificate_error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return errors.EndpointRefused(
            f"the certificate of {asked.endpoint} is not trusted: {redact(cause)}",
            hint=_certificate_hint(cause.verify_code),
        )
    if isinstance(cause, AnsweredEarly):
        return errors.ServerError(
            f"bucket {asked.bucket!r}: {asked} was answered with {cause}",
            hint="check the proxies between here and the store: one of them answers in its place",
            status=cause.status,
        )
    if isinstance(error, boto.ProxyConnectionError):
        reason = describe_proxy_failure(error, clock.secrets)
        return (errors.EndpointRefused if 400 <= reason.status < 500 else errors.StoreUnavailable)(
            f"{asked.endpoint} can't be reached for {asked}: {reason.text}", hint=reason.hint
        )
    if _is_malformed(cause):
        return malformed(cause, asked, clock)
    if isinstance(
        error,
        boto.HTTPClientError
        | boto.ConnectionError
        | boto.IncompleteReadError
        | aiohttp.ClientError
        | OSError,
    ):
        timed_out = isinstance(
            error, boto.ConnectTimeoutError | boto.ReadTimeoutError | TimeoutError
        )
        return (errors.TimedOut if timed_out else errors.StoreUnavailable)(
            f"no answer from {asked.endpoint} to {asked}: {redact(cause) or type(cause).__name__}",
            hint="the store answered before: run again once it can be reached; objects that are "
            "stored are not sent again"
            if clock.was_accepted
            else "check --endpoint-url, --addressing-style, the network and the proxy settings",
        )
    return errors.StoreRefused(
        f"bucket {asked.bucket!r}: {asked} can't be sent: {redact(error)}",
        hint="check --bucket, --region, --endpoint-url and the AWS configuration",
    )


# OpenSSL's numbers (x509_vfy.h): not yet valid, expired, another host name, another IP address.
_CERTIFICATE_HINTS = {
    9: "check this machine's clock, and from when the certificate is valid",
    10: "renew the store's certificate; if it is still valid, check this machine's clock",
    62: "use a host name that the certificate names in --endpoint-url, or add this one to it",
    64: "use a host name that the certificate names in --endpoint-url, or add this address to it",
}


def _certificate_hint(code: int) -> str:
    return _CERTIFICATE_HINTS.get(
        code, "name the right CA bundle with --ca-bundle (or AWS_CA_BUNDLE)"
    )


def malformed(error: BaseException, asked: Asked, clock: SigningClock) -> errors.ServerError:
    """Return the error of a response that can't be understood.

    Args:
        error: the error from reading it.
        asked: the request.
        clock: as for `translate`.
    """
    _redact_chain(error, clock)
    # botocore's message repeats the whole response.
    text = (
        "it is not XML" if isinstance(error, ResponseParserError) else clock.secrets.redact(error)
    )
    cause = text or type(error).__name__
    if isinstance(error, KeyError):
        cause = f"it lacks {text}"
    return errors.ServerError(
        f"bucket {asked.bucket!r}: the answer to {asked} can't be understood: {cause}",
        hint="run again later; if it recurs, check that --endpoint-url is the address of an "
        "S3-compatible store",
    )


def _redact_chain(error: BaseException, clock: SigningClock) -> None:
    """Redact the arguments of an error and its causes, which may be printed with ours."""
    for link in chain_of(error):
        link.args = tuple(
            clock.secrets.redact(part) if isinstance(part, str) else part for part in link.args
        )


def _is_malformed(cause: object) -> bool:
    """Return whether an error comes from a malformed response rather than a malformed request."""
    if isinstance(cause, aiohttp.InvalidURL) or (
        isinstance(cause, UnicodeError) and not isinstance(cause, UnicodeDecodeError)
    ):
        return False
    return isinstance(cause, (*MALFORMED, aiohttp.ClientResponseError))


class _Refusal(NamedTuple):
    """The contents of an error document and its headers, without secrets."""

    status: int
    code: str
    message: str
    header: str
    region: str
    request_id: str


def _read(response: Mapping[str, Any], clock: SigningClock) -> _Refusal:
    described = response.get("Error")
    described = described if isinstance(described, Mapping) else {}
    metadata = response.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    status = int(metadata.get("HTTPStatusCode", 0))

    def text(name: str) -> str:
        return clock.secrets.redact(described.get(name) or "")

    header = text("Header") or text("ArgumentName")
    words = f"{text('Message')} {text('Details')}"
    if not header and status in _NAMING_STATUSES and not _WRONG.search(words):
        named = _HEADER.search(words)
        header = named[0] if named else ""
    region = headers.get("x-amz-bucket-region") or ""
    return _Refusal(
        status=status,
        code=text("Code") or str(status),
        message=text("Message"),
        header=header,
        region=text("Region") or clock.secrets.redact(region),
        request_id=clock.secrets.redact(metadata.get("RequestId") or ""),
    )


def translate_answer(response: Mapping[str, Any], asked: Asked, clock: SigningClock) -> StoreError:
    """Return the error for a response of the store.

    Args:
        response: the response from botocore's REST-XML parser: `Error` and `ResponseMetadata`.
        asked: the request.
        clock: as for `translate`.
    """
    refusal = _read(response, clock)
    headers, now = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}), clock.now()
    meaning = _meaning(refusal, asked, clock)
    code, message = refusal.code, refusal.message
    name = code if not code.isdigit() else f"HTTP {code}"
    text = f"bucket {asked.bucket!r}: {asked} was answered with {name}"
    if message:
        text += f": {message}"
    if refusal.request_id:
        text += f" (request id {refusal.request_id})"
    hint = _hint(meaning, refusal, asked)
    if code == "RequestTimeTooSkewed":
        hint = _clock_hint(read_offset(headers, now))
    return meaning(
        text,
        hint=hint,
        code=code,
        status=refusal.status,
        request_id=refusal.request_id,
        retry_after=read_retry_after(headers, now),
        header=refusal.header.lower(),
    )


def _meaning(refusal: _Refusal, asked: Asked, clock: SigningClock) -> type[StoreError]:
    code, status = refusal.code, refusal.status
    meaning = meaning_of("" if code.isdigit() else code, status, refusal.message)
    if code == "AuthorizationHeaderMalformed" and not refusal.region:
        # The same code is used for a malformed access key.
        return errors.CredentialsRejected
    completes = asked.operation == "CompleteMultipartUpload"
    if completes and (code == "ConditionalRequestConflict" or meaning is errors.BodyDamaged):
        # Another writer was first, and S3 requires a new upload; or the parts arrived intact, and
        # the store misread one of them.
        return errors.UploadBroken
    if meaning is errors.AccessDenied and not 400 <= status < 500:
        # The error was sent in a response that began as a success: it is about this object only.
        return errors.RequestRejected
    if meaning is errors.PreconditionFailed and not asked.conditional:
        return errors.RequestRejected
    if code == "SignatureDoesNotMatch" and clock.was_accepted:
        # The credentials are valid: the store, or a proxy, reads this request differently.
        return errors.RequestRejected
    if refusal.header.lower() == "if-none-match" and issubclass(meaning, errors.RequestRejected):
        # It would fail for every other file as well.
        return errors.EndpointRefused
    return meaning


def _hint(meaning: type[StoreError], refusal: _Refusal, asked: Asked) -> str:
    if refusal.code == "NotImplemented" or (refusal.header and meaning is errors.EndpointRefused):
        return hint_by_header(refusal.header or asked.operation)
    if denied := _DENIED.search(refusal.message):
        return f"permit {denied[1]}, which the request needs"
    if refusal.status == PROXY_WANTS_LOGIN:
        return PROXY_LOGIN_HINT
    if meaning is errors.AccessDenied:
        action = _ACTIONS.get(asked.operation, "s3:PutObject")
        return f"permit {action} on the bucket {asked.bucket!r} and its prefix"
    if meaning is errors.WrongRegion:
        return f"use --region {refusal.region}" if refusal.region else "use the bucket's --region"
    if meaning in (errors.RequestRejected, errors.ServerError, errors.StoreRefused):
        by_code = hint_by_code(refusal.code, refusal.status, refusal.message)
        by_header = hint_by_header(refusal.header) if refusal.header else ""
        return by_header or by_code or hint_by_meaning(meaning)
    return hint_by_meaning(meaning)


def _clock_hint(offset: float | None) -> str:
    if offset is None:
        return "set the machine's clock"
    return f"set the machine's clock: it is {describe_offset(offset)} the store's"
