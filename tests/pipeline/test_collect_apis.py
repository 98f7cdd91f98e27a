"""Collecting from APIs that a settings file describes: every style of paging, queries, limits."""

from __future__ import annotations

import json

import pytest

from asyncload.model import reserved
from tests.support.collecting import answers, collect_from
from tests.support.memory_store import MemoryStore
from tests.support.tmdb import Asked, Double, Sent, json_of, ok, serving

BOOKS = [{"isbn": f"b{number}", "role": "novel" if number % 2 else "poem"} for number in range(25)]


def library(double):
    """Answer `books` in pages of ten, in every style."""

    def answer(asked: Asked) -> Sent:
        params = asked.params
        if "/reviews/" in asked.path:
            return ok({"of": asked.path.rpartition("/")[2]})
        begin = int(params.get("skip", (int(params.get("page", "1")) - 1) * 10))
        if "after" in params:
            begin = int(params["after"].removeprefix("t"))
        books = BOOKS[begin : begin + 10]
        end = begin + 10 >= len(BOOKS)
        document = {"books": books, "meta": {"count": len(BOOKS), "pages": 3}}
        document["next"] = None if end else f"t{begin + 10}"
        document["next_url"] = None if end else f"/3/books?after=t{begin + 10}"
        link = () if end else (("Link", f'<{double.url}/books?after=t{begin + 10}>; rel="next"'),)
        return Sent(200, json_of(document), link)

    return answer


@pytest.fixture
def api():
    """A double of a library's API; it wants no token."""
    with serving() as double:
        double.faults.append(library(double))
        yield double


def source(api, **paging):
    described = {"name": "Library", "base_url": api.url, "items": "books"}
    return described | ({"paging": paging} if paging else {})


QUERY = {"spec": "books", "path": "books"}


def pages_of(store):
    """The ISBNs in the answers, in order of their keys."""
    found = answers(store)
    return [b["isbn"] for key in sorted(found) for b in json.loads(found[key]).get("books", [])]


STYLES = {
    "page": {"style": "page", "total": "meta.pages"},
    "page until one is empty": {"style": "page"},
    "offset": {
        "style": "offset",
        "param": "skip",
        "size_param": "limit",
        "size": 10,
        "total": "meta.count",
    },
    "offset until one is empty": {"style": "offset", "param": "skip"},
    "cursor": {"style": "cursor", "param": "after", "next": "next"},
    "cursor with addresses": {"style": "cursor", "next": "next_url"},
    "link": {"style": "link"},
}


@pytest.mark.parametrize("style", STYLES)
async def test_all_results_are_collected(api, style):
    """In any style of paging, and the dataset's name begins with a capital."""
    store = MemoryStore()
    options = {"source": source(api, **STYLES[style]), "query": [QUERY]}
    report = await collect_from(api, store, **options)
    assert report.exit_code == 0
    assert pages_of(store) == [book["isbn"] for book in BOOKS]
    assert all(key.startswith("Raw/Library/JSON/Books/2022/05/02/") for key in answers(store))
    assert not any("Authorization" in asked.headers for asked in api.asked)


@pytest.mark.parametrize("style", STYLES)
async def test_an_interrupted_collection_is_resumed_from_the_stored_answers(api, style):
    """The next page follows from the last one that is stored, in any style."""
    store = MemoryStore()
    options = {"source": source(api, **STYLES[style]), "query": [QUERY]}
    await collect_from(api, store, **options)
    asked = len(api.asked)
    second = sorted(answers(store))[1]
    del store.objects[second]
    await collect_from(api, store, **options)
    assert len(api.asked) == asked + 1
    assert pages_of(store) == [book["isbn"] for book in BOOKS]


async def test_a_link_is_stored_with_its_answer(api):
    """It is needed to resume, and is in no other place."""
    store = MemoryStore()
    options = {"source": source(api, style="link"), "query": [QUERY]}
    await collect_from(api, store, **options)
    links = [store.infos[key].metadata.get(reserved.SOURCE_NEXT) for key in sorted(answers(store))]
    assert links == [f"{api.url}/books?after=t10", f"{api.url}/books?after=t20", None]


async def test_a_lost_link_is_a_failure(api):
    """A store that keeps no metadata must not make a part of the pages look complete."""
    store = MemoryStore()
    options = {"source": source(api, style="link"), "query": [QUERY]}
    await collect_from(api, store, **options)
    store.infos.clear()
    report = await collect_from(api, store, **options)
    assert report.exit_code == 3
    assert "no metadata about its answer" in report.failures[0].error.message


async def test_metadata_stays_within_the_limit_of_s3(api):
    """The link is kept before the answer's own address."""
    store = MemoryStore()
    long = "x" * 700
    link = (("Link", f'</3/books?after=t10&x={long}>; rel="next"'), ("ETag", f'"{long}"'))
    api.faults.insert(
        0,
        lambda asked: (
            None if asked.params.get("after") else Sent(200, json_of({"books": BOOKS[:10]}), link)
        ),
    )
    query = QUERY | {"params": {"y": long}}
    await collect_from(api, store, source=source(api, style="link"), query=[query])
    metadata = store.infos[min(answers(store))].metadata
    assert reserved.SOURCE_NEXT in metadata
    assert reserved.SOURCE_URL not in metadata
    assert reserved.SOURCE_ETAG not in metadata
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= 2048 - 768


async def test_an_api_without_pages(api):
    """Each query has one answer."""
    store = MemoryStore()
    await collect_from(api, store, source=source(api), query=[QUERY])
    assert len(answers(store)) == 1


async def test_details_of_chosen_results(api):
    """Of the ones that contain a text; their paths are filled with fields of the result."""
    store = MemoryStore()
    query = QUERY | {"detail": ["reviews/{isbn}"], "only": {"role": "POEM"}, "pages": 1}
    await collect_from(api, store, source=source(api, style="page"), query=[query])
    details = sorted(key.rpartition("/")[2] for key in answers(store) if "reviews" in key)
    assert details == [f"reviews-b{number}.json" for number in (0, 2, 4, 6, 8)]


async def test_details_with_parameters_and_details_of_their_own(api):
    """Parameters are part of the key, so that two languages don't mix."""
    store = MemoryStore()
    detail = {"path": "reviews/{isbn}", "params": {"language": "pt-BR"}}
    query = QUERY | {"detail": [detail], "pages": 1}
    await collect_from(api, store, source=source(api, style="page"), query=[query])
    (first,) = (key for key in answers(store) if "reviews-b0-" in key)
    assert len(first.rpartition("-")[2]) == len("0123abcd.json")
    assert "/3/reviews/b0?language=pt-BR" in api.paths


async def test_a_path_with_characters_that_an_address_can_not_have(api):
    """They are encoded; what is encoded already stays as it is."""
    query = {"spec": "Books", "path": "my books/é%2F1"}
    await collect_from(api, MemoryStore(), source=source(api), query=[query])
    assert [asked.path for asked in api.asked] == ["/3/my%20books/%C3%A9%2F1"]


async def test_a_detail_of_a_detail_may_name_fields_of_both_results(api):
    """Fields of the same name don't mix, and a missing one is not taken from the result before."""
    seasons = {"seasons": [{"id": 70, "number": 1}, {"id": 71, "number": 2}, {"number": 3}]}
    api.faults.insert(0, lambda asked: ok(seasons) if asked.path.endswith("/reviews/b0") else None)
    season = {"path": "reviews/{parent.isbn}/{number}/{id}"}
    detail = {"path": "reviews/{isbn}", "items": "seasons", "detail": [season]}
    query = QUERY | {"detail": [detail], "only": {"isbn": "b0"}, "pages": 1}
    store = MemoryStore()
    report = await collect_from(api, store, source=source(api, style="page"), query=[query])
    found = sorted(key.rpartition("/")[2] for key in answers(store))
    assert found[1:] == ["reviews-b0-1-70.json", "reviews-b0-2-71.json", "reviews-b0.json"]
    assert "1 of 3 results of reviews/b0 have no usable field id" in (
        report.failures[0].error.message
    )


async def test_a_result_without_the_field_of_its_detail_is_a_failure(api):
    """The other results get their details."""
    store = MemoryStore()
    query = QUERY | {"detail": ["reviews/{year}"], "pages": 1}
    report = await collect_from(api, store, source=source(api, style="page"), query=[query])
    assert report.exit_code == 3
    assert report.counts == {"uploaded": 1, "failed": 1}
    message = "10 of 10 results of books have no usable field year; the first is result 1"
    assert message in report.failures[0].error.message
    assert (report.files, report.not_reached) == (2, 0)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"paging": {"style": "page", "total": "meta.sum"}}, "no number of pages in its field"),
        ({"paging": {"style": "cursor", "next": "meta"}}, "neither a string nor a number"),
    ],
)
async def test_an_answer_of_another_form_is_a_failure(api, described, message):
    """It is stored, and the failure says which field is missing."""
    store = MemoryStore()
    options = {"source": source(api, style="page") | described, "query": [QUERY]}
    for _ in range(2):
        # Also when it is read from the bucket by the next run.
        report = await collect_from(api, store, **options)
        assert report.exit_code == 3
        assert message in report.failures[0].error.message
        assert not any(key.endswith("_SUCCESS") for key in store.objects)
        assert (report.files, report.not_reached) == (2, 0)


@pytest.mark.parametrize("items", ["films", "books.list"])
@pytest.mark.parametrize("pages", [{"style": "page"}, {}])
async def test_an_answer_without_its_results_is_not_stored(api, items, pages):
    """It may be an error with status 200: the next run requests it again."""
    store = MemoryStore()
    described = source(api, **pages)
    options = {"source": described | {"items": items}, "query": [QUERY]}
    for _ in range(2):
        report = await collect_from(api, store, **options)
        assert (report.exit_code, report.counts) == (3, {"failed": 1})
        assert f"no list of results in its field '{items}'" in report.failures[0].error.message
        assert answers(store) == {}
        assert not any(key.endswith("_SUCCESS") for key in store.objects)
    report = await collect_from(api, store, **options | {"source": described})
    assert report.exit_code == 0


async def test_a_stored_answer_that_is_damaged_is_a_failure(api):
    """Another program has replaced it; `--refresh` requests it again."""
    store = MemoryStore()
    options = {"source": source(api, style="page"), "query": [QUERY]}
    await collect_from(api, store, **options)
    first = min(answers(store))
    store.objects[first] = b"<html>"
    report = await collect_from(api, store, **options)
    assert report.exit_code == 3
    assert "not valid JSON" in report.failures[0].error.message
    report = await collect_from(api, store, refresh=True, **options)
    assert report.exit_code == 0


async def test_a_link_to_another_host_is_not_followed(api):
    """The token must not be sent there."""
    store = MemoryStore()
    link = (("Link", '<http://127.0.0.2:1/books?after=t10>; rel="next"'),)
    api.faults.insert(0, lambda asked: Sent(200, json_of({"books": BOOKS[:3]}), link))
    options = {"source": source(api, style="link"), "query": [QUERY]}
    report = await collect_from(api, store, **options)
    assert report.exit_code == 3
    assert "a link to the next page leads to another host" in report.failures[0].error.message


async def test_a_link_that_is_too_long_to_be_stored_is_a_failure(api):
    """Without it the next run could not resume."""
    store = MemoryStore()
    link = (("Link", f'</3/books?after={"x" * 2000}>; rel="next"'),)
    api.faults.insert(0, lambda asked: Sent(200, json_of({"books": BOOKS[:3]}), link))
    options = {"source": source(api, style="link"), "query": [QUERY]}
    report = await collect_from(api, store, **options)
    assert "more than the 800 that can be stored" in report.failures[0].error.message
    assert answers(store) == {}


@pytest.mark.parametrize("link", ["?after=t10", "books?after=t10", "/3/books?after=t10"])
async def test_a_relative_link_is_resolved(api, link):
    """Against the address of its answer."""
    store = MemoryStore()
    header = (("Link", f"<{link}>; rel=next"),)
    first = Sent(200, json_of({"books": BOOKS[:10]}), header)
    api.faults.insert(0, lambda asked: None if asked.params else first)
    await collect_from(api, store, source=source(api, style="link"), query=[QUERY])
    assert pages_of(store) == [book["isbn"] for book in BOOKS]


@pytest.mark.parametrize("header", ["Link", "Location"])
async def test_an_invalid_address_is_a_failure(api, header):
    """Of a redirect, or of the next page."""
    value = "<http://[::1>; rel=next" if header == "Link" else "http://[::1"
    sent = Sent(302 if header == "Location" else 200, json_of({"books": []}), ((header, value),))
    api.faults.insert(0, lambda asked: sent)
    options = {"source": source(api, style="link"), "query": [QUERY]}
    report = await collect_from(api, MemoryStore(), **options)
    assert "gave an invalid address" in report.failures[0].error.message


async def test_headers_and_values_that_are_not_unicode(api):
    """They are replaced, or taken as missing; nothing breaks."""
    store = MemoryStore()
    body = b'{"books": [{"isbn": "\\ud800"}, {"isbn": "b1"}]}'
    headers = (("ETag", '"\xe9\xff"'), ("Link", "</3/b\xe9 c>; rel=next"))
    last = {"books": []}
    api.faults[:] = [
        lambda asked: Sent(200, body, headers) if asked.path.endswith("/books") else ok(last)
    ]
    query = QUERY | {"detail": ["reviews/{isbn}"]}
    report = await collect_from(api, store, source=source(api, style="link"), query=[query])
    assert report.counts == {"uploaded": 3, "failed": 1}
    assert "1 of 2 results of books have no usable field isbn" in report.failures[0].error.message
    assert "/3/b%E9%20c" in [asked.path for asked in api.asked]


async def test_a_token_in_another_header(api):
    """In the form that the description says."""
    described = source(api) | {
        "token": "env:LIBRARY_TOKEN",
        "header": "X-Key",
        "scheme": "Key={token}",
    }
    await collect_from(
        api,
        MemoryStore(),
        source=described,
        query=[QUERY],
        environment={"LIBRARY_TOKEN": "opensesame"},
    )
    assert api.asked[0].headers["X-Key"] == "Key=opensesame"


async def test_queries_of_a_file_may_be_for_tmdb(api):
    """With placeholders for dates; a query that can be divided by date is."""
    api.faults.clear()
    double: Double = api
    double.per_page = 1
    double.add_films(600)
    queries = [
        {"spec": "Films", "path": "discover/movie", "params": {"with_genres": 28}},
        {"spec": "Changes", "path": "movie/changes", "params": {"start_date": "{since}"}},
    ]
    store = MemoryStore()
    report = await collect_from(double, store, source={"name": "tmdb"}, query=queries)
    assert report.exit_code == 0
    assert report.warnings == []
    assert "/3/movie/changes?page=1&start_date=2022-05-01" in double.paths
    assert max(int(asked.params["page"]) for asked in double.asked) <= 500


async def test_a_name_that_gives_no_key_is_a_failure(api):
    """The path of a detail may come from anywhere."""
    store = MemoryStore()
    api.faults.insert(
        0,
        lambda asked: (
            ok({"books": [{"isbn": "a\x07b"}, {"isbn": ".."}, {"isbn": "a/b"}]})
            if asked.path.endswith("/books")
            else None
        ),
    )
    query = QUERY | {"detail": ["reviews/{isbn}"], "pages": 1}
    report = await collect_from(api, store, source=source(api, style="page"), query=[query])
    assert report.counts == {"uploaded": 2, "failed": 2}
    assert any(key.endswith("/reviews-a%2Fb.json") for key in answers(store))
    assert "/3/reviews/a%2Fb" in {asked.path for asked in api.asked}
