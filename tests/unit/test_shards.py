"""Shards: each file is in one of them, and files that map to one key are together."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.cli.shards import resolve_shard
from asyncload.errors import UsageError
from asyncload.planning.keys import KeyLayout
from asyncload.planning.shards import MAX_SHARDS, Placement, Shard, parse_shard, shard_number
from asyncload.settings.run import Settings

DAY = date(2022, 5, 2)
PATHS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4).map("/".join)


def layout_of(template="default", day=DAY, datasets=()):
    return KeyLayout(template, "Raw", "Local", "CSV", day, datasets)


def shards_that_hold(path, total, layout):
    return [n for n in range(1, total + 1) if Placement(Shard(n, total), layout).holds(path)]


@given(PATHS, st.integers(1, 9))
def test_each_file_is_in_one_shard(path, total):
    """And each entry that is not loaded is reported by one, also if it has no valid key."""
    layout = layout_of()
    shards = [Placement(Shard(n, total), layout) for n in range(1, total + 1)]
    assert sum(shard.holds(path) for shard in shards) == 1
    assert sum(shard.reports(path) for shard in shards) == 1
    assert sum(shard.others for shard in shards) == total - 1


@pytest.mark.parametrize(
    ("first", "second", "layout"),
    [
        ("movies/x.csv", "Movies/x.csv", layout_of()),
        ("a/x.csv", "b/x.csv", layout_of("{layer}/{path}")),
        ("a/x.csv", "b/x.csv", layout_of(datasets=[("a/*", "C"), ("b/*", "C")])),
        ("d/x.csv", "d/films.zip//x.csv", layout_of()),
        ("ab/c.csv", "a/bc.csv", layout_of("{layer}/{dataset}{path}")),
        ("movies/x.csv", "Movies/x.csv", layout_of(day=None)),
    ],
)
def test_files_of_one_key_are_in_one_shard(first, second, layout):
    """However the layout makes them meet: only then can a shard find the collision."""
    day = DAY if layout.date is None else None
    assert layout.key_for(first, day) == layout.key_for(second, day)
    assert len(shards_that_hold(first, 97, layout)) == 1
    assert shards_that_hold(first, 97, layout) == shards_that_hold(second, 97, layout)


def test_the_hash_never_changes():
    """Else shards of different versions would load some files twice and others not at all."""
    assert shard_number("Raw/Local/CSV/Movies/2022/05/02/movies.csv", 8) == 2
    assert [shard_number(f"{n}.csv", 64) for n in range(5)] == [27, 51, 52, 5, 6]
    assert shard_number("\udce9.csv", 1000) == 412


def test_shards_have_about_the_same_number_of_files():
    """Also of names that differ in a digit only."""
    layout = layout_of()
    keys = [layout.key_for(f"d/part-{n:05}.csv") for n in range(8_000)]
    sizes = Counter(shard_number(key, 8) for key in keys)
    assert all(850 < size < 1150 for size in sizes.values())


@pytest.mark.parametrize("template", ["{layer}/{date}{path}", "{layer}/{dataset}-{date}/{path}"])
def test_a_date_for_each_file_must_be_a_segment(template):
    """Else the date decides which keys are equal, and a shard can't know it from the path."""
    with pytest.raises(UsageError, match="must have the date in segments of its own"):
        Placement(Shard(1, 2), layout_of(template, day=None))
    assert Placement(Shard(1, 1), layout_of(template)).holds("a.csv")


@pytest.mark.parametrize("template", ["hive", "{date}/{path}", "{path}/{date:%Y/%m}", "{path}"])
def test_a_date_that_is_a_segment_is_left_out(template):
    """At the beginning or the end of the key, too."""
    layout = layout_of(template, day=None)
    assert layout.date_is_segment
    assert len(shards_that_hold("a/b.csv", 5, layout)) == 1


@pytest.mark.parametrize("text", ["1/1", " 3 / 8 ", "8/8", f"1/{MAX_SHARDS}"])
def test_a_shard_is_a_number_of_a_total(text):
    """From 1 to the total."""
    settings = Settings(volume="v", bucket="lake", shard=text)
    assert settings.shard == str(settings.shard_of) == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/4", "of 4 shards the first is 1 and the last is 4"),
        ("5/4", "of 4 shards the first is 1 and the last is 4"),
        ("3/0", "the number of shards is not between 1 and 10,000"),
        ("1/10001", "the number of shards is not between 1 and 10,000"),
        ("3", "'3' is not a shard"),
        ("-1/4", "'-1/4' is not a shard"),
        ("٣/٤", "is not a shard"),
        ("auto", "'auto' is not a shard"),
    ],
)
def test_another_text_is_not_a_shard(text, message):
    """The message says which numbers there are."""
    with pytest.raises(UsageError) as error:
        parse_shard(text)
    assert error.value.message.startswith("--shard: ")
    assert message in error.value.message
    assert error.value.hint


def test_a_shard_needs_a_manifest():
    """It is its part of the run's record."""
    with pytest.raises(UsageError, match="--shard can't be combined with --no-manifest"):
        Settings(volume="v", bucket="lake", shard="1/2", manifest=False)


SLURM = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_JOB_ID": "17"}
KUBERNETES = {"JOB_COMPLETION_INDEX": "0"}
BATCH = {"AWS_BATCH_JOB_ARRAY_INDEX": "9999", "AWS_BATCH_JOB_ARRAY_SIZE": "10000"}
WHOLE = {"SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "4"}


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("2/3", KUBERNETES, "2/3"),
        ("x", {}, "x"),
        ("auto/8", KUBERNETES, "1/8"),
        ("Auto / 8", KUBERNETES, "1/8"),
        ("auto", BATCH, "10000/10000"),
        ("auto", SLURM | WHOLE, "3/4"),
        ("auto", SLURM | {"SLURM_ARRAY_TASK_COUNT": "4"}, "4/4"),
        ("auto", SLURM | WHOLE | {"SLURM_ARRAY_TASK_STEP": "2"}, "2/4"),
        # A part of an array that is started again.
        ("auto/8", SLURM | {"SLURM_ARRAY_TASK_COUNT": "1", "SLURM_ARRAY_TASK_MIN": "3"}, "4/8"),
        ("auto/8", SLURM, "4/8"),
    ],
)
def test_auto_is_the_index_of_the_scheduler(text, environment, shard):
    """With the number of shards, if the scheduler says it; any other text stays as it is."""
    assert resolve_shard(text, environment) == shard


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("auto", {}, "none of the variables JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX, "),
        ("auto/8", {"JOB_COMPLETION_INDEX": ""}, "none of the variables"),
        ("auto", KUBERNETES, "a Kubernetes Indexed Job does not say how many shards there are"),
        ("auto", SLURM, "a Slurm array does not say how many shards there are"),
        ("auto", KUBERNETES | SLURM, "both JOB_COMPLETION_INDEX and SLURM_ARRAY_TASK_ID are set"),
        ("auto", {"ECS_CONTAINER_METADATA_URI_V4": "http://x"}, "Amazon ECS does not number"),
        ("auto/3", SLURM, "SLURM_ARRAY_TASK_ID=3 is not an index of 3 shards"),
        ("auto/x", SLURM, "'auto/x': the number of shards is not between 1 and 10,000"),
        ("auto/0", SLURM, "'auto/0': the number of shards is not between 1 and 10,000"),
        ("auto/", SLURM, "'auto/': the number of shards is not between 1 and 10,000"),
        ("auto", {"JOB_COMPLETION_INDEX": "x"}, "variable JOB_COMPLETION_INDEX: 'x' is not a"),
        ("auto", BATCH | {"AWS_BATCH_JOB_ARRAY_SIZE": "x"}, "AWS_BATCH_JOB_ARRAY_SIZE: 'x' is not"),
        ("auto", SLURM | WHOLE | {"SLURM_ARRAY_TASK_ID": "7"}, "SLURM_ARRAY_TASK_ID=7 is not an"),
        (
            "auto",
            SLURM | WHOLE | {"SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_STEP": "2"},
            "SLURM_ARRAY_TASK_ID=3 is not in steps of 2 from 0",
        ),
        ("auto", SLURM | WHOLE | {"SLURM_ARRAY_TASK_MIN": "4"}, "is not in steps of 1 from 4"),
    ],
)
def test_without_its_variables_auto_is_a_usage_error(text, environment, message):
    """Before anything is read or sent, with what to give instead."""
    with pytest.raises(UsageError) as error:
        resolve_shard(text, environment)
    assert message in error.value.message
    assert error.value.hint
