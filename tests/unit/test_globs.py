"""Path patterns, as --include, --exclude and --dataset take them."""

from __future__ import annotations

import pytest

from asyncload.globs import compile_globs


@pytest.mark.parametrize(
    ("pattern", "matched", "not_matched"),
    [
        # Without "/" it is the name that counts, at any depth.
        ("movies.csv", ["movies.csv", "a/b/movies.csv"], ["my-movies.csv", "movies.csv/a.csv"]),
        ("*.csv", ["a.csv", "a/b.csv", ".hidden.csv", "a/.b.csv"], ["a.CSV", "a.csv.bak"]),
        ("part-?.csv", ["part-1.csv", "part-\u00e9.csv"], ["part-.csv", "part-12.csv"]),
        ("part-[0-4].csv", ["part-3.csv"], ["part-5.csv"]),
        # With "/" it is the path from the root.
        ("ratings/*.csv", ["ratings/1.csv"], ["ratings/eu/1.csv", "old/ratings/1.csv"]),
        ("ratings/**", ["ratings/1.csv", "ratings/eu/1.csv"], ["old/ratings/1.csv"]),
        ("**/eu/*.csv", ["eu/1.csv", "a/b/eu/1.csv"], ["a/1.csv", "eu/a/1.csv"]),
        ("a/**/1.csv", ["a/1.csv", "a/b/c/1.csv"], ["b/1.csv"]),
        ("/movies.csv", ["movies.csv"], ["a/movies.csv"]),
        ("/ratings/*.csv", ["ratings/1.csv"], ["old/ratings/1.csv"]),
        # Case counts, and nothing else is special.
        ("Movies.csv", ["Movies.csv"], ["movies.csv"]),
        ("{a,b}.csv", ["{a,b}.csv"], ["a.csv"]),
        ("!a.csv", ["!a.csv"], ["b.csv"]),
    ],
)
def test_what_a_pattern_matches(pattern, matched, not_matched):
    """Names without a slash, paths with one, `**` across folders."""
    matches = compile_globs([pattern])
    assert [path for path in matched if not matches(path)] == []
    assert [path for path in not_matched if matches(path)] == []


@pytest.mark.parametrize("name", ["a b.csv", "a\nb.csv", "\N{CLAPPER BOARD}.csv", "\udcff.csv"])
def test_every_name_can_be_matched(name):
    """Spaces, newlines, emoji and names that are not UTF-8 included."""
    assert compile_globs(["*.csv"])(f"folder/{name}")


def test_several_patterns_match_what_any_of_them_does():
    """Patterns add up."""
    matches = compile_globs(["a.csv", "b/*"])
    assert [path for path in ("a.csv", "b/c.csv", "c.csv") if matches(path)] == ["a.csv", "b/c.csv"]


def test_no_pattern_matches_nothing():
    """An option that is not given has no effect."""
    assert not compile_globs([])("movies.csv")


def test_there_may_be_any_number_of_patterns():
    """A generated list of names is a list of patterns."""
    assert compile_globs([f"{number}.csv" for number in range(2_000)])("folder/1999.csv")
