"""Checksums of a large file, to compare it with an object."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncload.aio.buffers import BufferPool
from asyncload.model.checksums import CRC64NVME, MD5_OF_PARTS, md5_of_parts
from asyncload.model.values import Checksum, SourceFile
from asyncload.planning.plan import PartLayout
from asyncload.source.readers import Readers
from asyncload.source.volume import Volume
from asyncload.transfer.local_sums import LocalSums

MIB = 1024 * 1024
BODY = bytes(range(256)) * (3 * MIB // 256)


def sum_of_parts(part_size):
    """The MD5 of the parts of BODY."""
    return md5_of_parts(
        hashlib.md5(BODY[at : at + part_size]).digest() for at in range(0, len(BODY), part_size)
    )


@pytest.fixture
async def sums(volume):
    """The sums of a file of 3 MiB that is cut into parts of 2 MiB."""
    (volume / "a.csv").write_bytes(BODY)
    with Volume(volume) as opened, ThreadPoolExecutor(1) as executor:
        readers = Readers(opened, executor)
        async with readers.opened(SourceFile("a.csv", 0)) as (file, state):
            layout = PartLayout(len(BODY), 2 * MIB)
            yield LocalSums(file, state, layout, CRC64NVME, readers, BufferPool(4 * MIB))


async def test_an_md5_of_parts_is_found_by_the_part_size_that_made_it(sums):
    """Ours first, then the usual ones; one that no part size explains is not the file's."""
    assert await sums.like(sum_of_parts(2 * MIB)) == sum_of_parts(2 * MIB)
    assert await sums.like(sum_of_parts(MIB)) == sum_of_parts(MIB)
    assert await sums.like(Checksum(MD5_OF_PARTS, "0" * 32 + "-2")) is None
    # No part size cuts 3 MiB into so many parts of whole bytes.
    assert await sums.like(Checksum(MD5_OF_PARTS, f"{'0' * 32}-{len(BODY)}")) is None


async def test_a_checksum_of_an_unknown_algorithm_is_not_computed(sums):
    """Stores may offer others in time."""
    assert await sums.checksum("XXHASH64") is None
