"""From what the scan found to a plan."""

from __future__ import annotations

from datetime import date

import pytest

from asyncload.errors import KeyCollision, NothingToLoad, SourceUnreadable
from asyncload.model.values import Excluded, Failed, SourceFile
from asyncload.planning.collecting import add_found, check_plan
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import LoadPlan


@pytest.fixture
def plan():
    """An empty plan."""
    return LoadPlan(KeyLayout("{path}", "Raw", "Local", "CSV", date(2022, 5, 2)), put_limit=100)


def test_each_entry_is_added_to_the_plan_or_reported(plan):
    """Files and failures to the plan, what is excluded to the observer."""
    hidden = Excluded(".a.csv", "hidden")
    locked = Failed("locked", None, 0, SourceUnreadable("the path can't be listed"))
    events = []
    add_found(plan, [SourceFile("a.csv", 3), hidden, locked], events.append)
    add_found(plan, [SourceFile("b.csv", 4)], events.append)
    assert events == [hidden]
    assert (plan.files, plan.size) == (3, 7)
    assert [upload.source.path for upload in plan.uploads()] == ["a.csv", "b.csv"]
    assert plan.failures == [locked]
    check_plan(plan, allow_empty=False)


@pytest.mark.fault("I11")
@pytest.mark.parametrize(
    ("reasons", "message", "hint"),
    [
        ([], "", "files named *.csv in any letter case are loaded; check the volume and its mount"),
        (["hidden"], "; excluded: 1 hidden", "rename files and folders that begin with a dot"),
        (
            ["too recent", "excluded", "too recent"],
            "; excluded: 1 by pattern, 2 too recent",
            (
                "--min-age excludes recently modified files: run later, or lower it; "
                "check --include and --exclude"
            ),
        ),
        (["not a regular file"], "; excluded: 1 not a regular file", ""),
    ],
)
def test_a_volume_without_csvs_is_nothing_to_load(plan, reasons, message, hint):
    """What is left out does not count, and the hint is about that; the way out is named."""
    add_found(plan, [Excluded(f"{n}.csv", reason) for n, reason in enumerate(reasons)], print)
    with pytest.raises(NothingToLoad) as error:
        check_plan(plan, allow_empty=False)
    assert error.value.message == f"the volume has no CSV to load{message}"
    way_out = "--allow-empty makes this a success"
    assert error.value.hint == (f"{hint}; {way_out}" if hint else way_out)
    check_plan(plan, allow_empty=True)


def test_a_volume_of_failures_only_is_not_empty(plan):
    """A folder that can't be listed may hold CSVs."""
    plan.add_failure(Failed("locked", None, 0, SourceUnreadable("the path can't be listed")))
    check_plan(plan, allow_empty=False)


def test_colliding_files_stop_the_run(plan):
    """Before anything is sent."""
    for path in ("a/1.csv", "b/1.csv"):
        plan.add(SourceFile(path, 1))
    with pytest.raises(KeyCollision, match=r"a/1\.csv, b/1\.csv"):
        check_plan(plan, allow_empty=False)
