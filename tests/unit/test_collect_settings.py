"""The settings of a collection: what is rejected before any request, and what options mean."""

from __future__ import annotations

import os
from datetime import date

import pytest

from asyncload.errors import UsageError
from asyncload.settings.collect import CollectSettings, collect_settings
from asyncload.source.web.requests import Asking
from asyncload.source.web.tokens import TokenReference, check_token, parse_reference, read_local

LIBRARY = {"name": "Library", "base_url": "https://api.example.org/v2", "items": "books"}
PAGED = LIBRARY | {"paging": {"style": "page", "limit": 500}}
QUERY = {"spec": "Books", "path": "books"}


def settings_of(**options) -> CollectSettings:
    return collect_settings({"bucket": "lake"} | options)


def first_requests(settings):
    """The targets and paths of the first requests on 2022-05-02."""
    asking = Asking(settings.api, date(2022, 5, 2), settings.max_results)
    since = date(2022, 5, 1)
    return [
        (request.target, request.path)
        for query in settings.queries
        for request in asking.begin(query, since)
    ]


def test_tmdb_is_the_default_source():
    """With its rate, its token and its name in keys."""
    settings = settings_of(title=["Matrix"])
    assert (settings.api.name, settings.api.rate) == ("TMDB", 40)
    assert settings.token == TokenReference("env", "TMDB_TOKEN")
    assert (settings.target.origin, settings.target.format) == ("TMDB", "JSON")
    assert settings.target.success_marker
    assert settings.target.skip_existing


def test_the_key_of_a_query_never_changes():
    """Other keys would make an upgrade request everything again."""
    settings = settings_of(title=["The Matrix"], language="pt-BR", genre=["28"])
    assert first_requests(settings) == [
        (
            "search/movie?query=The%20Matrix&language=pt-BR&page=1",
            "MoviesByTitle/7c8b45b6df04a4b3-p0001.json",
        ),
        (
            "discover/movie?with_genres=28&language=pt-BR&page=1",
            "MoviesByGenre/590c0265617170b9-p0001.json",
        ),
    ]


def test_options_may_be_written_with_underscores_or_dashes():
    """And as a person would write their values."""
    settings = settings_of(
        title="Matrix",
        **{"max-requests": "7", "max_results": 9, "max-answer": "1MiB", "rate": "2.5"},
        kind="movie, tv",
        deadline="14m",
    )
    assert (settings.max_requests, settings.max_results) == (7, 9)
    assert (settings.max_answer, settings.api.rate) == (1024 * 1024, 2.5)
    assert settings.target.deadline == 14 * 60
    assert [query.spec for query in settings.queries] == ["MoviesByTitle", "SeriesByTitle"]


def test_answers_at_once_fit_the_memory():
    """Each one twice."""
    settings = settings_of(title="a", memory="64MiB", max_answer="8MiB")
    assert settings.answers_at_once == 4
    assert settings_of(title="a", memory="64MiB", concurrency=3).answers_at_once == 3
    with pytest.raises(UsageError, match="do not fit --memory 16MiB"):
        settings_of(title="a", memory="16MiB", max_answer="9MiB")


def test_tmdb_may_be_described_in_part():
    """The rest is as it ships."""
    described = {"name": "tmdb", "rate": 3, "token": "file:/run/token"}
    settings = settings_of(source=described, query=[{"spec": "Films", "path": "movie/popular"}])
    assert (settings.api.name, settings.api.rate) == ("TMDB", 3)
    assert settings.token == TokenReference("file", "/run/token")
    assert settings.api.paging.limit == 500


WRONG = [
    ({"source": "imdb"}, "source: 'imdb' is not a known source"),
    ({"source": {"name": "imdb"}}, "base_url is missing, and 'imdb' is not a known source"),
    ({"source": {}}, "[source]: name is missing"),
    ({"source": 7}, "[source] must be a table"),
    ({"source": LIBRARY | {"key": "a"}}, "[source]: unknown field 'key'"),
    ({"source": LIBRARY | {"name": "a/b"}}, "must be one segment of a key"),
    ({"source": LIBRARY | {"name": ".."}}, "can't be part of an object key"),
    ({"source": LIBRARY | {"token": "abc"}}, "--token: the value does not have the form"),
    ({"source": LIBRARY | {"header": "a b"}}, "is not the name of a header"),
    ({"source": LIBRARY | {"scheme": "Bearer"}}, "scheme must contain {token} once"),
    ({"source": LIBRARY | {"scheme": "{token}\n"}}, "scheme must contain {token} once"),
    ({"source": LIBRARY | {"rate": 0}}, "[source]: rate: 0 is not a number of requests"),
    ({"source": LIBRARY | {"base_url": " "}}, "base_url must be a string"),
    (
        {"source": LIBRARY | {"base_url": "http://api.example.org"}, "query": [QUERY]},
        "is plain HTTP",
    ),
    ({"source": LIBRARY | {"base_url": "ftp://a"}, "query": [QUERY]}, "is not a valid endpoint"),
    (
        {"source": LIBRARY | {"base_url": "https://u:p@a"}, "query": [QUERY]},
        "must not contain a user name",
    ),
    ({"source": LIBRARY | {"paging": 3}}, "[source.paging] must be a table"),
    ({"source": LIBRARY | {"paging": {"style": "x"}}}, "'x' is not a known style"),
    ({"source": LIBRARY | {"paging": {"style": "cursor"}}}, "next is missing"),
    ({"source": LIBRARY | {"paging": {"style": "page", "size": 5}}}, "size and size_param"),
    ({"source": LIBRARY | {"paging": {"style": "page", "limit": 0}}}, "whole number from 1"),
    ({"source": LIBRARY, "query": QUERY}, "query must be an array of tables"),
    ({"source": LIBRARY, "query": [3]}, "query 1 must be a table"),
    ({"source": LIBRARY, "query": [QUERY | {"genre": 1}]}, "query 1: unknown field 'genre'"),
    ({"source": LIBRARY, "query": [{"path": "books"}]}, "query 1: spec is missing"),
    ({"source": LIBRARY, "query": [QUERY | {"spec": "a/b"}]}, "must be one segment of a key"),
    ({"source": LIBRARY, "query": [QUERY | {"spec": "a\x00"}]}, "can't be part of an object key"),
    ({"source": LIBRARY, "query": [QUERY | {"path": "../a"}]}, "is not a path below"),
    ({"source": LIBRARY, "query": [QUERY | {"path": "/books"}]}, "is not a path below"),
    ({"source": LIBRARY, "query": [QUERY | {"path": "books?a=1"}]}, "is not a path below"),
    ({"source": LIBRARY, "query": [QUERY | {"path": "https://b/c"}]}, "is not a path below"),
    ({"source": LIBRARY, "query": [QUERY | {"path": "books/{id}"}]}, "unknown placeholder {id}"),
    ({"source": LIBRARY, "query": [QUERY | {"params": {"a": "{id}"}}]}, "unknown placeholder"),
    ({"source": LIBRARY, "query": [QUERY | {"path": "books/{"}]}, "query 1 (Books): books/{"),
    ({"source": LIBRARY, "query": [QUERY | {"path": "books/{0}"}]}, "{0} is not the name of"),
    ({"source": LIBRARY, "query": [QUERY | {"path": "b/{date!r}"}]}, "is not the name of a field"),
    ({"source": LIBRARY, "query": [QUERY | {"params": 3}]}, "params must be a table"),
    ({"source": LIBRARY, "query": [QUERY | {"params": {"a": []}}]}, "params: a must be a string"),
    ({"source": LIBRARY, "query": [QUERY | {"pages": 0}]}, "pages must be a whole number from 1"),
    ({"source": LIBRARY, "query": [QUERY | {"pages": True}]}, "pages must be a whole number"),
    ({"source": LIBRARY, "query": [QUERY | {"paged": 1}]}, "paged must be true or false"),
    ({"source": LIBRARY, "query": [QUERY | {"detail": "a"}]}, "detail must be an array"),
    ({"source": LIBRARY, "query": [QUERY | {"detail": [3]}]}, "query 1, detail 1 must be a table"),
    ({"source": LIBRARY, "query": [QUERY | {"only": {"a": "b", "c": "d"}}]}, "with one field"),
    ({"source": LIBRARY, "query": [QUERY | {"only": {"a": 3}}]}, "only: a must be a string"),
    ({"source": PAGED, "query": [QUERY | {"pages": 501}]}, "pages: 501 is over 500"),
    ({"source": LIBRARY, "query": [QUERY, QUERY]}, "query 1 (Books) and query 2 (Books) have the"),
    (
        {
            "source": LIBRARY,
            "query": [QUERY | {"detail": ["books/{id}/part", "books/part/{id}"]}],
        },
        "have the same key: books/part/{id}",
    ),
    ({"source": LIBRARY}, "there is no query for Library"),
    ({"source": LIBRARY, "query": [QUERY], "title": "a"}, "--title is only for tmdb"),
    ({}, "nothing to collect: no query is given"),
    ({"title": "a", "kind": "film"}, "--kind: 'film' is not a known kind"),
    ({"character": "a"}, "--character needs --actor, --title or --genre"),
    ({"genre": "28,12|16"}, "mixes ',' (all of them) and '|' (any of them)"),
    ({"genre": ","}, "--genre: no genre is given"),
    ({"title": ["a", "a"]}, "have the same key: search/movie"),
    ({"title": "a", "api_url": "http://10.0.0.1/3"}, "--api-url: 'http://10.0.0.1/3' is plain"),
    ({"title": "a", "token": "eyJhbGci"}, "--token: the value does not have the form"),
    ({"title": "a", "token": "env:"}, "--token: the value does not have the form"),
    ({"title": "a", "rate": 0}, "--rate: 0 is not between 0 and 1,000"),
    ({"title": "a", "rate": "fast"}, "--rate: 'fast' (str) is not a number"),
    ({"title": "a", "rate": True}, "--rate: True (bool) is not a number"),
    ({"title": "a", "max_requests": 0}, "--max-requests: 0 is too small"),
    ({"title": "a", "max_results": "x"}, "--max-results: 'x' (str) is not a whole number"),
    ({"title": "a", "max_answer": 0}, "--max-answer: 0 bytes do not fit"),
    ({"title": "a", "date": "mtime"}, "--date mtime can't be used with collect"),
    ({"title": "a", "include": "*.csv"}, "'include' is not an option of collect"),
    ({"title": "a", "year": 1999}, "'year' is not an option of collect"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_options_are_rejected_before_any_request(options, message):
    """With the subject, and no value of a token."""
    with pytest.raises(UsageError) as caught:
        settings_of(**options)
    assert message in caught.value.message
    assert "eyJhbGci" not in caught.value.message + caught.value.hint


def test_two_queries_may_share_their_details():
    """They are requested once."""
    detail = ["books/{id}/reviews"]
    queries = [
        QUERY | {"detail": detail, "params": {"genre": genre, "new": True}}
        for genre in ("novel", "poem")
    ]
    assert len(settings_of(source=LIBRARY, query=queries).queries) == 2


@pytest.mark.parametrize("place", ["env:A", "file:a", "ssm:/tmdb/token", "secretsmanager:arn:a"])
def test_a_token_is_named_by_its_place(place):
    """The reference is what the manifest has."""
    assert str(parse_reference(place)) == place


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "the token in env:T is empty"),
        (" ", "the token in env:T is empty"),
        ("secret\n", "the token in env:T ends in a newline"),
        ("Bearer secret", "contains a space or another character"),
        ("sécret", "contains a space or another character"),
    ],
)
def test_a_malformed_token_is_rejected(token, message):
    """The message does not repeat it."""
    with pytest.raises(UsageError, match=message) as caught:
        check_token(token, TokenReference("env", "T"))
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_token_is_read_from_the_environment_or_a_file(tmp_path):
    """As it is."""
    file = tmp_path / "token"
    file.write_text("secret")
    assert read_local(TokenReference("env", "T"), {"T": "secret"}) == "secret"
    assert read_local(TokenReference("file", str(file)), {}) == "secret"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read: No such file or directory"),
        (b"secret\n", "ends in a newline"),
        (b"x" * 70_000, "is too large for a token"),
        (b"\xff\xfe", "contains a space or another character"),
    ],
)
def test_a_file_without_a_usable_token(tmp_path, content, message):
    """The message names the file."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_local(TokenReference("file", os.fspath(file)), {})
    assert str(file) in caught.value.message
