"""The page on collecting says what `asyncload collect` does: its examples are run."""

from __future__ import annotations

import re

import pytest

import asyncload
from asyncload.settings.options import options_of
from asyncload.source.web.tmdb import TMDB, Wish, queries_of
from tests.support.commands import calls_of, commands_of
from tests.support.documents import blocks_of, section
from tests.support.tmdb import TOKEN, Double, serving

COLLECTING = section("Collect from the web")


def test_the_description_of_an_api_in_the_documentation_is_valid(tmp_path, asyncload):
    """As a user would copy it into a file."""
    (example,) = re.findall(r"```toml\n(.*?)```", COLLECTING, re.DOTALL)
    file = tmp_path / "library.toml"
    file.write_text(example)
    ended = asyncload("collect", "--config", file, "--date", "2022-05-02", "--dry-run")
    assert ended.code == 0, ended.err
    first, detail = ended.out.splitlines()
    assert "/books?genre=novel&since=LAST_SUCCESS&limit=100&offset=0" in first
    assert detail.endswith(
        "s3://my-lake/Raw/Library/JSON/Novels/2022/05/02/books-reviews-{id}.json"
    )


def test_the_first_collection_in_the_documentation_prints_what_it_says(asyncload):
    """Command and output of the example."""
    (example,) = (c for b in blocks_of(COLLECTING) for c in commands_of(b) if c.output)
    (call,) = calls_of(example.text)
    assert asyncload(*call).out == example.output


def test_the_documentation_of_collections_names_options_and_datasets_that_exist():
    """And the terms of TMDB as they are printed."""
    known = {option.flag for option in options_of("collect")}
    assert {*re.findall(r"(?<![\w-])--[a-z][a-z-]+", COLLECTING)} <= known
    described = {*re.findall(r"`((?:Movies|Movie|Char)[A-Za-z]+)`", COLLECTING)}
    wish = Wish(["a"], ["28"], ["b"], ["c"], changes=True)
    specs = {each.spec for query in queries_of(wish) for each in query.tree()}
    specs |= {query.spec for query in queries_of(wish._replace(characters=()))}
    assert described == specs
    assert TMDB.notice.partition(".")[0] in COLLECTING


@pytest.mark.moto
def test_the_example_in_python_runs(moto, monkeypatch, capsys):
    """As a user would paste it, against a double of TMDB."""
    films = Double()
    films.add_films(1, title="The Matrix")
    (example,) = re.findall(r"```python\n(.*?)```", COLLECTING, re.DOTALL)
    with serving(films) as double:
        for name, value in moto.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint_url)
        monkeypatch.setenv("TMDB_TOKEN", TOKEN)
        example = example.replace('"my-lake"', f'"{moto.bucket}", "api-url": "{double.url}"')
        exec(compile(example, "the documents", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == "in the raw zone: 1 of 1, requests: 1\n"


async def test_wrong_arguments_are_rejected_before_any_request():
    """As by the other operations."""
    settings = asyncload.collect_settings({"bucket": "lake", "title": "a"})
    with pytest.raises(asyncload.UsageError, match=r"collect\(\) takes CollectSettings, not dict"):
        await asyncload.collect({})
    with pytest.raises(asyncload.UsageError, match="observer: 5 is not a function"):
        await asyncload.collect(settings, observer=5)
