"""What may prove that an object holds a file's bytes: a truth table, and what always holds."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.model.checksums import (
    CRCS,
    MD5_OF_PARTS,
    PartsMd5,
    by_algorithm,
    checksum_of,
    count_of_parts,
    find_md5_of_parts,
    md5_checksum,
    md5_of_etag,
    md5_of_parts,
)
from asyncload.model.values import Checksum
from asyncload.planning.plan import MIB, plausible_part_sizes
from asyncload.store.protocol import PutResult, RemoteObject
from asyncload.transfer import LocalFile, StoreWorth, TransferPolicy, compare, compare_recorded
from asyncload.transfer.proof import PREFERENCE, in_order, weigh
from asyncload.transfer.verify import find_proof

CRC, OTHER_CRC = checksum_of(b"1", "CRC64NVME"), checksum_of(b"2", "CRC64NVME")
MD5, OTHER_MD5 = md5_checksum(b"1"), md5_checksum(b"2")
PARTS, OTHER_PARTS = md5_of_parts([b"1" * 16]), md5_of_parts([b"2" * 16])
KNOWN_ETAGS = StoreWorth(etags_are_md5=True)
ECHOES = StoreWorth(checks={"CRC64NVME": False, "MD5": False}, etags_are_md5=True)


@pytest.mark.fault("A1", "A3")
@pytest.mark.parametrize(
    ("ours", "theirs", "choice", "worth", "standing"),
    [
        (CRC, CRC, "auto", StoreWorth(), "same"),
        (CRC, OTHER_CRC, "auto", StoreWorth(), "different"),
        (None, CRC, "auto", StoreWorth(), "unknown"),
        (MD5, CRC, "auto", StoreWorth(), "unknown"),
        (MD5, MD5, "auto", StoreWorth(), "same"),
        (MD5, OTHER_MD5, "auto", StoreWorth(), "unknown"),
        (MD5, OTHER_MD5, "auto", KNOWN_ETAGS, "different"),
        (PARTS, PARTS, "auto", StoreWorth(), "same"),
        (PARTS, OTHER_PARTS, "auto", KNOWN_ETAGS, "unknown"),
        (MD5, MD5, "md5", StoreWorth(), "same"),
        (CRC, CRC, "md5", StoreWorth(), "same"),
        (MD5, MD5, "crc64nvme", StoreWorth(), "unknown"),
        (CRC, CRC, "crc64nvme", StoreWorth(), "same"),
        (CRC, CRC, "crc32", StoreWorth(), "unknown"),
        (CRC, CRC, "auto", ECHOES, "unknown"),
        (CRC, OTHER_CRC, "auto", ECHOES, "unknown"),
        (CRC, CRC, "crc64nvme", ECHOES, "unknown"),
        (MD5, MD5, "auto", ECHOES, "same"),
    ],
)
def test_each_algorithm_decides_only_what_it_can_prove(ours, theirs, choice, worth, standing):
    """By what the policy accepts, and by what the store was found to be worth."""
    assert weigh(ours, theirs, TransferPolicy(checksum=choice, worth=worth)) == standing


BODIES = st.binary(max_size=64)
WORTHS = st.builds(
    StoreWorth,
    checks=st.dictionaries(st.sampled_from(["CRC64NVME", "MD5"]), st.booleans()),
    describes=st.booleans(),
    etags_are_md5=st.booleans(),
)
POLICIES = st.builds(
    TransferPolicy, checksum=st.sampled_from(["auto", "crc64nvme", "crc32", "md5"]), worth=WORTHS
)
ALGORITHMS = st.lists(st.sampled_from([*CRCS, "SHA256", "MD5"]), unique=True)


def sums(body, algorithms):
    return by_algorithm(*(checksum_of(body, name) for name in algorithms))


@given(file=BODIES, there=BODIES, known=ALGORITHMS, theirs=ALGORITHMS, policy=POLICIES)
def test_only_equal_bytes_are_the_same_and_only_an_accepted_checksum_says_so(
    file, there, known, theirs, policy
):
    """By file and by record alike; objects of a truthful store are never told apart wrongly."""
    remote = RemoteObject(len(there), sums(there, theirs))

    async def like(checksum):
        return checksum_of(file, checksum.algorithm)

    verdict = asyncio.run(compare(remote, LocalFile(None, len(file), 0, like), policy))
    verdicts = [verdict]
    if len(file) == len(there):
        verdicts.append(compare_recorded(sums(file, known), remote.checksums, policy))
    for verdict in verdicts:
        if verdict.standing == "same":
            assert file == there
            assert policy.accepts(verdict.checksum.algorithm)
        else:
            assert verdict.checksum is None
            assert verdict.detail
        assert verdict.standing != "different" or file != there


@given(body=BODIES, known=ALGORITHMS, theirs=ALGORITHMS, policy=POLICIES)
@pytest.mark.fault("A2")
def test_unchanged_files_compare_as_equal_by_any_common_checksum(body, known, theirs, policy):
    """Like is compared with like; without a common one that counts, nothing is said."""
    common = [n for n in known if n in theirs and policy.accepts(n)]
    verdict = compare_recorded(sums(body, known), sums(body, theirs), policy)
    assert verdict.standing == ("same" if common else "unknown")


def test_the_best_checksum_is_asked_first_and_unknown_ones_never():
    """A computed one before an ETag."""
    given_ = [Checksum(name, "A") for name in ("XXHASH", *reversed(PREFERENCE))]
    assert [c.algorithm for c in in_order(given_, TransferPolicy())] == list(PREFERENCE)


def test_a_put_result_proves_by_checksums_that_the_store_checks():
    """If wrong CRCs are accepted, a returned one is an echo, and the ETag decides."""
    result = PutResult(f'"{hashlib.md5(b"1").hexdigest()}"', CRC)
    assert find_proof(result, CRC, b"1", TransferPolicy()) == CRC
    assert find_proof(result, CRC, b"1", TransferPolicy(worth=ECHOES)) == MD5
    strict = TransferPolicy(checksum="crc64nvme", worth=ECHOES)
    assert find_proof(result, CRC, b"1", strict) is None


@pytest.mark.parametrize(
    ("worth", "choice", "wants"),
    [
        (StoreWorth(), "auto", False),
        (StoreWorth(), "md5", True),
        (ECHOES, "auto", True),
        (ECHOES, "crc64nvme", False),
        (StoreWorth(describes=False), "auto", True),
    ],
)
def test_md5s_are_computed_if_they_are_the_proof(worth, choice, wants):
    """And nowhere else: they cost time."""
    assert TransferPolicy(checksum=choice, worth=worth).wants_md5 == wants


# Parts


@given(
    body=st.binary(max_size=300),
    size=st.integers(1, 64),
    cuts=st.lists(st.integers(1, 50), max_size=10),
)
def test_an_md5_of_parts_does_not_depend_on_how_the_bytes_come(body, size, cuts):
    """It is that of the parts, cut as S3 would have them."""
    running, rest = PartsMd5(size), memoryview(body)
    for cut in cuts:
        running.update(rest[:cut])
        rest = rest[cut:]
    running.update(rest)
    parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    assert running.checksum() == md5_of_parts(hashlib.md5(part).digest() for part in parts)


@given(
    size=st.integers(0, 10**12) | st.integers(0, 200 * MIB),
    count=st.integers(1, 10_000),
    likely=st.integers(5, 64).map(lambda mib: mib * MIB),
)
def test_part_sizes_that_are_tried_are_few_and_give_the_count(size, count, likely):
    """For any form of ETag."""
    sizes = plausible_part_sizes(size, count, likely)
    assert len(sizes) == len(set(sizes)) <= 16
    for part_size in sizes:
        assert max(1, -(-size // part_size)) == count
    if max(1, -(-size // likely)) == count > 1:
        assert sizes[0] == likely


@given(size=st.integers(9, 5000), part=st.sampled_from([5, 8, 9, 10, 15, 16, 32, 64, 100]))
def test_usual_part_sizes_are_among_those_tried(size, part):
    """Of asyncload with any memory, and of other programs."""
    size, part = size * MIB + 1, part * MIB
    assert part in plausible_part_sizes(size, max(1, -(-size // part)), 8 * MIB) or size <= part


def test_the_parts_of_a_small_file_are_found_in_memory():
    """Another program may have sent it in parts."""
    body = memoryview(bytes(range(256)) * 10)
    wanted = find_md5_of_parts(body, [7, 1000], PARTS)
    assert wanted is None
    running = PartsMd5(1000)
    running.update(body)
    there = running.checksum()
    assert count_of_parts(there) == 3
    assert find_md5_of_parts(body, [7, 1000], there) == there


@pytest.mark.parametrize("etag", ["-", "-0", "-x", "-1-2", "-999999"])
def test_an_etag_with_an_invalid_number_of_parts_is_ignored(etag):
    """It is opaque."""
    assert md5_of_etag(f'"{"a" * 32}{etag}"') is None
    assert md5_of_etag(f'"{"A" * 32}-12"') == Checksum(MD5_OF_PARTS, f"{'a' * 32}-12")
