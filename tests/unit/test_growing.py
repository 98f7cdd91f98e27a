"""Portions of a plan that can be loaded before the scan has ended, and when that is safe."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncload.errors import KeyCollision, SourceUnreadable
from asyncload.model.values import Excluded, Failed, Scanned, SourceFile
from asyncload.planning import growing as growing_module
from asyncload.planning.growing import GrowingPlan, datasets_meet, may_load_early
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import LoadPlan

DAY = date(2022, 5, 2)
_NAMES = ("a", "A", "b", "a.csv", "A.csv", "a.b.csv", "b.csv.gz", "é.csv")
_name = st.sampled_from(_NAMES)
_below = st.sets(st.lists(_name, min_size=1, max_size=2).map("/".join), max_size=3)
# The files below each folder at the top; none for a file.
_volumes = st.dictionaries(_name, _below, min_size=2, max_size=5)
_pieces = st.lists(st.sampled_from(("{layer}", "{date:%Y}", "x", "/")), max_size=3).map("".join)


@st.composite
def _templates(draw):
    before, between, after = (draw(_pieces) for _ in range(3))
    end = draw(st.sampled_from(["", "{dataset}"]))
    template = f"{before}{{dataset}}{between}{{path}}{after}{end}"
    return re.sub("/+", "/", template).strip("/")


def layout(template="default", **options):
    return KeyLayout(template, "Raw", "Local", "CSV", **{"date": DAY} | options)


def make_growing(template="default"):
    return GrowingPlan(lambda: LoadPlan(layout(template), put_limit=100))


# When it is safe


@given(_templates(), _volumes)
@example("{dataset}{path}", {"a": {"b.csv"}, "a.csv": set()})
@example("default", {"movies.csv": set(), "Movies": {"movies.csv"}})
@example("{dataset}/{path}", {"a": {"x.csv"}, "A": {"x.csv"}})
@example("x{dataset}x/{path}", {"a": {"x.csv"}, "xa.csv": set()})
def test_no_files_have_one_key_if_no_datasets_meet(template, volume):
    """For any layout that separates datasets, and any volume; else they may."""
    made = layout(template)
    folders = [name for name, below in volume.items() if below]
    files = [name for name, below in volume.items() if not below]
    paths = [*files, *(f"{name}/{path}" for name in folders for path in volume[name])]
    if may_load_early(made) and not datasets_meet(folders, files):
        keys = [made.key_for(path) for path in paths]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize("template", ["default", "hive", "{dataset}/{path}", "x{dataset}-1/{path}"])
def test_usual_layouts_separate_datasets(template):
    assert may_load_early(layout(template))


@pytest.mark.parametrize(
    ("template", "options"),
    [
        ("{layer}/{path}", {}),
        ("{dataset}{path}", {}),
        ("{path}/{dataset}", {}),
        ("default", {"date": None}),
        ("default", {"datasets": [("*.csv", "All")]}),
        ("default", {"volumes": frozenset(["/a", "/b"])}),
    ],
)
def test_other_files_may_map_to_a_key_of_other_layouts(template, options):
    """Whether they do is known once all have been found."""
    assert not may_load_early(layout(template, **options))


@pytest.mark.parametrize(
    ("folders", "files", "meet"),
    [
        (["movies"], ["series.csv"], False),
        ([], ["movies.csv", "Movies.csv", "movies.csv.gz"], False),
        (["movies", "Movies"], [], True),
        (["movies"], ["series.csv", "Movies.csv"], True),
        (["movies"], ["movies.csv.gz"], True),
        (["MOVIES", "movies"], ["notes.txt"], False),
    ],
)
def test_datasets_meet_by_the_names_at_the_top(folders, files, meet):
    """Files at the top have different keys, also in one dataset."""
    assert datasets_meet(iter(folders), iter(files)) is meet


def test_files_at_the_top_are_not_looked_at_without_folders():
    """There may be ten million of them."""

    def never():
        pytest.fail("the files were looked at")
        yield ""

    assert not datasets_meet([], never())


# Portions


@given(
    st.lists(st.tuples(st.sampled_from(_NAMES), st.integers(0, 300)), max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_each_file_is_in_one_portion_or_in_the_rest(found, takes):
    """Whenever portions are taken; totals count all of them at any time."""
    growing, taken, events = make_growing(), [], []
    for number, ((name, size), take) in enumerate(zip(found, takes, strict=False)):
        growing.add([SourceFile(f"{number}/{name}", size)], events.append)
        assert growing.files == number + 1
        if take and (portion := growing.take()) is not None:
            taken.append(portion)
    assert growing.has_started is bool(taken)
    rest = growing.rest()
    plans = [*taken, rest]
    uploads = [upload.source for plan in plans for upload in plan.uploads()]
    assert sorted(uploads) == sorted(
        SourceFile(f"{number}/{name}", size) for number, (name, size) in enumerate(found)
    )
    assert sum(plan.files for plan in plans) == growing.files == len(found)
    assert growing.size == sum(size for _, size in found)
    assert dict(growing.partitions()) == Counter(
        upload.partition for plan in plans for upload in plan.uploads()
    )
    assert all(rest.holds(upload.key) for upload in rest.uploads())
    assert events == [
        Scanned(number + 1, sum(size for _, size in found[: number + 1]))
        for number in range(len(found))
    ]
    growing.check_collisions()


def test_a_portion_has_a_limited_number_of_files_and_bytes(monkeypatch):
    """So that the rest is left to the processes that load it together."""
    monkeypatch.setattr(growing_module, "PORTION_FILES", 2)
    monkeypatch.setattr(growing_module, "PORTION_SIZE", 1000)
    growing = make_growing()
    for number, size in enumerate([1, 1, 1, 999, 5000, 3]):
        growing.add([SourceFile(f"{number}.csv", size)], lambda _: None)
    assert growing.is_ahead
    portions = [growing.take(), growing.take(), growing.take(), growing.take()]
    sizes = [[upload.source.size for upload in portion.uploads()] for portion in portions]
    assert sizes == [[1, 1], [999, 1], [5000], [3]]
    assert growing.take() is None
    assert not growing.is_ahead


def test_failures_and_excluded_entries_are_kept(monkeypatch):
    """What is excluded is counted for the whole scan."""
    growing, events = make_growing(), []
    failed = Failed("locked", None, 0, SourceUnreadable("the path can't be listed"))
    hidden = Excluded(".x.csv", "hidden")
    growing.add([failed, hidden, SourceFile("back\\slash.csv", 1)], events.append)
    portion = growing.take()
    assert (portion.failures, portion.has_backslashes) == ([failed], True)
    growing.add([hidden, failed], events.append)
    rest = growing.rest()
    assert (rest.failures, rest.has_backslashes) == ([failed], False)
    assert growing.excluded == rest.excluded == {"hidden": 2}
    assert events[0] == hidden


def test_collisions_are_found_across_portions():
    """A folder may appear while the volume is scanned."""
    growing = make_growing()
    growing.add([SourceFile("movies.csv", 1), SourceFile("series.csv", 1)], lambda _: None)
    growing.take()
    growing.add([SourceFile("Movies/movies.csv", 1)], lambda _: None)
    with pytest.raises(KeyCollision) as error:
        growing.check_collisions()
    assert error.value.message == (
        "several files map to one object key, so the run ended before the rest was uploaded:\n"
        "  Raw/Local/CSV/Movies/2022/05/02/movies.csv  <-  Movies/movies.csv, movies.csv"
    )
