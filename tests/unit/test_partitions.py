"""Files counted by partition: exact, in the order of keys, and compact."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncload.planning import partitions as module
from asyncload.planning.partitions import PartitionCounts

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4)


@pytest.fixture
def small_runs():
    """Few partitions make a run, and fewer a block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_RECENT", 3)
        patch.setattr(module, "_BLOCK", 2)
        yield


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, max_size=60))
def test_partitions_are_read_in_the_order_of_utf_8(names, small_runs):
    """With any number of files each, in any order; it can be read again."""
    counts = PartitionCounts()
    for name in names:
        counts.add(name)
    expected = sorted(Counter(names).items(), key=lambda entry: entry[0].encode())
    assert list(counts) == expected
    assert list(counts) == expected


@pytest.mark.usefixtures("small_runs")
def test_counting_may_continue_after_reading():
    """What comes later is among the rest."""
    counts = PartitionCounts()
    counts.add("b/")
    assert list(counts) == [("b/", 1)]
    for name in ("a/", "b/", "c/", "d/"):
        counts.add(name)
    assert list(counts) == [("a/", 1), ("b/", 2), ("c/", 1), ("d/", 1)]


def test_a_partition_takes_a_few_bytes():
    """50,000 files at the top: 15 bytes for each, besides the 8,192 latest; few more to read."""
    counts = PartitionCounts()
    names = [f"Raw/Local/CSV/Export_{n * 7919 % 50_000:05}/2022/05/02/" for n in range(50_000)]
    tracemalloc.start()
    for name in names:
        counts.add(name)
    used, _ = tracemalloc.get_traced_memory()
    latest = 8192 * 150
    assert used < 15 * len(names) + latest
    tracemalloc.reset_peak()
    assert sum(files for _, files in counts) == len(names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - used < latest
