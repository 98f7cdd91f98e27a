"""Collections in an unfriendly world: damaged connections, stores that deny or damage, signals."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
import trustme

from asyncload.errors import (
    AccessDenied,
    ApiUnavailable,
    BodyDamaged,
    ServerError,
    StoreUnavailable,
)
from asyncload.model.values import ObjectKey, PlannedUpload, SourceFile
from asyncload.operations.walk import HeldAnswer
from asyncload.source.batches import CRC_ONLY
from asyncload.store.protocol import ObjectInfo
from tests.support.collecting import PREFIX, answers, collect_from, markers
from tests.support.loads import Recorder
from tests.support.memory_store import MemoryStore
from tests.support.tls import tls_for
from tests.support.tmdb import Double, Sent, always, json_of, once, serving


@pytest.fixture
def double():
    """A double of TMDB with three films."""
    films = Double()
    films.add_films(3)
    with serving(films) as served:
        yield served


@pytest.fixture
def store():
    """An empty bucket."""
    return MemoryStore()


async def test_an_api_over_tls_with_its_own_authority(store, tmp_path):
    """`--ca-bundle` adds it to those of the system."""
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    films = Double()
    films.add_films(3)
    with serving(films, tls_for(authority)) as double:
        report = await collect_from(double, store, title=["film"], ca_bundle=bundle)
        assert report.exit_code == 0
        report = await collect_from(double, store, title=["another"])
    assert "the certificate of the API is not trusted" in report.failures[0].error.message
    assert len(double.asked) == 1


async def test_an_api_that_nobody_listens_for(double, store):
    """The exit code is 6."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        double.url = f"http://127.0.0.1:{unused.getsockname()[1]}/3"
        with pytest.raises(ApiUnavailable, match="no answer from the API"):
            await collect_from(double, store, title=["film"])


async def test_an_answer_that_does_not_come_in_time(double, store, monkeypatch):
    """It is requested again."""
    monkeypatch.setattr("asyncload.source.web.fetching._TIMEOUT_SECONDS", 1.5)
    double.faults.append(once("/search/movie", Sent(200, json_of({}), seconds=10.0)))
    report = await collect_from(double, store, title=["film"])
    assert report.exit_code == 0
    assert report.api_retries > 0
    assert [*answers(store).values()] == [*double.served.values()]


async def test_an_api_that_answers_too_slowly_every_time(double, store, monkeypatch):
    """The message says so."""
    monkeypatch.setattr("asyncload.source.web.fetching._TIMEOUT_SECONDS", 0.1)
    double.faults.append(always("/search/movie", Sent(200, json_of({}), seconds=0.5)))
    with pytest.raises(ApiUnavailable, match="no answer from the API in time"):
        await collect_from(double, store, title=["film"])


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (Sent(200, b"{}", (("Content-Encoding", "br"),)), "the unknown content encoding 'br'"),
        (Sent(200, b"\x1f\x8b\x08\x00", (("Content-Encoding", "gzip"),)), "was cut off"),
        (Sent(418, b"[]"), "the API answered HTTP 418"),
        (Sent(418, b'{"error": {"code": 3}}'), "the API answered HTTP 418"),
        (Sent(418, b'{"error": "no tea"}', cut=19), "the API answered HTTP 418"),
        (Sent(418, b"x", (("Content-Encoding", "gzip"),)), "the API answered HTTP 418"),
        (Sent(418, b'{"message": "no\\n\\u001b[1mtea"}'), "HTTP 418: no \x1b[1mtea"),
        (Sent(204, b""), "the API answered HTTP 204"),
    ],
)
async def test_an_answer_that_can_not_be_used(double, store, sent, message):
    """The message has what the API says, if it has a usual form."""
    double.faults.append(always("/search/movie", sent))
    report = await collect_from(double, store, title=["film"])
    assert report.exit_code == 3
    assert message in report.failures[0].error.message


async def test_bytes_that_arrive_damaged_are_sent_again(double, store):
    """From memory; the API is not asked again."""

    class Damaging(MemoryStore):
        damaged = 0

        async def put(self, key, body, *arguments, **options):
            if "/MoviesByTitle/" in key and not key.endswith("_SUCCESS") and self.damaged < 2:
                self.damaged += 1
                raise BodyDamaged("the checksum does not match")
            return await super().put(key, body, *arguments, **options)

    report = await collect_from(double, damaging := Damaging(), title=["film"])
    assert report.exit_code == 0
    assert (len(double.asked), damaging.damaged) == (1, 2)
    assert [*answers(damaging).values()] == [*double.served.values()]


async def test_an_answer_that_is_damaged_in_memory_is_not_stored():
    """Its checksum at the time it was received says so."""
    body = bytearray(b"{}")
    held = HeldAnswer(body, 0, ObjectInfo())
    upload = PlannedUpload(SourceFile("a", 2), ObjectKey("a"))
    body[0] = 0
    read = await held.read_batch([upload], memoryview(body), CRC_ONLY)
    assert "damaged in this machine's memory" in read.items[0].error.message


async def test_a_store_that_accepts_nothing_ends_the_run(double):
    """After ten answers; those of the API stay where they are."""

    class Full(MemoryStore):
        async def put(self, key, *arguments, **options):
            if "credits" in key:
                raise ServerError("no space left", status=507)
            return await super().put(key, *arguments, **options)

    double.add_films(97)
    with pytest.raises(StoreUnavailable, match="the store accepts no file: the last 10 failed"):
        await collect_from(
            double, Full(), title=["film"], detail=["{kind}/{id}/credits"], concurrency=1
        )
    assert len(double.asked) == 1 + 10


async def test_a_store_that_drops_metadata_is_reported(double):
    """As for a load."""

    class Forgetful(MemoryStore):
        async def head(self, key):
            remote = await super().head(key)
            return remote and remote._replace(metadata={})

    store = Forgetful()
    store.foreign_endpoint = "http://127.0.0.1"
    report = await collect_from(double, store, title=["film"], metadata={"team": "films"})
    assert "the store did not keep --metadata" in report.warnings[0].message


async def test_a_run_without_permission_to_list(double):
    """Each key is looked up before its answer is requested."""

    class Unlisted(MemoryStore):
        async def list_objects(self, *arguments, **options):
            raise AccessDenied("not authorized to perform: s3:ListBucket")

    store = Unlisted()
    for counts in ({"uploaded": 1}, {"present": 1}):
        report = await collect_from(double, store, title=["film"])
        assert report.counts == counts
    assert len(double.asked) == 1


async def test_changes_without_permission_to_look_for_the_last_collection(double):
    """Those of a day are collected, with a warning."""

    class Blind(MemoryStore):
        async def head(self, key):
            if key.endswith("_SUCCESS"):
                raise AccessDenied("not authorized to perform: s3:GetObject")
            return await super().head(key)

    report = await collect_from(double, Blind(), changes=True)
    assert report.exit_code == 0
    assert "the last complete collection is unknown" in report.warnings[0].message
    assert double.asked[0].params["start_date"] == "2022-05-01"


async def test_a_partition_loses_its_marker_before_it_changes(double, store):
    """An incomplete partition never has one."""
    double.missing.add("movie/2/credits")
    options = {"title": ["film"], "detail": ["{kind}/{id}/credits"]}
    await collect_from(double, store, **options)
    assert markers(store) == {"MoviesByTitle"}
    double.missing.clear()
    double.faults.append(always("/movie/2/credits", Sent(200, b"<")))
    report = await collect_from(double, store, **options)
    assert report.exit_code == 3
    assert markers(store) == set()
    assert [unmarked.partition for unmarked in report.unmarked] == [
        f"{PREFIX}/MoviesByTitle/2022/05/02/"
    ]


async def test_a_cancelled_run_keeps_what_was_collected(double, store):
    """Its manifest says that it was cancelled."""
    recorder = Recorder()
    task = None

    def cancel(asked):
        if "movie/2" in asked.path:
            loop.call_soon_threadsafe(task.cancel)
            return Sent(200, b"{}", seconds=0.3)
        return None

    loop = asyncio.get_running_loop()
    double.faults.append(cancel)
    options = {"title": ["film"], "detail": ["{kind}/{id}/credits"], "concurrency": 1}
    task = asyncio.ensure_future(collect_from(double, store, recorder, manifest=True, **options))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(answers(store)) == 2
    (manifest,) = (
        json.loads(body) for key, body in store.objects.items() if key.startswith("_asyncload/2")
    )
    assert manifest["summary"]["error"]["message"] == "cancelled"
    assert (manifest["summary"]["command"], len(manifest["files"])) == ("collect", 2)
    double.faults.clear()
    report = await collect_from(double, store, **options)
    assert report.counts == {"present": 2, "uploaded": 2}


async def test_a_day_with_too_many_results_is_cut_with_a_warning(double, store):
    """It can't be divided any further."""
    double.per_page, double.page_limit = 1, 500
    double.films["movie"] = []
    double.add_films(505, release_date="2001-02-03")
    report = await collect_from(double, store, genre=["28"])
    assert report.exit_code == 0
    (warned,) = report.warnings
    assert "has 505 pages, but the API serves only 500" in warned.message


async def test_a_query_with_dates_of_its_own_is_not_divided(double, store):
    """The user has divided it."""
    double.per_page = 1
    double.films["movie"] = []
    double.add_films(505, release_date="2001-02-03")
    params = {"with_genres": 28, "primary_release_date.gte": "2001-01-01"}
    query = {"spec": "Films", "path": "discover/movie", "params": params}
    report = await collect_from(double, store, query=[query])
    assert len(report.warnings) == 1
    assert len(double.asked) == 500
