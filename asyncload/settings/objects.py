"""Parse the options for stored objects, and check them against S3's limits. Pure.

Sources: "Categorizing your objects using tags", "Working with object metadata" and "Canned ACL"
in the S3 user guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from asyncload.errors import UsageError
from asyncload.model.suggestions import with_guess

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
LOG_FORMATS = ("text", "json")
STORAGE_CLASSES = (
    "STANDARD",
    "STANDARD_IA",
    "INTELLIGENT_TIERING",
    "ONEZONE_IA",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY",
)
"""Those of AWS; other stores have their own."""

MAX_TAGS = 10
MAX_METADATA_BYTES = 768
"""Part of S3's 2 KiB of metadata; the rest is for the metadata that asyncload adds."""

_TAG = re.compile(r"[\w\s+\-=.:/@]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_KMS_KEY_ID = re.compile(r"[\x21-\x7e]+")
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_METADATA_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_STORAGE_CLASS = re.compile(r"[A-Z0-9_]+")
# A number, and its unit from the first letter on: `15m`, `15 min`, `15 minutes`.
_PIECE = (
    r"(\d{1,9})(?:\.(\d{1,9}))?\s*"
    r"(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:eeks?)?)"
)
_DURATION = re.compile(rf"\d{{1,9}}|{_PIECE}(?:[\s,]*{_PIECE})*", re.ASCII)
_MAX_SECONDS = 36_500 * 86_400
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def choose(option: str, value: str, known: tuple[str, ...]) -> str:
    """Return the known value that equals the given one, ignoring case.

    Raises:
        UsageError: the value is not known.
    """
    for name in known:
        if name.lower() == value.lower():
            return name
    raise UsageError(
        f"{option}: {value!r} is not a known value",
        hint=with_guess(value, known, f"use one of {', '.join(known)}"),
    )


def parse_duration(option: str, text: str) -> int:
    """Return the seconds for `90`, `90s`, `15m`, `1h30m`, `1.5 hours`, `7d` or `2 weeks`.

    A fraction of a second counts as a whole one.

    Raises:
        UsageError: the text is not a duration, or longer than a hundred years.
    """
    words = text.strip().lower()
    if _DURATION.fullmatch(words) is None:
        raise UsageError(
            f"{option}: {text!r} is not a valid duration",
            hint="use a number and a unit: 90s, 15m, 1h30m, 24h, 7d, 2w",
        )
    if words.isdigit():
        seconds = int(words)
    else:
        # Exact: a float is not.
        billionths = sum(
            int(whole + fraction.ljust(9, "0")) * _SECONDS[unit[0]]
            for whole, fraction, unit in re.findall(_PIECE, words, re.ASCII)
        )
        seconds = -(-billionths // 1_000_000_000)
    if seconds > _MAX_SECONDS:
        raise UsageError(
            f"{option}: {text!r} is too long",
            hint=f"the maximum is {_MAX_SECONDS // _SECONDS['d']}d",
        )
    return seconds


def parse_pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Parse several `KEY=VALUE` texts.

    Raises:
        UsageError: a text has another form, or a key is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise UsageError(f"{option}: {text!r} does not have the form KEY=VALUE")
        if key in pairs:
            raise UsageError(f"{option}: {key!r} is given twice")
        pairs[key] = value
    return pairs


def check_tags(tags: Mapping[str, str]) -> None:
    """Check tags against S3's limits.

    Raises:
        UsageError: there are too many tags, or one is invalid.
    """
    if len(tags) > MAX_TAGS:
        raise UsageError(
            f"--tag: {len(tags)} tags are too many; S3 allows {MAX_TAGS} per object",
            hint="use --metadata for the others",
        )
    for key, value in tags.items():
        if len(key) > 128 or len(value) > 256:
            raise UsageError(
                f"--tag: {key[:128]!r} is too long: a key may have 128 characters, a value 256"
            )
        fit = _TAG.fullmatch(key) and _TAG.fullmatch(value) and not _CONTROL.search(key + value)
        if not fit or key.startswith("aws:"):
            raise UsageError(
                f"--tag: {key!r} contains characters that S3 does not allow in tags",
                hint="use letters, digits, spaces and + - = . _ : / @; don't start with aws:",
            )


def check_metadata(metadata: Mapping[str, str], reserved: frozenset[str]) -> None:
    """Check that every store keeps the metadata unchanged.

    Raises:
        UsageError: the metadata is too large, or a name or value is invalid.
    """
    for name, value in metadata.items():
        if name in reserved:
            raise UsageError(f"--metadata: {name!r} is reserved for asyncload")
        if not _METADATA_NAME.fullmatch(name):
            raise UsageError(
                f"--metadata: {name!r} is not a valid name",
                hint="use lower-case letters, digits, - and _",
            )
        if not _METADATA_VALUE.fullmatch(value):
            raise UsageError(
                f"--metadata: the value of {name!r} must be printable ASCII, without leading or "
                "trailing spaces, and not empty",
                hint="percent-encode it",
            )
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise UsageError(
            f"--metadata: {size:,} bytes are too many; the maximum is {MAX_METADATA_BYTES}",
            hint="S3 allows 2 KiB per object, of which asyncload needs a part for its own metadata",
        )


def check_encryption(sse: str | None, kms_key_id: str | None) -> str | None:
    """Return the server-side encryption to use; a KMS key implies `aws:kms`.

    Raises:
        UsageError: the encryption is unknown, can't be combined with a key, or the key is invalid.
    """
    chosen = choose("--sse", sse, SSE) if sse is not None else None
    if kms_key_id is None:
        return chosen
    if not _KMS_KEY_ID.fullmatch(kms_key_id):
        raise UsageError(
            f"--sse-kms-key-id: {kms_key_id!r} is not a valid key id",
            hint="use the key's id, ARN or alias, without spaces and line breaks",
        )
    if chosen == "AES256":
        raise UsageError(
            "--sse-kms-key-id can't be combined with --sse AES256",
            hint="use --sse aws:kms, or omit the key",
        )
    return chosen or "aws:kms"


def check_storage_class(name: str | None) -> None:
    """Check the form of a storage class; the store knows which ones exist.

    Raises:
        UsageError: the form is invalid.
    """
    if name is not None and not _STORAGE_CLASS.fullmatch(name):
        raise UsageError(
            f"--storage-class: {name!r} is not a valid storage class",
            hint=with_guess(
                name,
                STORAGE_CLASSES,
                "use, for example, STANDARD_IA, INTELLIGENT_TIERING or GLACIER_IR",
            ),
        )


def check_owner(account: str | None) -> None:
    """Check the form of an AWS account id.

    Raises:
        UsageError: the form is invalid.
    """
    if account is not None and not re.fullmatch(r"\d{12}", account, re.ASCII):
        raise UsageError(
            f"--expected-bucket-owner: {account!r} is not a valid AWS account id",
            hint="use the 12 digits of the account id",
        )
