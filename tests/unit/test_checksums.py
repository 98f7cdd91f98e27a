"""Checksums in S3's spelling."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.model.checksums import (
    CRCS,
    MD5_OF_PARTS,
    checksum_of,
    combine_crc64nvme,
    crc64nvme,
    crc64nvme_checksum,
    md5_bytes,
    md5_checksum,
    md5_of_etag,
    md5_of_parts,
)
from asyncload.model.values import Checksum

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
    ["", '""', "abc", '"d41d8cd98f00b204e9800998ecf8427e-x"', '"d41d8cd98f00b204"', '"\u00e9"'],
)
def test_an_etag_of_another_form_holds_no_md5(etag):
    """In any form that a store may use."""
    assert md5_of_etag(etag) is None
    assert md5_bytes(etag) == b""


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_the_etag_of_a_multipart_object_holds_the_md5_of_its_parts_md5s(bodies):
    """And how many there were."""
    digests = [hashlib.md5(body).digest() for body in bodies]
    etag = f'"{hashlib.md5(b"".join(digests)).hexdigest()}-{len(bodies)}"'
    assert md5_of_etag(etag) == md5_of_parts(digests)
    assert md5_of_parts(digests).algorithm == MD5_OF_PARTS
    assert md5_bytes(etag) == b""


@given(bodies=st.lists(st.binary(max_size=100), max_size=5), crc=st.sampled_from(sorted(CRCS)))
def test_a_crc_of_a_whole_is_combined_from_its_parts(bodies, crc):
    """Of each algorithm, in S3's spelling."""
    crc = CRCS[crc]
    whole = crc.combine((crc.update(body, 0), len(body)) for body in bodies)
    assert crc.checksum(whole) == checksum_of(b"".join(bodies), crc.name)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        ("CRC64NVME", "rosUhgp5mIg="),
        ("CRC32", "y/Q5Jg=="),
        ("CRC32C", "4waSgw=="),
        ("MD5", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ("SHA256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ],
)
def test_checksums_are_spelt_as_s3_does(algorithm, digest):
    """The known values of "123456789", in base64, by the name that S3 gives the algorithm."""
    assert checksum_of(b"123456789", algorithm) == Checksum(algorithm, digest)


def test_an_algorithm_that_is_not_known_has_no_checksum():
    """A store may have others than we can compute."""
    assert checksum_of(b"", "SHA1") is None
