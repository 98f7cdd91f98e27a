"""Checksums in S3's spelling."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.checksums import (
    combine_crc64nvme,
    crc64nvme,
    crc64nvme_checksum,
    md5_checksum,
    md5_of_etag,
)
from asyncload.model import Checksum

CHECK = b"123456789"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_published_check_value(kind):
    """CRC64NVME of the nine digits is what the catalogue of CRCs lists."""
    assert crc64nvme(kind(CHECK)) == 0xAE8B14860A799888


def test_a_crc_is_spelled_as_base64_of_its_eight_bytes():
    """Big-endian, leading zeros kept."""
    assert crc64nvme_checksum(0xAE8B14860A799888) == Checksum("CRC64NVME", "rosUhgp5mIg=")
    assert crc64nvme_checksum(1) == Checksum("CRC64NVME", "AAAAAAAAAAE=")


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_the_parts_crcs_combine_to_the_wholes(parts):
    """However a file is cut, empty parts included, and also when it is read piece by piece."""
    whole = crc64nvme(b"".join(parts))
    assert combine_crc64nvme((crc64nvme(part), len(part)) for part in parts) == whole
    running = 0
    for part in parts:
        running = crc64nvme(part, running)
    assert running == whole


@given(st.binary(max_size=100))
def test_an_etag_of_a_plain_put_holds_the_md5(body):
    """Quoted or not, in capitals or not."""
    digest = hashlib.md5(body)
    expected = Checksum("MD5", base64.b64encode(digest.digest()).decode())
    assert md5_checksum(body) == expected
    for etag in (digest.hexdigest(), f'"{digest.hexdigest()}"', f'"{digest.hexdigest().upper()}"'):
        assert md5_of_etag(etag) == expected


@pytest.mark.parametrize(
    "etag",
    ["", '""', "abc", '"d41d8cd98f00b204e9800998ecf8427e-3"', '"d41d8cd98f00b204"', '"\u00e9"'],
)
def test_an_etag_of_another_form_holds_no_md5(etag):
    """That of a multipart upload, for one."""
    assert md5_of_etag(etag) is None
