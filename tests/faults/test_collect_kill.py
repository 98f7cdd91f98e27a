"""Collections that are killed, at requests to the API and to the store, and run again."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from tests.faults.proxy import proxy_before
from tests.faults.test_kill import Killer
from tests.support.tmdb import TOKEN, Double, serving

FILMS = 105
# Six pages, and the credits of each film.
ANSWERS = 6 + FILMS
# Listing, probing and looking at the bucket come before the first answer.
STORE_REQUESTS = ANSWERS + 2
SAMPLE = ((1, "before"), (2, "after"), (60, "before"), (ANSWERS, "after"))


pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def double():
    """A double of TMDB with a few pages of films."""
    films = Double()
    films.add_films(FILMS)
    with serving(films) as served:
        yield served


@pytest.fixture
def collecting(double, seaweedfs, spawn, layer, monkeypatch):
    """Start a collection of all films, with one request at a time."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TMDB_TOKEN", TOKEN)

    def start(endpoint_url=seaweedfs.endpoint_url, concurrency=1):
        command = ["collect", "tmdb", "--bucket", seaweedfs.bucket, "--layer", layer]
        command += ["--date", "2022-05-02", "--api-url", double.url, "--rate", "1000"]
        command += ["--title", "film", "--detail", "{kind}/{id}/credits", "--no-manifest"]
        command += ["--endpoint-url", endpoint_url, "--concurrency", concurrency, "--json"]
        return spawn(*command)

    return start


def finish(start, double, server, layer, *, extra):
    """Run again; each answer is there once, and few were requested a second time."""
    process = start()
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    summary = json.loads(out.splitlines()[-1])
    assert summary["present"] + summary["uploaded"] == summary["files"] == ANSWERS
    objects = server.objects(f"{layer}/")
    assert len(objects) == ANSWERS + 1
    bodies = sorted(body for key, body in objects.items() if not key.endswith("_SUCCESS"))
    assert bodies == sorted(double.served.values())
    assert len(double.asked) - ANSWERS <= extra
    assert server.open_uploads(f"{layer}/") == []


class ApiKiller:
    """Kills a process when its n-th request to the API arrives, or was answered."""

    def __init__(self, number, moment):
        self.number = number
        self.moment = moment
        self.process = None
        self.killed = False

    def install(self, double):
        if self.moment == "before":
            double.faults.append(lambda asked: self._kill(double))
        else:
            double.answered = lambda asked: self._kill(double)

    def _kill(self, double):
        if len(double.asked) == self.number and not self.killed:
            self.killed = True
            with suppress(ProcessLookupError):
                self.process.kill()


def check_kill_at_api_request(number, moment, collecting, double, server, layer):
    killer = ApiKiller(number, moment)
    killer.install(double)
    killer.process = collecting()
    killer.process.communicate(timeout=100)
    assert killer.killed
    # At most one request was on its way: less than one per cent of all.
    finish(collecting, double, server, layer, extra=1)


def check_kill_at_store_request(number, moment, collecting, double, server, layer):
    killer = Killer(number, moment)
    with proxy_before(server.endpoint_url, killer) as proxy:
        killer.process = collecting(proxy.url)
        killer.process.communicate(timeout=100)
        assert killer.killed
    finish(collecting, double, server, layer, extra=1)


@pytest.mark.fault("P4", "P5")
@pytest.mark.parametrize(("number", "moment"), SAMPLE)
def test_killed_at_a_request_to_the_api(number, moment, collecting, double, seaweedfs, layer):
    """The next run requests what is missing."""
    check_kill_at_api_request(number, moment, collecting, double, seaweedfs, layer)


@pytest.mark.fault("P4", "P5")
@pytest.mark.parametrize(("number", "moment"), [(3, "before"), (40, "after"), (41, "reply")])
def test_killed_at_a_request_to_the_store(number, moment, collecting, double, seaweedfs, layer):
    """An answer that was stored is not requested again; one that was not, is."""
    check_kill_at_store_request(number, moment, collecting, double, seaweedfs, layer)


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(1, ANSWERS + 1))
def test_killed_at_every_request_to_the_api(number, collecting, double, seaweedfs, layer):
    """None is a bad moment."""
    moment = "before" if number % 2 else "after"
    check_kill_at_api_request(number, moment, collecting, double, seaweedfs, layer)


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(1, STORE_REQUESTS + 1))
def test_killed_at_every_request_to_the_store(number, collecting, double, seaweedfs, layer):
    """None is a bad moment."""
    moment = ("before", "after", "reply")[number % 3]
    check_kill_at_store_request(number, moment, collecting, double, seaweedfs, layer)


@pytest.mark.fault("P4")
def test_killed_with_many_requests_on_their_way(collecting, double, seaweedfs, layer):
    """As many are requested again as were in progress, at most."""
    killer = ApiKiller(50, "before")
    killer.install(double)
    killer.process = collecting(concurrency=8)
    killer.process.communicate(timeout=100)
    assert killer.killed
    finish(collecting, double, seaweedfs, layer, extra=8)
