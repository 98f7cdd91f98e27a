"""Path patterns, as --include, --exclude and --dataset take them."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.source.globs import Glob, GlobRules


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
    matches = Glob(pattern).matches
    assert [path for path in matched if not matches(path)] == []
    assert [path for path in not_matched if matches(path)] == []


@pytest.mark.parametrize("name", ["a b.csv", "a\nb.csv", "\N{CLAPPER BOARD}.csv", "\udcff.csv"])
def test_every_name_can_be_matched(name):
    """Spaces, newlines, emoji and names that are not UTF-8 included."""
    assert Glob("*.csv").matches(f"folder/{name}")


def test_several_patterns_match_if_any_of_them_does():
    """Patterns add up."""
    matches = GlobRules(["a.csv", "b/*"]).match
    assert [path for path in ("a.csv", "b/c.csv", "c.csv") if matches(path)] == ["a.csv", "b/c.csv"]


def test_no_pattern_matches_nothing():
    """An option that is not given has no effect."""
    assert not GlobRules([]).match("movies.csv")


def test_there_may_be_any_number_of_patterns():
    """A generated list of names is a list of patterns."""
    rules = GlobRules([f"{number}.csv" for number in range(2_000)])
    assert rules.match("folder/1999.csv")
    assert len(rules.unused) == 1_999


def test_a_pattern_is_used_once_it_matched_whether_others_match_too_or_not():
    """In any order; one given twice counts once."""
    rules = GlobRules(["*.csv", "a.csv", "x/**", "y/", "*.csv"])
    assert rules.match("x/a.csv")
    assert rules.unused == ["y/"]
    assert rules.cover("b/y")
    assert rules.unused == []
    assert not rules.match("b.txt")


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("x", ["x", "a/x"], ["y", "x/y"]),
        ("x*", ["x1", "a/x"], ["y"]),
        ("x/", ["x", "a/x", "x/y"], ["y", "xx"]),
        ("x/y/", ["x/y", "x/y/z"], ["x", "a/x/y", "y"]),
        ("x/**", ["x", "x/y"], ["a/x", "y"]),
        ("**/x/**", ["x", "a/x", "a/x/b"], ["a"]),
        ("x/**/y/**", ["x/y", "x/a/y"], ["x", "x/a"]),
        ("**", ["a", "a/b"], []),
        ("x/*", [], ["x", "x/y"]),
        ("x/*.csv", [], ["x", "x/a.csv"]),
        ("**/*.csv", [], ["x", "a.csv"]),
        ("/", [], ["a"]),
        ("", [], ["a"]),
    ],
)
def test_which_folders_a_pattern_covers(pattern, covered, not_covered):
    """By its name, or because all that may be below it is matched."""
    covers = Glob(pattern).covers
    assert [folder for folder in covered if not covers(folder)] == []
    assert [folder for folder in not_covered if covers(folder)] == []


@pytest.mark.parametrize(
    ("pattern", "reached", "not_reached"),
    [
        ("a.csv", ["x", "x/y"], []),
        ("x/*", ["x"], ["y", "x/y"]),
        ("x/y/*.csv", ["x", "x/y"], ["y", "x/z", "x/y/z"]),
        ("x/**", ["x", "x/y"], ["y"]),
        ("x/**/z/*.csv", ["x", "x/y/y"], ["y"]),
        ("**/z/*.csv", ["x", "x/y/y"], []),
        ("/a.csv", [], ["x"]),
    ],
)
def test_below_which_folders_a_pattern_may_match(pattern, reached, not_reached):
    """Only those need to be entered."""
    reaches = Glob(pattern).reaches
    assert [folder for folder in reached if not reaches(folder)] == []
    assert [folder for folder in not_reached if reaches(folder)] == []


@pytest.mark.fault("F9")
@pytest.mark.parametrize(
    "pattern", ["caf\u00e9.csv", "cafe\u0301.csv", "c*\u00e9.csv", "x/cafe\u0301.*"]
)
@pytest.mark.parametrize("name", ["caf\u00e9.csv", "cafe\u0301.csv"])
def test_composed_and_decomposed_letters_are_the_same(pattern, name):
    """macOS writes names in its own way, and shells in theirs."""
    assert Glob(pattern).matches(f"x/{name}")


def matches_by_definition(pattern, path):
    """Whether they match, tried in every way: what the fast one is held to."""

    def chars(tokens, name):
        if not tokens:
            return not name
        if tokens[0] == "*":
            return any(chars(tokens[1:], name[at:]) for at in range(len(name) + 1))
        return bool(name) and tokens[0] in ("?", name[0]) and chars(tokens[1:], name[1:])

    def segments(patterns, names):
        if not patterns:
            return not names
        if patterns[0] == "**":
            least = 0 if patterns[1:] else 1
            return any(segments(patterns[1:], names[at:]) for at in range(least, len(names) + 1))
        return bool(names) and chars(patterns[0], names[0]) and segments(patterns[1:], names[1:])

    return segments(pattern.split("/"), path.split("/"))


SEGMENTS = st.sampled_from(["**", "**", "*", "a", "b", "a*", "*b", "?", "*a*b", "a?*", "*a*a*"])
NAMES = st.text("ab", min_size=1, max_size=5)


@pytest.mark.fault("C7")
@given(st.lists(SEGMENTS, min_size=2, max_size=6), st.lists(NAMES, min_size=1, max_size=6))
def test_matches_equal_those_of_an_exhaustive_search(segments, names):
    """One way to match each run of stars is enough."""
    pattern, path = "/".join(segments), "/".join(names)
    hypothesis.assume(not pattern.endswith("**/**"))
    assert Glob(pattern).matches(path) == matches_by_definition(pattern, path)


@given(st.lists(SEGMENTS, min_size=2, max_size=5), st.lists(NAMES, min_size=2, max_size=6))
def test_no_folder_is_passed_over_that_holds_a_match(segments, names):
    """What matches lies below folders that are reached; what is covered matches."""
    glob, path = Glob("/".join(segments)), "/".join(names)
    folders = ["/".join(names[:count]) for count in range(1, len(names))]
    if glob.matches(path):
        assert all(map(glob.reaches, folders))
    if any(map(glob.covers, folders)):
        assert glob.matches(path)


@pytest.mark.fault("C7")
@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/a/" * 20 + "b", "a/" * 400 + "c"),
        ("x/" + "*a" * 40 + "b", "x/" + "a" * 250),
        ("*a" * 60 + "b", "a" * 255),
    ],
)
def test_no_pattern_takes_long(pattern, path):
    """Trying every way would take longer than the universe has."""
    assert not Glob(pattern).matches(path)


@pytest.mark.parametrize(
    ("pattern", "matched", "not_matched"),
    [
        ("[!a-c].csv", ["d.csv", "é.csv"], ["b.csv", ".csv"]),
        ("[^a].csv", ["b.csv"], ["a.csv"]),
        ("[]a].csv", ["].csv", "a.csv"], ["b.csv"]),
        ("[!]].csv", ["a.csv"], ["].csv"]),
        ("[a-].csv", ["a.csv", "-.csv"], ["b.csv"]),
        ("[^-a]x", ["bx"], ["-x", "ax"]),
        ("[z-a]x", [], ["zx", "x"]),
        ("[!z-a]x", ["zx"], ["x"]),
        ("[a.csv", ["[a.csv"], ["a.csv"]),
        (r"\*.csv", ["*.csv"], ["a.csv"]),
        (r"a\b.csv", ["ab.csv"], [r"a\b.csv"]),
        ("a\\", ["a\\"], ["a"]),
        ("a**b", ["ab", "axxb"], ["a"]),
        ("x/a**b", ["x/ab", "x/axxb"], ["x/a", "x/a/b"]),
        ("**", ["a", "a/b"], []),
    ],
)
def test_sets_and_escapes(pattern, matched, not_matched):
    """One character of several, of a range, or none of them; a backslash makes one plain."""
    matches = Glob(pattern).matches
    assert [path for path in matched if not matches(path)] == []
    assert [path for path in not_matched if matches(path)] == []
