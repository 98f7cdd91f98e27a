"""How objects are to be stored, as users say it: parsed, and held to S3's limits. Pure.

Sources: "Categorizing your objects using tags", "Working with object metadata" and "Canned ACL"
in the S3 user guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from asyncload.errors import UsageError

ADDRESSING_STYLES = ("auto", "path", "virtual")
CHECKSUMS = ("auto", "crc64nvme", "crc32", "md5")
ACLS = (
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)
SSE = ("AES256", "aws:kms", "aws:kms:dsse")

MAX_TAGS = 10
MAX_METADATA_BYTES = 768
"""Of S3's 2 KiB of metadata; the rest is what asyncload notes of the source."""

_TAG = re.compile(r"[\w\s+\-=.:/@]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KMS_KEY_ID = re.compile(r"[\x21-\x7e]+")
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_METADATA_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_STORAGE_CLASS = re.compile(r"[A-Z0-9_]+")
_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)?")
_MAX_SECONDS = 36_500 * 86_400
_SECONDS = {None: 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def choose(option: str, value: str, known: tuple[str, ...]) -> str:
    """Return the known value that is meant, in whatever case it was given.

    Raises:
        UsageError: there is none.
    """
    for name in known:
        if name.lower() == value.lower():
            return name
    raise UsageError(f"{option}: {value!r} is not known", hint=f"use one of {', '.join(known)}")


def parse_duration(option: str, text: str) -> int:
    """Return the seconds that `90`, `90s`, `15m`, `24h` or `7d` mean.

    Raises:
        UsageError: it is no duration, or one of over a hundred years.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise UsageError(
            f"{option}: {text!r} is no duration", hint="use a number and a unit: 90s, 15m, 24h, 7d"
        )
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds > _MAX_SECONDS:
        raise UsageError(
            f"{option}: {text!r} is too long",
            hint=f"the longest duration is {_MAX_SECONDS // _SECONDS['d']}d",
        )
    return seconds


def parse_pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return what `KEY=VALUE` says, given several times.

    Raises:
        UsageError: one is not of that form, or a key is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"{option}: {text!r} is not of the form KEY=VALUE")
        if key in pairs:
            raise UsageError(f"{option}: {key!r} is given twice")
        pairs[key] = value
    return pairs


def check_tags(tags: Mapping[str, str]) -> None:
    """Hold tags to S3's limits.

    Raises:
        UsageError: there are too many, or one can't be a tag.
    """
    if len(tags) > MAX_TAGS:
        raise UsageError(
            f"--tag: {len(tags)} tags, and S3 takes {MAX_TAGS} on an object",
            hint="use --metadata for the others",
        )
    for key, value in tags.items():
        if len(key) > 128 or len(value) > 256:
            raise UsageError(
                f"--tag: {key[:128]!r} is too long: S3 takes 128 characters, and 256 of a value"
            )
        fit = _TAG.fullmatch(key) and _TAG.fullmatch(value) and not _CONTROL.search(key + value)
        if not fit or key.startswith("aws:"):
            raise UsageError(
                f"--tag: {key!r} holds what S3 does not take in a tag",
                hint="use letters, digits, spaces and + - = . _ : / @; no key begins with aws:",
            )


def check_metadata(metadata: Mapping[str, str], reserved: frozenset[str]) -> None:
    """Hold metadata to what every store keeps unchanged.

    Raises:
        UsageError: there is too much of it, or a name or value can't be sent as it is.
    """
    for name, value in metadata.items():
        if name in reserved:
            raise UsageError(f"--metadata: {name!r} is written by asyncload itself")
        if not _METADATA_NAME.fullmatch(name):
            raise UsageError(
                f"--metadata: {name!r} is no name for metadata",
                hint="use lower-case letters, digits, - and _",
            )
        if not _METADATA_VALUE.fullmatch(value):
            raise UsageError(
                f"--metadata: the value of {name!r} must be printable ASCII, not empty, and "
                "without spaces around it",
                hint="percent-encode it",
            )
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise UsageError(
            f"--metadata: {size:,} bytes, and there is room for {MAX_METADATA_BYTES}",
            hint="S3 takes 2 KiB on an object, of which the source's description needs the rest",
        )


def check_encryption(sse: str | None, kms_key_id: str | None) -> str | None:
    """Return the server-side encryption that is meant: a KMS key means KMS.

    Raises:
        UsageError: it is not known, doesn't go with a key, or the key can't be one.
    """
    chosen = choose("--sse", sse, SSE) if sse is not None else None
    if kms_key_id is None:
        return chosen
    if not _KMS_KEY_ID.fullmatch(kms_key_id):
        raise UsageError(
            f"--sse-kms-key-id: {kms_key_id!r} is not the id of a key",
            hint="use the key's id, its ARN or its alias, without spaces and line ends",
        )
    if chosen == "AES256":
        raise UsageError(
            "--sse-kms-key-id does not go with --sse AES256", hint="use --sse aws:kms, or no key"
        )
    return chosen or "aws:kms"


def check_storage_class(name: str | None) -> None:
    """Make sure that it can be a storage class; which there are, the store knows.

    Raises:
        UsageError: it can't.
    """
    if name is not None and not _STORAGE_CLASS.fullmatch(name):
        raise UsageError(
            f"--storage-class: {name!r} is no storage class",
            hint="for example STANDARD_IA, INTELLIGENT_TIERING or GLACIER_IR",
        )


def check_owner(account: str | None) -> None:
    """Make sure that it is an AWS account's id.

    Raises:
        UsageError: it is not.
    """
    if account is not None and not re.fullmatch(r"\d{12}", account, re.ASCII):
        raise UsageError(
            f"--expected-bucket-owner: {account!r} is no account id", hint="it has 12 digits"
        )
