"""How objects are to be stored: what users may ask for, and what they are told otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import UsageError
from asyncload.settings.objects import (
    ACLS,
    choose,
    parse_duration,
    parse_pairs,
)
from asyncload.settings.run import Settings


def settings(**options):
    return Settings(volume=Path(), bucket="lake", **options)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("24H", 86_400),
        (" 7d ", 604_800),
        ("1.5h", 5_400),
        ("1h30m", 5_400),
        ("1 hour, 30 minutes", 5_400),
        ("2 weeks", 1_209_600),
        ("10 min", 600),
        ("0.1s", 1),
        ("0.3d", 25_920),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    """Seconds without one."""
    assert parse_duration("--min-age", text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-1", "1.5", "2 mo", "1h30", "m5", "1e9", "9999999999"])
def test_an_invalid_duration_is_refused(text):
    """With the option's name and what would be one."""
    with pytest.raises(UsageError, match="--min-age") as caught:
        parse_duration("--min-age", text)
    assert "15m" in caught.value.hint


def test_pairs_are_split_at_the_first_equals_sign():
    """A value may hold more of them, or be empty."""
    assert parse_pairs("--tag", ["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize("texts", [["a"], ["=1"], ["a=1", "a=2"]])
def test_an_invalid_pair_is_refused(texts):
    """Without a key, without a value, or twice."""
    with pytest.raises(UsageError, match="--tag"):
        parse_pairs("--tag", texts)


@given(st.sampled_from(ACLS), st.booleans())
def test_names_are_known_in_any_case(name, upper):
    """And are sent as S3 spells them."""
    assert choose("--acl", name.upper() if upper else name, ACLS) == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checksum": "sha1"}, "--checksum: 'sha1'.*"),
        ({"acl": "everybody"}, "--acl: 'everybody'"),
        ({"sse": "rot13"}, "--sse: 'rot13'"),
        ({"sse": "AES256", "sse_kms_key_id": "k"}, "--sse-kms-key-id can't be combined with"),
        ({"sse_kms_key_id": ""}, "--sse-kms-key-id"),
        ({"sse_kms_key_id": "k\r\nx-amz-acl: public-read"}, "--sse-kms-key-id"),
        ({"sse_kms_key_id": "k\n"}, "--sse-kms-key-id"),
        ({"sse_kms_key_id": "clé"}, "--sse-kms-key-id"),
        ({"tags": {"a\n": ""}}, "does not allow in tags"),
        ({"tags": {"a": "b\r\nc"}}, "does not allow in tags"),
        ({"tags": {"a": "\x85"}}, "does not allow in tags"),
        ({"storage_class": "STANDARD\n"}, "--storage-class"),
        ({"expected_bucket_owner": "123456789012\n"}, "--expected-bucket-owner"),
        ({"acl": "private\n"}, "--acl"),
        ({"sse": "AES256\n"}, "--sse"),
        ({"metadata": {"owner": "me\n"}}, "printable ASCII"),
        ({"metadata": {"owner\n": "me"}}, "not a valid name"),
        ({"storage_class": "cold storage"}, "--storage-class"),
        ({"expected_bucket_owner": "me"}, "--expected-bucket-owner"),
        ({"expected_bucket_owner": "١٢٣٤٥٦٧٨٩٠١٢"}, "--expected-bucket-owner"),
        ({"overwrite": True, "skip_existing": True}, "can't be combined"),
        ({"tags": {str(n): "" for n in range(11)}}, "--tag: 11 tags"),
        ({"tags": {"k" * 129: ""}}, "too long"),
        ({"tags": {"k": "v" * 257}}, "too long"),
        ({"tags": {"a*": ""}}, "does not allow in tags"),
        ({"tags": {"a": "?"}}, "does not allow in tags"),
        ({"tags": {"aws:x": ""}}, "does not allow in tags"),
        ({"metadata": {"mtime": "1"}}, "reserved for asyncload"),
        ({"metadata": {"Owner": "me"}}, "not a valid name"),
        ({"metadata": {"owner": ""}}, "printable ASCII"),
        ({"metadata": {"owner": " me"}}, "printable ASCII"),
        ({"metadata": {"owner": "José"}}, "printable ASCII"),
        ({"metadata": {"owner": "a\r\nx-amz-acl: public-read"}}, "printable ASCII"),
        ({"metadata": {"owner": "x" * 764}}, "769 bytes are too many; the maximum is 768"),
        ({"manifest_prefix": "a//b"}, "--manifest-prefix"),
        ({"manifest_prefix": "/a"}, "--manifest-prefix"),
        (
            {"manifest_prefix": "Raw/Local/CSV"},
            "'Raw/Local/CSV/' is one of asyncload's own records",
        ),
        ({"layout": "_asyncload/{path}"}, "'_asyncload/' is one of asyncload's own"),
        (
            {"layout": "_asyncload/uploads/{path}"},
            "'_asyncload/uploads/' is one of asyncload's own",
        ),
        ({"manifest_prefix": "Raw/Local/CSV/x"}, "inside the data prefix"),
    ],
)
def test_impossible_values_are_refused_before_anything_is_sent(options, message):
    """By the name of the option."""
    with pytest.raises(UsageError, match=message):
        settings(**options)


def test_possible_values_are_accepted():
    """At the limits."""
    taken = settings(
        checksum="CRC32",
        acl="Private",
        sse_kms_key_id="arn:aws:kms:eu-west-1:123456789012:key/k",
        storage_class="STANDARD_IA",
        expected_bucket_owner="123456789012",
        tags={f"{n}é" + "k" * 126: "v" * 256 for n in range(10)},
        metadata={"owner": "x" * 763},
        manifest_prefix="Raw/Local",
    )
    assert (taken.checksum, taken.acl, taken.sse) == ("crc32", "private", "aws:kms")
    assert settings(sse="aes256").sse == "AES256"
    assert settings(manifest=False, manifest_prefix="/").manifest is False
