"""What a listing said of a plan's keys: compact, and in any order."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.bucket.key_index import FREE, UNKNOWN, KeyIndex, Known
from asyncload.model.values import SourceFile
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import LoadPlan

LAYOUT = KeyLayout("default", "Raw", "Local", "CSV", date(2022, 5, 2))
NAMES = st.sets(st.integers(0, 400).map("{:03}.csv".format), max_size=60)


def plan_of(paths):
    plan = LoadPlan(LAYOUT, put_limit=100)
    for path in paths:
        plan.add(SourceFile(path, 1))
    return plan


@given(planned=NAMES, there=NAMES, order=st.randoms())
def test_it_finds_exactly_the_planned_keys_that_were_listed(planned, there, order):
    """With size and MD5, in any order; all else in a listed partition is free."""
    plan = plan_of(f"d/{name}" for name in planned)
    key_index = KeyIndex()
    listed = [
        (
            LAYOUT.key_for(f"d/{name}"),
            int(name[:3]),
            hashlib.md5(name.encode()).digest() if int(name[:3]) % 2 else b"",
        )
        for name in there
    ]
    order.shuffle(listed)
    half = len(listed) // 2
    key_index.add(listed[:half], plan.holds)
    key_index.add(listed[half:], plan.holds)
    key_index.close("Raw/Local/CSV/D/2022/05/02/")
    key_index.seal()
    known = {key: Known("existing", size, md5) for key, size, md5 in listed}
    for upload in plan.uploads():
        assert key_index.find(upload) == known.get(upload.key, FREE)


def test_a_partition_that_was_not_listed_is_unknown():
    """Neither "there" nor "not there"."""
    plan = plan_of(["d/1.csv", "e/1.csv"])
    key_index = KeyIndex()
    key_index.close("Raw/Local/CSV/E/2022/05/02/")
    key_index.seal()
    found = {upload.source.path: key_index.find(upload) for upload in plan.uploads()}
    assert found == {"d/1.csv": UNKNOWN, "e/1.csv": FREE}


def test_a_plan_counts_its_partitions():
    """In the order of their keys; a volume of single files has one for each."""
    plan = plan_of(["d/1.csv", "f.csv", "e.csv", "d/2.csv"])
    assert list(plan.partitions) == [
        ("Raw/Local/CSV/D/2022/05/02/", 2),
        ("Raw/Local/CSV/E/2022/05/02/", 1),
        ("Raw/Local/CSV/F/2022/05/02/", 1),
    ]
    assert [upload.partition for upload in plan.small()] == [
        f"Raw/Local/CSV/{dataset}/2022/05/02/" for dataset in "DFED"
    ]


def find_in(key_index, key):
    return key_index.find_key(key, "no such partition")


def test_a_key_in_a_range_that_was_listed_is_free():
    """Behind its start, up to its end; ranges that touch are one."""
    key_index = KeyIndex()
    for start, end in (("r/m", "r/p"), ("r/b", "r/e"), ("r/e", "r/g"), ("r/c", "r/d")):
        key_index.cover(start, end)
    key_index.seal()
    found = {letter: find_in(key_index, f"r/{letter}") for letter in "abcefghmnpq"}
    free = {letter for letter, known in found.items() if known == FREE}
    assert free == set("cefgnp")
    assert {found[letter].state for letter in "abhmq"} == {"unknown"}
    assert key_index.covers("r/c", "r/g")
    assert not key_index.covers("r/f", "r/n")


@pytest.mark.parametrize(
    ("start", "end", "key", "known"),
    [
        # By bytes `a-b/` comes before `a/`, in a tree behind it.
        ("r/a-b/1", "r/a/1", "r/a-c/1", UNKNOWN),
        ("r/a/1", "r/b", "r/a-b/1", UNKNOWN),
        ("r/a-a/1", "r/a-c/1", "r/a-b/1", FREE),
    ],
)
def test_a_key_counts_as_listed_only_by_both_orders(start, end, key, known):
    """For any order of a store's listing, no page says that such a key is free."""
    key_index = KeyIndex()
    key_index.cover(start, end)
    key_index.seal()
    assert find_in(key_index, key) == known


def test_ranges_can_be_forgotten_and_existing_keys_stay():
    """If a store turns out to list in another order."""
    plan = plan_of(["d/1.csv", "d/2.csv"])
    taken, other = (upload.key for upload in plan.uploads())
    key_index = KeyIndex()
    key_index.add([(taken, 7, b"")], plan.holds)
    key_index.cover("Raw/", "Raw0")
    key_index.uncover()
    key_index.seal()
    assert find_in(key_index, taken) == Known("existing", 7)
    assert find_in(key_index, other) == UNKNOWN
