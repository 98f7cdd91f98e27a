"""Settings as people write them in Python: taken for what is meant, or refused by name."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asyncload.errors import UsageError
from asyncload.planning.plan import MIB
from asyncload.settings.run import Settings


def settings(**options):
    return Settings(**{"volume": "data", "bucket": "lake", "manifest": False} | options)


@pytest.mark.fault("I9")
@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("volume", "x", Path("x")),
        ("volume", b"x\xff", Path("x\udcff")),
        ("ca_bundle", "ca.pem", Path("ca.pem")),
        ("memory", "64MiB", 64 * MIB),
        ("memory", 64 * MIB, 64 * MIB),
        ("date", date(2022, 5, 2), "2022-05-02"),
        ("date", datetime(2022, 5, 2, 23, tzinfo=UTC), "2022-05-02"),
        ("timezone", ZoneInfo("America/Sao_Paulo"), "America/Sao_Paulo"),
        ("timezone", UTC, "UTC"),
        ("include", "movies.csv", ("movies.csv",)),
        ("include", ["a.csv", Path("b.csv")], ("a.csv", "b.csv")),
        ("exclude", Path("x/*.csv"), ("x/*.csv",)),
        ("exclude", {"a.csv"}, ("a.csv",)),
        ("min_age", "15m", 900),
        ("min_age", timedelta(seconds=1.5), 2),
        ("datasets", "a*=A", (("a*", "A"),)),
        ("datasets", ["a*=A", ("b*", "B")], (("a*", "A"), ("b*", "B"))),
        ("datasets", {"a*": "A"}, (("a*", "A"),)),
        ("tags", "a=b", {"a": "b"}),
        ("tags", ["a=b", "c=d"], {"a": "b", "c": "d"}),
        ("metadata", {"a": "b"}, {"a": "b"}),
        ("concurrency", True + 1, 2),
        ("region", None, None),
    ],
)
def test_values_in_the_form_that_people_write_are_accepted(name, given, meant):
    """For what it means."""
    assert getattr(settings(**{name: given}), name) == meant


def test_an_empty_list_of_volumes_is_refused_as_such():
    """It is a list of paths, but of none."""
    with pytest.raises(UsageError, match="volume: the list is empty"):
        settings(volume=[])


@pytest.mark.fault("I9")
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("volume", ""),
        ("volume", None),
        ("volume", 3),
        ("bucket", b"lake"),
        ("memory", 1.5),
        ("memory", None),
        ("memory", "lots"),
        ("date", 20220502),
        ("timezone", 3),
        ("timezone", timezone(timedelta(hours=1))),
        ("include", b"movies.csv"),
        ("include", 3),
        ("include", [b"a.csv"]),
        ("exclude", {"a.csv": 1}),
        ("min_age", 1.5),
        ("min_age", -1),
        ("min_age", timedelta(seconds=-1)),
        ("datasets", 3),
        ("datasets", b"a=A"),
        ("datasets", [3]),
        ("datasets", [("a", "b", "c")]),
        ("datasets", {"a": 3}),
        ("tags", 3),
        ("tags", b"a=b"),
        ("tags", {"a": 1}),
        ("concurrency", "many"),
        ("concurrency", True),
        ("overwrite", "no"),
        ("manifest", 0),
        ("layer", None),
        ("region", 3),
        ("ca_bundle", ""),
    ],
)
def test_anything_else_is_refused_by_name(name, given):
    """As a usage error: not an AttributeError somewhere below, nor read letter by letter."""
    with pytest.raises(UsageError) as refused:
        settings(**{name: given})
    assert name.removesuffix("s").replace("_", "-") in refused.value.message


@pytest.mark.fault("I9")
@given(
    st.sampled_from(sorted(Settings.__dataclass_fields__)),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.binary(max_size=8),
        st.lists(st.one_of(st.text(max_size=4), st.integers(), st.none()), max_size=3),
        st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=4), st.none()), max_size=2),
        st.dates(),
    ),
)
@example("volume", ["a", "b"])
def test_any_value_is_accepted_or_refused(name, given):
    """Never an error of another kind."""
    with suppress(UsageError):
        assert all(isinstance(volume, Path) for volume in settings(**{name: given}).volumes)
