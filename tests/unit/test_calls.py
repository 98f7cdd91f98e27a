"""How requests are made: so many at once, again where that may help, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from asyncload.calls import GovernedStore, RetryPolicy
from asyncload.errors import (
    AccessDenied,
    NoSuchUpload,
    PreconditionFailed,
    RequestRejected,
    ServerError,
    StoreUnavailable,
)
from asyncload.model import Checksum, ObjectKey
from asyncload.store import Part, Receipt, RemoteObject

KEY = ObjectKey("Raw/a.csv")
SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")
PARTS = [Part(1, '"etag"', SUM)]
RECEIPT = Receipt('"etag"', SUM)


class ScriptedStore:
    """An `ObjectStore` that fails as its script says, one entry a request, and then answers.

    `requests` are what was asked for; `most_in_flight` how many at once.
    """

    def __init__(self, *script):
        self.requests = []
        self.in_flight = self.most_in_flight = 0
        self._script = list(script)

    async def check_bucket(self, prefix):
        await self._answer("check_bucket", prefix)

    async def head(self, key):
        await self._answer("head", key)
        return RemoteObject(1, SUM)

    async def put(self, key, body, checksum, *, create_only, sha256=None):
        await self._answer("put", key, body, checksum, create_only)
        return RECEIPT

    async def create_multipart(self, key):
        await self._answer("create_multipart", key)
        return "upload-1"

    async def upload_part(self, key, upload_id, number, body, checksum, *, sha256=None):
        await self._answer("upload_part", key, upload_id, number, body, checksum)
        return RECEIPT

    async def complete_multipart(self, key, upload_id, parts, checksum, *, create_only):
        await self._answer("complete_multipart", key, upload_id, parts, checksum, create_only)
        return RECEIPT

    async def abort_multipart(self, key, upload_id):
        await self._answer("abort_multipart", key, upload_id)

    async def _answer(self, *request):
        self.requests.append(request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            if self._script and (error := self._script.pop(0)) is not None:
                raise error
        finally:
            self.in_flight -= 1


class Sleeper:
    """Sleeps no time, and remembers how long and with how many places free."""

    def __init__(self, limit):
        self.waits = []
        self.places_taken = []
        self._limit = limit

    async def __call__(self, seconds):
        self.waits.append(seconds)
        self.places_taken.append(self._limit.locked())
        await asyncio.sleep(0)


def govern(store, *, places=1, **policy):
    limit = asyncio.Semaphore(places)
    sleep = Sleeper(limit)
    return GovernedStore(store, limit=limit, retries=RetryPolicy(**policy), sleep=sleep), sleep


REQUESTS = {
    "check_bucket": (("Raw/",), {}, None),
    "head": ((KEY,), {}, RemoteObject(1, SUM)),
    "put": ((KEY, b"1", SUM), {"create_only": True}, RECEIPT),
    "create_multipart": ((KEY,), {}, "upload-1"),
    "upload_part": ((KEY, "upload-1", 1, b"1", SUM), {}, RECEIPT),
    "complete_multipart": ((KEY, "upload-1", PARTS, SUM), {"create_only": False}, RECEIPT),
    "abort_multipart": ((KEY, "upload-1"), {}, None),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_request_is_passed_on_and_repeated_as_it_was(name):
    """The store below sees the same arguments each time; its answer is the answer."""
    arguments, options, answer = REQUESTS[name]
    store = ScriptedStore(ServerError("busy"), None)
    governed, sleep = govern(store)
    assert await getattr(governed, name)(*arguments, **options) == answer
    assert store.requests == [(name, *arguments, *options.values())] * 2
    assert len(sleep.waits) == 1


@pytest.mark.parametrize("places", [1, 3])
async def test_at_most_so_many_requests_are_in_flight(places):
    """All of them, and never more, whatever fails meanwhile."""
    store = ScriptedStore(*[ServerError("busy"), None, StoreUnavailable("gone")] * 4)
    governed, _ = govern(store, places=places)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(governed.head(KEY))
    assert len(store.requests) == 28
    assert store.most_in_flight == places
    assert store.in_flight == 0


async def test_a_wait_before_the_next_attempt_holds_no_place():
    """Others use it meanwhile."""
    governed, sleep = govern(ScriptedStore(*[ServerError("busy")] * 3))
    await governed.head(KEY)
    assert sleep.places_taken == [False, False, False]


@pytest.mark.parametrize("kind", [ServerError, StoreUnavailable])
async def test_what_may_succeed_later_is_tried_again(kind):
    """Until it succeeds."""
    store = ScriptedStore(kind("1"), kind("2"), kind("3"))
    governed, _ = govern(store)
    assert await governed.create_multipart(KEY) == "upload-1"
    assert len(store.requests) == 4


@pytest.mark.parametrize(
    "error",
    [
        AccessDenied("no"),
        PreconditionFailed("taken"),
        NoSuchUpload("gone"),
        RequestRejected("bad"),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("before", [[], [ServerError("busy")]], ids=["at first", "at last"])
async def test_what_will_not_succeed_is_not_tried_again(error, before):
    """The error is raised as it is, even where one before it was worth an attempt."""
    store = ScriptedStore(*before, error)
    governed, _ = govern(store)
    with pytest.raises(type(error)) as raised:
        await governed.head(KEY)
    assert raised.value is error
    assert len(store.requests) == len(before) + 1


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_a_request_is_given_up_after_its_attempts(attempts):
    """The last error is raised."""
    errors = [ServerError(f"{number}") for number in range(attempts)]
    store = ScriptedStore(*errors)
    governed, sleep = govern(store, attempts=attempts)
    with pytest.raises(ServerError) as raised:
        await governed.head(KEY)
    assert raised.value is errors[-1]
    assert len(store.requests) == attempts
    assert len(sleep.waits) == attempts - 1


async def test_a_request_is_given_up_when_its_time_is_over():
    """Attempts may be left."""
    store = ScriptedStore(*[ServerError("busy")] * 10)
    governed, _ = govern(store, attempts=10, seconds=0)
    with pytest.raises(ServerError):
        await governed.head(KEY)
    assert len(store.requests) == 1


async def test_waits_are_drawn_below_a_bound_that_doubles():
    """From 0 on, so that those who failed together do not come back together."""
    runs = []
    for _ in range(200):
        governed, sleep = govern(
            ScriptedStore(*[ServerError("busy")] * 5), first_wait=1, most_wait=4
        )
        await governed.head(KEY)
        runs.append(sleep.waits)
    for waits, bound in zip(zip(*runs, strict=True), [1, 2, 4, 4, 4], strict=True):
        assert all(0 <= wait <= bound for wait in waits)
        assert min(waits) < bound / 4
        assert max(waits) > bound * 3 / 4


async def test_a_cancelled_wait_ends_the_request():
    """No further attempt is made, and no place is held."""
    limit = asyncio.Semaphore(1)
    store = ScriptedStore(ServerError("busy"))
    waiting = asyncio.Event()

    async def sleep(seconds):
        waiting.set()
        await asyncio.sleep(60)

    governed = GovernedStore(store, limit=limit, retries=RetryPolicy(), sleep=sleep)
    request = asyncio.create_task(governed.head(KEY))
    await waiting.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert len(store.requests) == 1
    assert not limit.locked()
