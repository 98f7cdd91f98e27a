"""What a listing said of a plan's keys: compact, and in any order."""

from __future__ import annotations

import hashlib
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from asyncload.inventory import FREE, UNKNOWN, Inventory, Known
from asyncload.keys import KeyLayout
from asyncload.model import SourceFile
from asyncload.plan import LoadPlan

LAYOUT = KeyLayout("default", "Raw", "Local", "CSV", date(2022, 5, 2))
NAMES = st.sets(st.integers(0, 400).map("{:03}.csv".format), max_size=60)


def plan_of(paths):
    plan = LoadPlan(LAYOUT, put_limit=100)
    for path in paths:
        plan.add(SourceFile(path, 1))
    return plan


@given(planned=NAMES, there=NAMES, order=st.randoms())
def test_it_finds_just_what_was_listed_of_what_is_planned(planned, there, order):
    """With size and MD5, in whatever order it came; all else in a listed partition is free."""
    plan = plan_of(f"d/{name}" for name in planned)
    inventory = Inventory()
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
    inventory.add(listed[:half], plan.holds)
    inventory.add(listed[half:], plan.holds)
    inventory.close("Raw/Local/CSV/D/2022/05/02/")
    inventory.seal()
    known = {key: Known("taken", size, md5) for key, size, md5 in listed}
    for upload in plan.uploads():
        assert inventory.find(upload) == known.get(upload.key, FREE)


def test_a_partition_that_was_not_listed_is_unknown():
    """Neither "there" nor "not there"."""
    plan = plan_of(["d/1.csv", "e/1.csv"])
    inventory = Inventory()
    inventory.close("Raw/Local/CSV/E/2022/05/02/")
    inventory.seal()
    found = {upload.source.path: inventory.find(upload) for upload in plan.uploads()}
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
