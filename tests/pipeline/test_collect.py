"""Collecting from a double of TMDB: what is requested, what is stored, and what ends a run."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter

import pytest

from asyncload.errors import (
    ApiUnavailable,
    DeadlineReached,
    RequestLimitReached,
    TokenRejected,
    UnknownName,
    UsageError,
)
from asyncload.model import reserved
from asyncload.model.values import ObjectKey
from tests.support.collecting import PREFIX, answers, collect_from, markers
from tests.support.loads import Recorder
from tests.support.memory_store import MemoryStore
from tests.support.tmdb import TOKEN, Asked, Double, Sent, always, json_of, once, refusal, serving


@pytest.fixture
def double():
    """A double with 95 films, of which Tom Hanks plays in two, and one series."""
    known = Double(people=[{"id": 31, "name": "Tom Hanks"}, {"id": 32, "name": "Tom Hanksen"}])
    known.add_films(95)
    known.add_films(1, "tv", title="Film of a series")
    known.films["movie"][4]["genre_ids"] = [28, 12]
    known.cast = {
        ("movie", 3): [{"id": 31, "name": "Tom Hanks", "character": "Woody (voice)"}],
        ("movie", 7): [{"id": 31, "name": "Tom Hanks", "character": "Forrest"}],
        ("tv", 1): [{"id": 31, "name": "Tom Hanks", "character": "Wóody"}],
    }
    with serving(known) as served:
        yield served


@pytest.fixture
def store():
    """An empty bucket."""
    return MemoryStore()


def names(store, spec):
    """The names of a dataset's answers, in order; hashes of queries read `_`."""
    found = [
        key.removeprefix(f"{PREFIX}/{spec}/2022/05/02/")
        for key in answers(store)
        if f"/{spec}/" in key
    ]
    return sorted(re.sub(r"^[0-9a-f]{16}(?=[-.])", "_", name) for name in found)


async def test_a_title_is_searched_page_by_page(double, store):
    """Each page is stored, byte for byte as the double sent it."""
    report = await collect_from(double, store, title=["film"])
    assert report.exit_code == 0
    assert names(store, "MoviesByTitle") == [f"_-p{page:04}.json" for page in range(1, 6)]
    assert sorted(answers(store).values()) == sorted(double.served.values())
    assert markers(store) == {"MoviesByTitle"}
    assert (report.files, report.landed, report.api_requests) == (5, 5, 5)


async def test_compressed_answers_are_stored_decoded(double, store):
    """The content encoding is undone, and nothing else."""
    double.compressed = True
    await collect_from(double, store, title=["film"])
    assert sorted(answers(store).values()) == sorted(double.served.values())
    assert all(asked.headers["Accept-Encoding"] == "gzip" for asked in double.asked)


@pytest.mark.fault("W8")
async def test_details_are_requested_once_for_each_result(double, store):
    """Also for a result that is on two pages."""
    double.films["movie"].insert(25, double.films["movie"][3])
    report = await collect_from(double, store, title=["film"], detail=["{kind}/{id}/credits"])
    details = [name for name in names(store, "MoviesByTitle") if name.startswith("movie-credits-")]
    assert details == sorted(f"movie-credits-{number}.json" for number in range(1, 96))
    assert max(double.paths.values()) == 1
    assert report.files == report.landed == 5 + 95


async def test_a_genre_is_given_by_name(double, store):
    """Its number is looked up; several names may mean all or any of them."""
    await collect_from(double, store, genre=["action,ADVENTURE"])
    assert "/3/discover/movie?page=1&with_genres=28,12" in double.paths
    assert names(store, "MoviesByGenre") == ["_-p0001.json", "_.json"]
    await collect_from(double, store, genre=["28|12"])
    assert "/3/discover/movie?page=5&with_genres=28|12" in double.paths


async def test_an_actor_is_searched_and_then_the_films(double, store):
    """A person of a longer name is another one."""
    await collect_from(double, store, actor=["tom hanks"])
    discovered = [path for path in double.paths if "discover" in path]
    assert discovered == ["/3/discover/movie?page=1&with_cast=31"]
    pages = [json.loads(body) for body in answers(store).values()]
    assert {3, 7} in [{film["id"] for film in page["results"]} for page in pages]


async def test_an_actor_of_series_is_found_in_the_credits(double, store):
    """TMDB can't search series by their cast."""
    await collect_from(double, store, actor=["31"], kind="tv")
    assert [*double.paths] == ["/3/person/31/tv_credits?"]
    assert (
        names(store, "SeriesByActor") == ["person-tv_credits-31.json"]
        or len(names(store, "SeriesByActor")) == 1
    )


async def test_a_character_is_found_in_the_credits(double, store):
    """Of films and series, without case and accents."""
    await collect_from(double, store, actor=["Tom Hanks"], character=["woody"])
    assert {"movie-3.json", "tv-1.json"} <= {*names(store, "Characters")}
    assert "movie-7.json" not in names(store, "Characters")


@pytest.mark.parametrize(
    ("kind", "path"), [("movie", "movie/3/credits"), ("tv", "tv/1/aggregate_credits")]
)
async def test_the_actors_of_a_character_are_found_by_title(double, store, kind, path):
    """Its credits are searched for the character, and the actors are stored."""
    await collect_from(double, store, title=["film"], character=["wOODY"], kind=kind)
    assert f"/3/{path}?" in double.paths
    spec = "MoviesByTitle" if kind == "movie" else "SeriesByTitle"
    assert [name for name in names(store, spec) if name.startswith("person-")] == ["person-31.json"]


async def test_changes_begin_at_the_last_complete_collection(double, store):
    """The newest `_SUCCESS` before the date is the start; each changed film is requested."""
    double.changed["movie"] = [5, 6]
    store.objects[ObjectKey(f"{PREFIX}/MovieChanges/2022/04/28/_SUCCESS")] = b""
    store.objects[ObjectKey(f"{PREFIX}/MovieChanges/2022/04/20/_SUCCESS")] = b""
    await collect_from(double, store, changes=True)
    assert "/3/movie/changes?end_date=2022-05-02&page=1&start_date=2022-04-28" in double.paths
    assert names(store, "MovieChanges")[-2:] == ["movie-5.json", "movie-6.json"]


async def test_first_changes_are_those_of_a_day(double, store):
    """As TMDB's default is."""
    await collect_from(double, store, changes=True)
    (path,) = double.paths
    assert "start_date=2022-05-01" in path


async def test_changes_of_many_days_are_requested_in_windows(double, store):
    """TMDB answers at most 14 days at once."""
    store.objects[ObjectKey(f"{PREFIX}/MovieChanges/2022/04/07/_SUCCESS")] = b""
    await collect_from(double, store, changes=True)
    windows = sorted(
        (asked.params["start_date"], asked.params["end_date"]) for asked in double.asked
    )
    assert windows == [("2022-04-07", "2022-04-21"), ("2022-04-21", "2022-05-02")]


@pytest.mark.fault("W10")
async def test_a_query_with_too_many_pages_is_divided_by_date(double, store):
    """Each film is in the answers, and no page over the limit is requested."""
    double.page_limit = 500
    double.per_page = 1
    double.films["movie"] = []
    double.add_films(700)
    report = await collect_from(double, store, genre=["28"])
    found = {film["id"] for body in answers(store).values() for film in json.loads(body)["results"]}
    assert found == {*range(1, 701)}
    assert report.exit_code == 0
    assert max(int(asked.params["page"]) for asked in double.asked) <= 500
    assert report.warnings == []


@pytest.mark.fault("W10")
async def test_a_search_with_too_many_pages_is_cut_with_a_warning(double, store):
    """A search can't be restricted by date."""
    double.per_page = 1
    double.films["movie"] = []
    double.add_films(510)
    report = await collect_from(double, store, title=["film"])
    assert len(answers(store)) == 500
    (warned,) = report.warnings
    assert "has 510 pages, but the API serves only 500" in warned.message


async def test_a_second_run_requests_nothing(double, store):
    """Answers that are there are read for the pages and details that follow from them."""
    options = {"title": ["film"], "detail": ["{kind}/{id}/credits"]}
    await collect_from(double, store, **options)
    before, asked = dict(store.objects), len(double.asked)
    recorder = Recorder()
    report = await collect_from(double, store, recorder, **options)
    assert len(double.asked) == asked
    assert store.objects == before
    assert (report.counts, report.exit_code) == ({"present": 100}, 0)


async def test_only_missing_answers_are_requested(double, store):
    """And the marker is there only once all are."""
    await collect_from(double, store, title=["film"])
    keys = sorted(answers(store))
    del store.objects[keys[2]]
    report = await collect_from(double, store, title=["film"])
    assert len(double.asked) == 6
    assert report.counts == {"present": 4, "uploaded": 1}


async def test_refresh_replaces_what_changed(double, store):
    """All is requested again; the same bytes are left as they are."""
    await collect_from(double, store, title=["film"])
    double.films["movie"][0]["title"] = "Film with another title"
    report = await collect_from(double, store, title=["film"], refresh=True)
    assert report.counts == {"uploaded": 1, "unchanged": 4}
    assert report.replaced == 1
    assert b"another title" in b"".join(answers(store).values())


@pytest.mark.fault("W9")
async def test_an_answer_that_another_run_has_just_stored_counts(double, store):
    """Two runs at once do no harm: the first one's answer stays."""

    class Late(MemoryStore):
        async def list_objects(self, *arguments, **options):
            page = await super().list_objects(*arguments, **options)
            return page._replace(items=[])

    late = Late()
    await collect_from(double, late, title=["film"])
    before = dict(late.objects)
    double.films["movie"][0]["title"] = "Film of other bytes"
    report = await collect_from(double, late, title=["film"])
    assert report.exit_code == 0
    assert report.counts == {"present": 1, "unchanged": 4}
    assert late.objects == before


@pytest.mark.fault("W9")
async def test_the_stored_answer_decides_what_follows(double):
    """If another run stored it first, its results get the details, not those of our answer."""

    class Late(MemoryStore):
        async def list_objects(self, *arguments, **options):
            page = await super().list_objects(*arguments, **options)
            return page._replace(items=[])

    late = Late()
    await collect_from(double, late, title=["of a series"], kind="tv")
    double.films["tv"] = [{"id": 77, "title": "Film of a series again"}]
    report = await collect_from(
        double, late, title=["of a series"], kind="tv", detail=["{kind}/{id}"]
    )
    assert report.counts == {"present": 1, "uploaded": 1}
    assert names(late, "SeriesByTitle") == ["_-p0001.json", "tv-1.json"]


@pytest.mark.fault("W8")
async def test_pages_that_appear_meanwhile_are_requested(double, store):
    """A later answer may count more pages than the first one."""

    def growing(asked: Asked) -> None:
        if asked.params.get("page") == "4" and len(double.films["movie"]) == 95:
            double.add_films(40)

    double.faults.append(growing)
    report = await collect_from(double, store, title=["film"], concurrency=1)
    assert len(answers(store)) == 7
    assert report.exit_code == 0


@pytest.mark.fault("W8")
async def test_pages_that_vanish_meanwhile_are_empty(double, store):
    """They were asked for already, and TMDB answers with an empty page."""

    def shrinking(asked: Asked) -> None:
        if asked.params.get("page") == "3":
            del double.films["movie"][50:]

    double.faults.append(shrinking)
    report = await collect_from(double, store, title=["film"], concurrency=1)
    assert report.exit_code == 0
    assert len(answers(store)) == 5


@pytest.mark.fault("W7")
async def test_a_detail_that_is_not_there_is_no_failure(double, store):
    """It is counted; the dataset is complete."""
    double.missing.add("movie/2/credits")
    report = await collect_from(double, store, title=["film"], detail=["{kind}/{id}/credits"])
    assert report.excluded == {"not found": 1}
    assert report.exit_code == 0
    assert markers(store) == {"MoviesByTitle"}


async def test_a_query_that_is_not_there_is_a_failure(double, store):
    """Its path is wrong; the other queries are collected."""
    double.missing.add("search/movie")
    report = await collect_from(double, store, title=["film"], genre=["28"])
    assert report.exit_code == 3
    (failure,) = report.failures
    assert "HTTP 404: The resource you requested could not be found" in failure.error.message
    assert markers(store) == {"MoviesByGenre"}


@pytest.mark.fault("W6")
async def test_a_wrong_token_ends_the_run(double, store):
    """With exit code 5; nothing is stored."""
    with pytest.raises(TokenRejected, match="HTTP 401: Invalid API key") as caught:
        await collect_from(double, store, title=["film"], environment={"TMDB_TOKEN": "wrong"})
    assert caught.value.exit_code == 5
    assert len(double.asked) == 1
    assert store.objects == {}


@pytest.mark.fault("W1")
async def test_throttled_requests_are_repeated_when_the_api_says(double, store, monkeypatch):
    """No other request starts in the meantime either; a long wait is said."""
    monkeypatch.setattr("asyncload.source.web.fetching._LONG_WAIT", 1.0)
    double.faults.append(
        once("/search/movie", Sent(429, b"{}", (("Retry-After", "1"),)), Sent(429, b"{}"))
    )
    report = await collect_from(double, store, title=["film"])
    assert report.exit_code == 0
    assert (report.api_requests, report.api_retries) == (7, 2)
    assert double.asked[1].at - double.asked[0].at >= 1
    (warned,) = report.warnings
    assert warned.message.endswith(": requests wait until the API serves them again")


@pytest.mark.fault("W1")
async def test_a_storm_of_throttling_fails_nothing(double, store):
    """A throttled request does not count as failed, however often that happens."""
    left = Counter()

    def storm(asked: Asked) -> Sent | None:
        left[asked.path, asked.params.get("page")] += 1
        return Sent(429, b"{}") if left[asked.path, asked.params.get("page")] <= 9 else None

    double.faults.append(storm)
    report = await collect_from(double, store, title=["film"])
    assert report.exit_code == 0
    assert (report.api_requests, report.api_retries) == (50, 45)
    (warned,) = report.warnings
    assert warned.message == (
        "the API answered HTTP 429: requests wait until the API serves them again"
    )


@pytest.mark.fault("W2")
@pytest.mark.parametrize(
    "sent",
    [
        Sent(500, b"oops"),
        Sent(502, b"<html>"),
        Sent(200, b'{"page": 1, "res', cut=0),
        Sent(200, json_of({"results": []}), cut=5),
        Sent(200, b"\x1f\x8b garbled", (("Content-Encoding", "gzip"),)),
        Sent(200, b"[" * 100_000),
        Sent(200, b"<html>an error page</html>"),
    ],
    ids=["500", "502", "no JSON", "cut", "gzip", "deep", "HTML"],
)
async def test_an_answer_that_is_damaged_is_requested_again(double, store, sent):
    """It is not stored."""
    double.faults.append(once("/search/movie", sent))
    report = await collect_from(double, store, title=["film"])
    assert report.exit_code == 0
    assert report.api_retries == 1
    assert sorted(answers(store).values()) == sorted(double.served.values())


@pytest.mark.fault("W2")
async def test_an_answer_that_stays_damaged_is_a_failure(double, store):
    """The others are collected; the dataset has no marker."""
    double.faults.append(always("/movie/2/credits", Sent(200, b'{"id": 2')))
    report = await collect_from(double, store, title=["film"], detail=["{kind}/{id}/credits"])
    assert report.exit_code == 3
    assert report.counts == {"uploaded": 99, "failed": 1}
    assert "not valid JSON" in report.failures[0].error.message
    assert markers(store) == set()


@pytest.mark.fault("W3")
async def test_an_api_that_stays_down_gives_exit_code_6(double, store):
    """Everything else is collected and kept."""
    double.faults.append(always("/movie/2/credits", Sent(503, b"{}")))
    recorder = Recorder()
    with pytest.raises(ApiUnavailable, match="HTTP 503") as caught:
        await collect_from(
            double,
            store,
            recorder,
            title=["film"],
            genre=["12"],
            detail=["movie/{id}/credits"],
            kind="movie",
        )
    assert caught.value.exit_code == 6
    assert markers(store) == {"MoviesByGenre"}
    assert len(names(store, "MoviesByTitle")) == 99
    double.faults.clear()
    report = await collect_from(double, store, title=["film"], detail=["{kind}/{id}/credits"])
    assert report.counts == {"present": 99, "uploaded": 1}
    assert "MoviesByTitle" in markers(store)


@pytest.mark.fault("W3")
async def test_an_api_that_serves_nothing_ends_the_run_early(double, store):
    """After ten answers in a row, not after thousands."""
    double.faults.append(lambda asked: Sent(500, b"{}") if "credits" in asked.path else None)
    with pytest.raises(ApiUnavailable, match="the API serves no request: the last 10 failed"):
        await collect_from(
            double, store, title=["film"], detail=["{kind}/{id}/credits"], concurrency=1
        )
    assert len(double.asked) == 1 + 10 * 3


@pytest.mark.fault("W4")
async def test_an_answer_over_the_limit_is_a_failure(double, store):
    """Whether it says its size or not, or is small only as long as it is compressed."""
    large = b'{"results":[' + b" " * 3_000_000 + b"]}"
    for headers, body in (
        ((), large),
        ((("Content-Encoding", "gzip"),), gzip.compress(large)),
    ):
        double.faults[:] = [always("/search/movie", Sent(200, body, headers))]
        report = await collect_from(double, store, title=["film"], max_answer="1MiB")
        assert report.exit_code == 3
        assert "larger than 1 MiB" in report.failures[0].error.message
        assert answers(store) == {}


@pytest.mark.fault("W5")
async def test_a_redirect_to_another_host_is_not_followed(double, store):
    """The token stays here."""
    with serving() as other:
        target = f"{other.url}/search/movie"
        double.faults.append(always("/search/movie", Sent(301, b"", (("Location", target),))))
        report = await collect_from(double, store, title=["film"])
        assert other.asked == []
    assert "a redirect leads to another host" in report.failures[0].error.message


async def test_a_redirect_to_the_same_host_is_followed(double, store):
    """A few times."""
    to = Sent(302, b"", (("Location", "/3/search/tv?query=film&page=1"),))
    double.faults.append(once("/search/movie", to))
    report = await collect_from(double, store, title=["film"])
    assert report.exit_code == 0
    double.faults[:] = [
        always("/search/movie", Sent(302, b"", (("Location", "/3/search/movie?again"),)))
    ]
    report = await collect_from(double, store, title=["another"])
    assert "redirected the request more than 5 times" in report.failures[0].error.message


async def test_a_limit_on_requests_leaves_the_rest_to_the_next_run(double, store):
    """The exit code says so, and no dataset is marked."""
    with pytest.raises(RequestLimitReached, match="--max-requests 3") as caught:
        await collect_from(double, store, title=["film"], max_requests=3)
    assert caught.value.exit_code == 3
    assert len(double.asked) == len(answers(store)) == 3
    assert markers(store) == set()
    await collect_from(double, store, title=["film"], max_requests=3)
    assert len(answers(store)) == 5
    assert markers(store) == {"MoviesByTitle"}


async def test_a_limit_on_results_is_rounded_up_to_a_page(double, store):
    """Details are requested of exactly that many, and a warning says what is missing."""
    report = await collect_from(
        double, store, title=["film"], detail=["{kind}/{id}/credits"], max_results=25
    )
    assert len([key for key in answers(store) if "credits" in key]) == 25
    assert len(answers(store)) == 27
    assert report.exit_code == 0
    assert ["more results than --max-results 25" in w.message for w in report.warnings] == [True]


async def test_no_request_is_made_shortly_before_the_deadline(double, store, monkeypatch):
    """What was collected stays, the run fails, and the next one collects the rest."""
    calls = iter([False] * 4)

    def reached(self):
        self.stopped = next(calls, None) is not False
        return self.stopped

    monkeypatch.setattr("asyncload.aio.deadline.Deadline.reached", reached)
    with pytest.raises(DeadlineReached) as caught:
        await collect_from(double, store, title=["film"], concurrency=1, deadline="60s")
    assert caught.value.exit_code == 3
    assert len(double.asked) == len(answers(store)) == 2
    assert markers(store) == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"genre": ["Aktion"]}, "--genre: the API knows no 'Aktion'"),
        ({"actor": ["Tom Hank"]}, "--actor: the API knows no 'Tom Hank'"),
    ],
)
async def test_a_name_that_the_api_does_not_know_ends_the_run(double, store, options, message):
    """The hint says which ones it offers."""
    with pytest.raises(UnknownName) as caught:
        await collect_from(double, store, **options)
    assert caught.value.message == message
    assert "Tom Hanks" in caught.value.hint or "Adventure" in caught.value.hint
    assert caught.value.exit_code == 2


async def test_objects_say_where_they_come_from(double, store):
    """By address, status, time and ETag; the content type is the answer's."""
    await collect_from(double, store, title=["film"])
    key = min(answers(store))
    info = store.infos[key]
    assert info.content_type == "application/json;charset=utf-8"
    metadata = info.metadata
    assert metadata[reserved.SOURCE_URL].startswith(f"{double.url}/search/movie?query=film&page=")
    assert metadata[reserved.SOURCE_STATUS] == "200"
    assert metadata[reserved.SOURCE_ETAG] == 'W/"canary"'
    assert metadata[reserved.SOURCE_TIME].endswith("+00:00")
    assert reserved.SOURCE_PATH not in metadata


async def test_a_missing_token_is_reported_before_any_request(double, store):
    """Also to the store."""
    with pytest.raises(UsageError, match="the variable TMDB_TOKEN is not set"):
        await collect_from(double, store, title=["film"], environment={})
    assert double.asked == []
    assert store.calls == {}


@pytest.mark.fault("W6")
async def test_the_token_is_nowhere_but_in_the_header(double, store, caplog):
    """Not even if the API repeats it in its errors, or everything is logged."""
    caplog.set_level("DEBUG")
    said = refusal(400, 5, f"bad token {TOKEN}, or Bearer {TOKEN[:30]}")
    double.faults.append(always("/search/movie", said))
    recorder = Recorder()
    with serving() as other:
        where = f"{other.url}/{TOKEN}"
        double.faults.append(always("/discover/movie", Sent(301, b"", (("Location", where),))))
        report = await collect_from(
            double, store, recorder, title=["film"], genre=["28"], changes=True, manifest=True
        )
    assert len(report.failures) == 2
    texts = [repr(recorder.events), repr(report), caplog.text, repr(store.infos)]
    texts += [repr(store.objects), *(repr(f.error.message) for f in report.failures)]
    assert any("***" in text for text in texts)
    for text in texts:
        assert TOKEN not in text
        assert TOKEN[:30] not in text
    assert double.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert not any(TOKEN in str(asked.params) + asked.path for asked in double.asked)
