"""From a path and the run's date to an object key."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from asyncload.errors import InvalidKey, UsageError
from asyncload.planning.keys import LAYOUTS, KeyLayout, dataset_and_path

DAY = date(2022, 5, 2)
NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=20
).filter(lambda name: not name.startswith("."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
TEMPLATES = st.sampled_from(
    [*LAYOUTS, "{path}", "lake/{path}", "{dataset}-{path}", "{date}/{layer}{origin}/{path}.raw"]
)


def layout(template="default", **options):
    names = {"layer": "Raw", "origin": "Local", "format": "CSV", "date": DAY}
    return KeyLayout(template, **(names | options))


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("movies.csv", "Raw/Local/CSV/Movies/2022/05/02/movies.csv"),
        ("ratings/part-0.csv", "Raw/Local/CSV/Ratings/2022/05/02/part-0.csv"),
        ("ratings/eu/west/1.csv", "Raw/Local/CSV/Ratings/2022/05/02/eu/west/1.csv"),
    ],
)
def test_the_default_layout(path, key):
    """Layer, origin, format, dataset, the date's folders, and the path below the dataset."""
    assert layout().key_for(path) == key


def test_the_hive_layout():
    """The date's folders are named, so that query engines find them as columns."""
    key = layout("hive").key_for("movies.csv")
    assert key == "Raw/Local/CSV/Movies/year=2022/month=05/day=02/movies.csv"


@pytest.mark.parametrize(
    ("path", "dataset", "rest"),
    [
        ("movies.csv", "Movies", "movies.csv"),
        ("imdbTitles.v2.csv", "ImdbTitles.v2", "imdbTitles.v2.csv"),
        ("SERIES.CSV", "SERIES", "SERIES.CSV"),
        ("ratings/eu/1.csv", "Ratings", "eu/1.csv"),
        ("box office/1.csv", "Box office", "1.csv"),
        ("\u00e9pisodes/1.csv", "\u00c9pisodes", "1.csv"),
        ("e\u0301pisodes/1.csv", "E\u0301pisodes", "1.csv"),
        ("2022-films.csv", "2022-films", "2022-films.csv"),
        ("no ending", "No ending", "no ending"),
        ("movies.csv.gz", "Movies", "movies.csv.gz"),
        ("films.v2.CSV.Zst", "Films.v2", "films.v2.CSV.Zst"),
        ("movies.csv.xz", "Movies.csv", "movies.csv.xz"),
        (".csv.bz2", ".csv.bz2", ".csv.bz2"),
    ],
)
def test_the_dataset_is_the_first_folder_or_the_stem(path, dataset, rest):
    """Only its first letter is upper-cased; the rest is kept as it is."""
    assert dataset_and_path(path) == (dataset, rest)


@given(st.sets(PATHS, min_size=2, max_size=10), TEMPLATES)
def test_no_two_files_of_a_folder_get_one_key(paths, template):
    """Within a dataset's folder, files have different keys in any layout."""
    keys = {layout(template).key_for(f"films/{path}") for path in paths}
    assert len(keys) == len(paths)


@given(PATHS, TEMPLATES)
def test_all_keys_start_with_the_common_prefix(path, template):
    """The prefix holds for every file, and ends where a segment ends."""
    prefix = layout(template).common_prefix()
    assert layout(template).key_for(path).startswith(prefix)
    assert prefix == "" or prefix.endswith("/")


@pytest.mark.parametrize(
    ("template", "prefix"),
    [
        ("default", "Raw/Local/CSV/"),
        ("{layer}/{date:%Y}/{dataset}/{path}", "Raw/2022/"),
        ("lake/{layer}-{dataset}/{path}", "lake/"),
        ("{layer}/{path}/{dataset}", "Raw/"),
        ("{path}", ""),
    ],
)
def test_the_common_prefix_goes_as_far_as_the_keys_agree(template, prefix):
    """It ends before what differs from file to file."""
    assert layout(template).common_prefix() == prefix


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{layer}/{dataset}/{path}", "Raw/Ratings/eu/1.csv"),
        ("{path}", "eu/1.csv"),
        ("{date}/{path}", "2022-05-02/eu/1.csv"),
        ("{date:%d.%m.%y}/{path}", "02.05.22/eu/1.csv"),
        ("{date:%Y}/{date:%m}/{path}", "2022/05/eu/1.csv"),
        ("{dataset}/{dataset}/{path}", "Ratings/Ratings/eu/1.csv"),
        ("{{a}}/{path}.{format}", "{a}/eu/1.csv.CSV"),
    ],
)
def test_a_template_has_its_fields_filled_in(template, key):
    """Any order, any text around them; a date in any format, ISO without one."""
    assert layout(template).key_for("ratings/eu/1.csv") == key


def test_years_have_four_digits():
    """Keys of all years sort by date."""
    key = layout("{date:%Y/%m/%d}/{path}", date=date(33, 4, 3)).key_for("a.csv")
    assert key == "0033/04/03/a.csv"


KNOWN = "{layer}, {origin}, {format}, {dataset}, {date}, {path}"


@pytest.mark.parametrize(
    ("template", "message", "hint"),
    [
        (
            "{layer}/{table}/{path}",
            "--layout: unknown field {table}",
            f"the known fields are {KNOWN}",
        ),
        ("{}/{path}", "--layout: unknown field {}", f"the known fields are {KNOWN}"),
        (
            "{layer/{path}",
            "--layout: '{layer/{path}' is not a valid template: unexpected '{' in field name",
            f"use 'default', 'hive', or a template with the fields {KNOWN}",
        ),
        (
            "hvie",
            "--layout: 'hvie' is neither a known layout nor a template with a field",
            f"did you mean hive? use 'default', 'hive', or a template with the fields {KNOWN}",
        ),
        (
            "",
            "--layout: '' is neither a known layout nor a template with a field",
            f"use 'default', 'hive', or a template with the fields {KNOWN}",
        ),
        (
            "{layer:>9}/{path}",
            "--layout: {layer} does not take a format",
            "only {date} does, for example {date:%Y/%m/%d}",
        ),
        (
            "{layer}/{path!r}",
            "--layout: {path} does not take a format",
            "only {date} does, for example {date:%Y/%m/%d}",
        ),
        (
            "{date:%Q}/{path}",
            "--layout: {date:%Q} is not a valid date format",
            "use for example {date:%Y/%m/%d}",
        ),
        (
            "{layer}/{date}",
            "--layout: the template must hold {path} exactly once, or files would collide",
            f"the default is {LAYOUTS['default']}",
        ),
        (
            "{path}/{path}",
            "--layout: the template must hold {path} exactly once, or files would collide",
            f"the default is {LAYOUTS['default']}",
        ),
        ("/{layer}/{path}", "--layout: an object key must not start with '/'", ""),
    ],
)
def test_a_bad_template_is_a_usage_error(template, message, hint):
    """The message says what is wrong, the hint what is right."""
    with pytest.raises(UsageError) as error:
        layout(template)
    assert (error.value.message, error.value.hint) == (message, hint)


@pytest.mark.parametrize(
    "template",
    [
        "{layer}//{path}",
        "../{path}",
        "{layer}/./{path}",
        "{path}/",
        "{date:%Y//%m}/{path}",
        "{path}\n",
        "{layer}/caf\udce9/{path}",
        "{date:caf\udce9}/{path}",
        "x" * 1024 + "/{path}",
    ],
)
def test_a_template_by_which_no_key_is_valid_is_a_usage_error(template):
    """It is said once, before anything is sent, and not of every file."""
    with pytest.raises(UsageError, match=r"^--layout: "):
        layout(template)


@pytest.mark.parametrize("option", ["layer", "origin", "format"])
def test_a_name_is_one_segment(option):
    """A slash in a name would shift all segments that follow."""
    with pytest.raises(UsageError) as error:
        layout(**{option: "a/b"})
    assert error.value.message == f"--{option}: 'a/b' must be one segment, without '/'"
    assert error.value.hint == "use --layout for more levels"


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "caf\udce9", "x" * 1025])
@pytest.mark.parametrize("option", ["layer", "dataset"])
def test_a_name_can_be_part_of_a_key(option, name):
    """What no key can hold is refused before anything is sent."""
    options = {"datasets": [("*", name)]} if option == "dataset" else {option: name}
    with pytest.raises(UsageError, match=f"^--{option}: .* can't be part of an object key$"):
        layout(**options)


def test_a_dataset_rule_overrides_folder_and_stem():
    """The first rule that matches names the dataset, as it is written; the path is kept."""
    keys = layout(
        "{dataset}/{path}", datasets=[("films_*.csv", "movies"), ("films_old/**", "Archive")]
    )
    assert [keys.key_for(path) for path in ("films_1.csv", "films_old/films_2.csv")] == [
        "movies/films_1.csv",
        "movies/films_2.csv",
    ]
    assert keys.key_for("films_old/eu/a.csv") == "Archive/eu/a.csv"
    assert keys.key_for("other.csv") == "Other/other.csv"


def test_more_datasets_than_are_remembered_get_their_keys():
    """Remembering is for speed only."""
    keys = layout("{dataset}/{path}")
    paths = [f"d{number}/a.csv" for number in range(10_050)]
    assert [keys.key_for(path) for path in paths + paths[-3:]] == [
        f"D{path[1:]}" for path in paths + paths[-3:]
    ]


@given(PATHS)
def test_a_path_without_a_valid_key_is_that_files_fault(path):
    """A control character in any segment makes the file fail, not the run."""
    assume(len(path.encode()) < 900)
    with pytest.raises(InvalidKey):
        layout().key_for(f"films/{path}\x07.csv")
