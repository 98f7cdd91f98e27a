"""Parts, taken keys, and the plan of a load: decided before anything is sent."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections import Counter
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncload.errors import InvalidKey, KeyCollision, SourceTooLarge
from asyncload.model.values import Failed, FileState, Member, SourceFile
from asyncload.planning import plan as plan_module
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import (
    MAX_OBJECT_SIZE,
    MAX_PARTS,
    MIB,
    LoadPlan,
    PartLayout,
    lay_out_parts,
)

GIB = 1024 * MIB
DAY = date(2022, 5, 2)
LAYOUT = KeyLayout("default", "Raw", "Local", "CSV", DAY)


# Parts


@given(
    size=st.integers(0, MAX_OBJECT_SIZE) | st.integers(0, 100 * MIB),
    min_size=st.integers(5, 64).map(lambda mib: mib * MIB),
)
@example(size=0, min_size=8 * MIB)
@example(size=8 * MIB, min_size=8 * MIB)
@example(size=8 * MIB * MAX_PARTS + 1, min_size=8 * MIB)
@example(size=MAX_OBJECT_SIZE, min_size=8 * MIB)
def test_parts_cover_the_file_exactly(size, min_size):
    """One after the other, numbered from 1, at most 10,000, of whole MiB but for the last."""
    layout = lay_out_parts(size, min_size=min_size, max_size=GIB)
    parts = list(layout.parts())
    ends = [offset + length for _, offset, length in parts]
    assert [number for number, _, _ in parts] == list(range(1, layout.count + 1))
    assert [offset for _, offset, _ in parts] == [0, *ends[:-1]]
    assert ends[-1] == size
    assert len(parts) <= MAX_PARTS
    assert {length for _, _, length in parts[:-1]} <= {layout.part_size}
    assert layout.part_size % MIB == 0
    assert 0 < parts[-1][2] <= layout.part_size or size == 0


@given(
    size=st.integers(0, MAX_OBJECT_SIZE) | st.integers(0, 4 * GIB),
    min_size=st.integers(5, 64).map(lambda mib: mib * MIB),
)
def test_parts_are_only_as_large_as_serves(size, min_size):
    """The least size, up to 16 MiB where 128 parts are left, or what 10,000 parts demand."""
    layout = lay_out_parts(size, min_size=min_size, max_size=GIB)
    part_size = layout.part_size
    roomy = part_size <= 16 * MIB and layout.count >= 128
    assert part_size == min_size or roomy or (part_size - MIB) * MAX_PARTS < size


@pytest.mark.parametrize(
    ("gib", "mib"),
    [(0.02, 8), (1, 8), (1.5, 12), (2, 16), (4, 16), (20, 16), (200, 21), (2000, 205)],
)
def test_large_files_have_larger_parts_with_any_memory(gib, mib):
    """So that a run resumes the upload of a run with another --memory."""
    for most in (128, 256, 1024):
        if most >= mib:
            layout = lay_out_parts(int(gib * GIB), min_size=8 * MIB, max_size=most * MIB)
            assert layout.part_size == mib * MIB


@pytest.mark.parametrize(("most", "mib"), [(16, 8), (64, 8), (96, 12), (127, 15), (128, 16)])
def test_with_little_memory_eight_parts_fit_it(most, mib):
    """Or the least size is what it is."""
    assert lay_out_parts(4 * GIB, min_size=8 * MIB, max_size=most * MIB).part_size == mib * MIB


@given(size=st.integers(0, MAX_OBJECT_SIZE), most=st.integers(16, 600).map(lambda mib: mib * MIB))
@example(size=16 * MIB * MAX_PARTS, most=16 * MIB)
def test_a_part_fits_the_memory_for_parts_or_the_file_is_refused(size, most):
    """The hint names the memory that would do."""
    needed = max(8 * MIB, -(-size // (MAX_PARTS * MIB)) * MIB)
    if needed <= most:
        assert needed <= lay_out_parts(size, min_size=8 * MIB, max_size=most).part_size <= most
        return
    with pytest.raises(SourceTooLarge) as error:
        lay_out_parts(size, min_size=8 * MIB, max_size=most)
    mib = needed // MIB
    assert (
        error.value.message
        == f"the file needs parts of {mib} MiB, more than fit the memory for parts"
    )
    assert error.value.hint == f"use --memory {mib}MiB or more"


def test_no_object_is_over_5_tib():
    """Such a file is refused before anything is sent."""
    with pytest.raises(SourceTooLarge) as error:
        lay_out_parts(MAX_OBJECT_SIZE + 1, min_size=8 * MIB, max_size=GIB)
    assert error.value.message == (
        "the file is 5,497,558,138,881 bytes, over S3's limit of 5,497,558,138,880 (5 TiB) per "
        "object"
    )
    assert error.value.hint == "split the file"


@given(st.data(), st.integers(1, 40 * GIB), st.integers(5 * MIB, 64 * MIB))
def test_a_layout_holds_its_own_parts_and_no_others(data, size, part_size):
    """For any set of existing parts; one of another size, or beyond the last, does not count."""
    layout = PartLayout(size, part_size)
    numbers = data.draw(st.sets(st.integers(1, layout.count), max_size=20))
    sizes = {number: layout.length(number) for number in numbers}
    assert layout.holds(sizes)
    assert not layout.holds(sizes | {layout.count + 1: 1})
    assert not layout.holds(sizes | {0: part_size})
    for number in numbers:
        assert not layout.holds(sizes | {number: layout.length(number) + 1})


# The plan of a load


def make_plan(sources, layout=LAYOUT, put_limit=100):
    plan = LoadPlan(layout, put_limit=put_limit)
    for source in sources:
        plan.add(source)
    return plan


# Any name a file system gives, in few folders, so that runs of a folder's files come about.
NAMES = st.binary(min_size=1, max_size=6).map(lambda name: os.fsdecode(name.replace(b"/", b"0")))
FOLDERS = st.sampled_from(["", "a", "a/b", "c\udcff"])
PATHS = st.builds(lambda folder, name: f"{folder}/{name}".removeprefix("/"), FOLDERS, NAMES)
SIZES = st.sampled_from([0, 99, 100, 101]) | st.integers(0, 200)
SOURCES = st.dictionaries(PATHS, SIZES, max_size=30).map(
    lambda sizes: [SourceFile(path, size) for path, size in sizes.items()]
)


def _has_key(source):
    try:
        LAYOUT.key_for(source.path)
    except InvalidKey:
        return False
    return True


@given(SOURCES)
def test_every_file_of_a_plan_comes_out_once(sources):
    """As an upload under its key, or as a failure where it has none; counted either way."""
    plan = make_plan(sources)
    uploads = list(plan.uploads())
    assert Counter(upload.source for upload in uploads) == Counter(filter(_has_key, sources))
    assert all(upload.key == LAYOUT.key_for(upload.source.path) for upload in uploads)
    assert [(failure.path, failure.size, failure.key) for failure in plan.failures] == [
        (source.path, source.size, None) for source in sources if not _has_key(source)
    ]
    assert plan.files == len(sources)
    assert plan.size == sum(source.size for source in sources)


@given(SOURCES)
def test_large_files_come_first_and_the_largest_of_them_first(sources):
    """None is left over at the end of a run; small files keep the order of the scan."""
    plan = make_plan(sources)
    good = [source for source in sources if _has_key(source)]
    large = [upload.source for upload in plan.large()]
    assert sorted(large, key=lambda source: -source.size) == large
    assert set(large) == {source for source in good if source.size > 100}
    small = [source for source in good if source.size <= 100]
    assert [upload.source for upload in plan.small()] == small
    assert [upload.source for upload in plan.uploads()] == large + small


def test_a_folder_of_very_many_files_keeps_its_order():
    """Names are kept packed, and come out as they went in."""
    sources = [SourceFile(f"films/{number:05}.csv", number % 7) for number in range(9_000)]
    sources += [SourceFile("films/eu/0.csv", 1), SourceFile("films/9.csv", 2)]
    assert [upload.source for upload in make_plan(sources).uploads()] == sources


def test_a_failure_known_before_counts_as_a_file():
    """A folder that can't be listed makes the run incomplete."""
    plan = make_plan([SourceFile("a.csv", 3)])
    failure = Failed("locked", None, 0, InvalidKey("the path can't be listed"))
    plan.add_failure(failure)
    assert (plan.files, plan.size, plan.failures) == (2, 3, [failure])


@pytest.mark.parametrize("hashed_by", [hash, len], ids=["python's hash", "a poor hash"])
@given(
    paths=st.sets(
        st.builds("{}/{}".format, st.sampled_from(["a", "A", "b"]), st.sampled_from("123456")),
        max_size=12,
    )
)
def test_collisions_are_found_wherever_there_are_any(hashed_by, paths):
    """A plan passes if, and only if, no two files have one key; equal hashes are not enough."""
    with pytest.MonkeyPatch.context() as patch:
        # Two keys of one hash are too rare to wait for.
        patch.setattr(plan_module, "hash", hashed_by, raising=False)
        plan = make_plan(SourceFile(path, 1) for path in sorted(paths))
        keys = Counter(LAYOUT.key_for(path) for path in paths)
        if max(keys.values(), default=0) <= 1:
            plan.check_collisions()
            return
        with pytest.raises(KeyCollision):
            plan.check_collisions()


def test_a_collision_names_both_files_and_their_key():
    """Large or small, in any folder."""
    sources = [SourceFile("Films/a.csv", 1), SourceFile("b.csv", 1), SourceFile("films/a.csv", 999)]
    with pytest.raises(KeyCollision) as error:
        make_plan(sources).check_collisions()
    assert error.value.message == (
        "several files map to one object key, so nothing was uploaded:\n"
        "  Raw/Local/CSV/Films/2022/05/02/a.csv  <-  Films/a.csv, films/a.csv"
    )
    assert error.value.hint == "rename a file, or separate the files with --dataset or --layout"


def test_a_file_that_was_listed_twice_does_not_collide_with_itself():
    """With another file it does; and two members of an archive may have one name."""
    file, other = SourceFile("films/a.csv", 1), SourceFile("Films/a.csv", 1)
    make_plan([file, file]).check_collisions()
    with pytest.raises(KeyCollision):
        make_plan([file, file, other]).check_collisions()
    archive = FileState(1, 2, 3, 4, 5)
    members = [file._replace(member=Member(archive, 1, 1, offset, 0, 0)) for offset in (0, 9)]
    with pytest.raises(KeyCollision):
        make_plan(members).check_collisions()


def test_of_many_collisions_the_first_are_named():
    """Five keys, by name, and the number of the others."""
    sources = [SourceFile(f"{d}/{n}.csv", 1) for d in ("films", "Films") for n in range(1_007)]
    random.Random(7).shuffle(sources)
    with pytest.raises(KeyCollision) as error:
        make_plan(sources).check_collisions()
    folder = "Raw/Local/CSV/Films/2022/05/02"
    named = [f"  {folder}/{n}.csv  <-  Films/{n}.csv, films/{n}.csv" for n in (0, 1, 10, 100, 1000)]
    assert error.value.message.splitlines()[1:] == [*named, "  and 1,002 more keys"]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("batch-{0:.3}/films-{0}.csv", 5_000),
        # Names of one folder are packed in large blocks.
        ("films-{0}.csv", 100_000),
        ("films/day={0}/part-0.csv", 5_000),
    ],
    ids=["some folders", "one folder", "a folder each"],
)
def test_a_plan_takes_less_than_50_bytes_a_file(name, files):
    """So that a million files fit in memory, however they are spread over folders."""
    sources = [SourceFile(name.format(f"{number:05}"), 1) for number in range(files)]
    plan = LoadPlan(KeyLayout("default", "Raw", "Local", "CSV", DAY), put_limit=100)
    tracemalloc.start()
    for source in sources:
        plan.add(source)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(sources) < 50
