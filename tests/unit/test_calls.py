"""How requests are made: so many at once, again where that may help, and not for ever."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import (
    AccessDenied,
    BodyUnanswered,
    NoSuchUpload,
    PreconditionFailed,
    RequestRejected,
    ServerError,
    StoreUnavailable,
    Throttled,
    TimedOut,
    WriteConflict,
)
from asyncload.model.values import Checksum, ObjectKey
from asyncload.operations.bucket import PREFLIGHT
from asyncload.store.limits import AdaptiveLimit
from asyncload.store.protocol import CSV, Page, Part, PutResult, RemoteObject
from asyncload.store.retries import RetryingStore, RetryPolicy
from tests.support.virtual_time import run_virtually

KEY = ObjectKey("Raw/a.csv")
SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")
PARTS = [Part(1, '"etag"', SUM)]
PUT_RESULT = PutResult('"etag"', SUM)
PAGE = Page((), "next")


class ScriptedStore:
    """An `ObjectStore` that fails as its script says, one entry a request, and then answers.

    `requests` are what was asked for; `max_in_flight` how many at once.
    """

    def __init__(self, *script):
        self.requests = []
        self.in_flight = self.max_in_flight = 0
        self._script = list(script)

    async def check_bucket(self, prefix):
        await self._answer("check_bucket", prefix)

    async def has_object_lock(self):
        await self._answer("has_object_lock")
        return True

    async def head(self, key):
        await self._answer("head", key)
        return RemoteObject(1, {"CRC64NVME": SUM})

    async def put(self, key, body, checksum, *, create_only, digest=None, info=CSV):
        await self._answer("put", key, body, checksum, create_only)
        return PUT_RESULT

    async def create_multipart(self, key, *, algorithm="CRC64NVME", info=CSV):
        await self._answer("create_multipart", key)
        return "upload-1"

    async def upload_part(self, key, upload_id, number, body, checksum, *, digest=None):
        await self._answer("upload_part", key, upload_id, number, body, checksum)
        return PUT_RESULT

    async def complete_multipart(self, key, upload_id, parts, checksum, *, create_only):
        await self._answer("complete_multipart", key, upload_id, parts, checksum, create_only)
        return PUT_RESULT

    async def read(self, key, offset, length):
        await self._answer("read", key, offset, length)
        return b"bytes"

    async def list_objects(self, prefix, after=None, **where):
        await self._answer("list_objects", prefix, after)
        return PAGE

    async def list_uploads(self, prefix, after=None):
        await self._answer("list_uploads", prefix, after)
        return PAGE

    async def list_parts(self, key, upload_id, after=None):
        await self._answer("list_parts", key, upload_id, after)
        return PAGE

    async def abort_multipart(self, key, upload_id):
        await self._answer("abort_multipart", key, upload_id)

    async def _answer(self, *request):
        self.requests.append(request)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            if self._script and (error := self._script.pop(0)) is not None:
                raise error
        finally:
            self.in_flight -= 1


class Sleeper:
    """Sleeps no time, and remembers how long and with how many places taken."""

    def __init__(self, limit):
        self.waits = []
        self.places_taken = []
        self._limit = limit

    async def __call__(self, seconds):
        self.waits.append(seconds)
        self.places_taken.append(self._limit.in_flight)
        await asyncio.sleep(0)


def with_retries(store, *, places=1, told=None, draw=lambda: 0.5, **policy):
    """Return the store and its sleeper; `told` hears of each limit."""
    told = [] if told is None else told
    limit = AdaptiveLimit(places, on_change=lambda limit, *_: told.append(limit))
    sleep = Sleeper(limit)
    retrying = RetryingStore(
        store, limit=limit, retries=RetryPolicy(**policy), sleep=sleep, draw=draw
    )
    return retrying, sleep


REQUESTS = {
    "check_bucket": (("Raw/",), {}, None),
    "has_object_lock": ((), {}, True),
    "head": ((KEY,), {}, RemoteObject(1, {"CRC64NVME": SUM})),
    "put": ((KEY, b"1", SUM), {"create_only": True}, PUT_RESULT),
    "read": ((KEY, 8, 4), {}, b"bytes"),
    "list_objects": (("Raw/", "after"), {}, PAGE),
    "list_uploads": (("Raw/", "after"), {}, PAGE),
    "list_parts": ((KEY, "upload-1", "after"), {}, PAGE),
    "create_multipart": ((KEY,), {}, "upload-1"),
    "upload_part": ((KEY, "upload-1", 1, b"1", SUM), {}, PUT_RESULT),
    "complete_multipart": ((KEY, "upload-1", PARTS, SUM), {"create_only": False}, PUT_RESULT),
    "abort_multipart": ((KEY, "upload-1"), {}, None),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_request_is_passed_on_and_repeated_as_it_was(name):
    """The store below sees the same arguments each time; its answer is the answer."""
    arguments, options, answer = REQUESTS[name]
    store = ScriptedStore(ServerError("busy"), None)
    retrying, sleep = with_retries(store)
    assert await getattr(retrying, name)(*arguments, **options) == answer
    assert store.requests == [(name, *arguments, *options.values())] * 2
    assert len(sleep.waits) == 1


@pytest.mark.parametrize("places", [1, 3])
async def test_at_most_so_many_requests_are_in_flight(places):
    """All of them, and never more, also if calls fail."""
    store = ScriptedStore(*[ServerError("busy"), None, StoreUnavailable("gone")] * 4)
    retrying, _ = with_retries(store, places=places)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(retrying.head(KEY))
    assert len(store.requests) == 28
    assert store.max_in_flight == places
    assert store.in_flight == 0


async def test_a_wait_before_the_next_attempt_holds_no_place():
    """Others use it meanwhile."""
    retrying, sleep = with_retries(ScriptedStore(*[ServerError("busy")] * 3))
    await retrying.head(KEY)
    assert sleep.places_taken == [0, 0, 0]


@pytest.mark.parametrize("kind", [ServerError, StoreUnavailable])
async def test_transient_errors_are_retried(kind):
    """Until it succeeds."""
    store = ScriptedStore(kind("1"), kind("2"), kind("3"))
    retrying, _ = with_retries(store)
    assert await retrying.create_multipart(KEY) == "upload-1"
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
async def test_permanent_errors_are_not_retried(error, before):
    """The error is raised as it is, even where one before it was worth an attempt."""
    store = ScriptedStore(*before, error)
    retrying, _ = with_retries(store)
    with pytest.raises(type(error)) as raised:
        await retrying.head(KEY)
    assert raised.value is error
    assert len(store.requests) == len(before) + 1


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_a_request_is_given_up_after_its_attempts(attempts):
    """The last error is raised."""
    errors = [ServerError(f"{number}") for number in range(attempts)]
    store = ScriptedStore(*errors)
    retrying, sleep = with_retries(store, attempts=attempts)
    with pytest.raises(ServerError) as raised:
        await retrying.head(KEY)
    assert raised.value is errors[-1]
    assert len(store.requests) == attempts
    assert len(sleep.waits) == attempts - 1


async def test_a_request_is_given_up_when_its_time_is_over():
    """Attempts may be left."""
    store = ScriptedStore(*[ServerError("busy")] * 10)
    retrying, _ = with_retries(store, attempts=10, seconds=0)
    with pytest.raises(ServerError):
        await retrying.head(KEY)
    assert len(store.requests) == 1


async def test_waits_are_drawn_below_a_bound_that_doubles():
    """From 0 on, so that those who failed together do not come back together."""
    for draw in (0.0, 0.25, 1.0):
        retrying, sleep = with_retries(
            ScriptedStore(*[ServerError("busy")] * 5),
            first_wait=1,
            max_wait=4,
            draw=lambda draw=draw: draw,
        )
        await retrying.head(KEY)
        assert sleep.waits == [draw * bound for bound in (1, 2, 4, 4, 4)]


async def test_no_two_requests_wait_alike():
    """The draw is random unless another one is handed in."""
    waits = set()

    async def sleep(seconds):
        waits.add(seconds)

    for _ in range(5):
        store = ScriptedStore(ServerError("busy"))
        limit = AdaptiveLimit(1)
        await RetryingStore(store, limit=limit, retries=RetryPolicy(), sleep=sleep).head(KEY)
    assert len(waits) == 5


ERRORS = st.builds(
    lambda kind, seconds: kind("it happened", retry_after=seconds),
    st.sampled_from([ServerError, Throttled, StoreUnavailable, TimedOut, RequestRejected]),
    st.none() | st.floats(0, 1e9),
)


@given(ERRORS, st.integers(1, 5000), st.integers(0, 5000), st.floats(0, 400), st.floats(0, 1))
def test_no_wait_is_too_long_and_none_ends_too_late(error, tries, throttled, elapsed, draw):
    """Nor is there one for what is not worth it, or has failed often enough."""
    throttled = min(tries, throttled)
    wait = RetryPolicy().next_wait(
        error, tries=tries, throttled=throttled, elapsed=elapsed, draw=draw
    )
    if wait is None:
        asked = min(error.retry_after or 0, 60)
        worth_it = error.retryable and tries - throttled < 10
        assert not worth_it or elapsed + asked + 20 >= 300
    else:
        assert error.retryable
        assert min(error.retry_after or 0, 60) <= wait <= 80
        assert elapsed + wait < 300


@given(st.lists(st.floats(0.05, 1), min_size=200, max_size=200))
def test_a_store_that_is_just_starting_is_waited_for(draws):
    """For at least 8 of the 10 s of the first request, however short the random waits are."""
    error, elapsed = StoreUnavailable("refused"), 0.0
    for tries, draw in enumerate(draws, 1):
        wait = PREFLIGHT.next_wait(error, tries=tries, throttled=0, elapsed=elapsed, draw=draw)
        if wait is None:
            break
        elapsed += wait
    assert 8 <= elapsed < 10


@pytest.mark.parametrize(
    ("asked", "waits"), [(None, 1.25), (0.0, 1.25), (7.5, 8.75), (3600.0, 61.25)]
)
async def test_a_store_that_says_how_long_to_wait_is_waited_for(asked, waits):
    """With jitter on top, of 2.5 s at the most, and a minute at most."""
    error = Throttled("busy", retry_after=asked)
    retrying, sleep = with_retries(ScriptedStore(error), first_wait=4)
    await retrying.head(KEY)
    assert sleep.waits == [waits]


# How many at once


@pytest.mark.parametrize(
    ("error", "limits"),
    [
        (Throttled("SlowDown"), [4]),
        (TimedOut("no answer"), [4]),
        (ServerError("500"), []),
        (StoreUnavailable("refused"), []),
        (AccessDenied("no"), []),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_overloaded_store_gets_half_as_many_requests_at_once(error, limits):
    """For all that follow; other faults say nothing of how many are too many."""
    told = []
    store = ScriptedStore(*[error] * 8)
    retrying, _ = with_retries(store, places=8, told=told, attempts=1 if not limits else 10)
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(head_or_fail(retrying))
    assert told[:1] == limits
    assert store.max_in_flight == 8


async def head_or_fail(store):
    """Ask for an object, and ignore a refusal."""
    try:
        await store.head(KEY)
    except (AccessDenied, ServerError, StoreUnavailable, PreconditionFailed):
        return


@pytest.mark.parametrize("answer", [None, PreconditionFailed("taken")])
async def test_a_store_that_serves_again_gets_more_at_once(answer):
    """Also by saying no, which an unchanged volume is told all the time."""
    told = []
    retrying, _ = with_retries(
        ScriptedStore(Throttled("busy"), *[answer] * 60), places=4, told=told
    )
    for _ in range(60):
        await head_or_fail(retrying)
    assert told == [2, 3, 4]


async def test_a_conflict_is_looked_at_before_the_put_is_made_again():
    """If there is an object, the key is taken; else, or if HEAD is denied, the put is repeated."""
    conflict = WriteConflict("another came first")
    store = ScriptedStore(conflict)
    with pytest.raises(PreconditionFailed) as taken:
        await with_retries(store)[0].put(KEY, b"1", SUM, create_only=True)
    assert taken.value.found == RemoteObject(1, {"CRC64NVME": SUM})
    assert [request[0] for request in store.requests] == ["put", "head"]
    store = ScriptedStore(conflict, AccessDenied("no head"))
    assert await with_retries(store)[0].put(KEY, b"1", SUM, create_only=True) == PUT_RESULT
    assert [request[0] for request in store.requests] == ["put", "head", "put"]
    store = ScriptedStore(conflict)
    assert await with_retries(store)[0].put(KEY, b"1", SUM, create_only=False) == PUT_RESULT
    assert [request[0] for request in store.requests] == ["put", "put"]


@pytest.mark.parametrize("looked", [None, AccessDenied("no head")])
@pytest.mark.parametrize("name", ["put", "upload_part"])
async def test_unanswered_bytes_do_not_mean_an_unreachable_store(name, looked):
    """One more request shows it: with any answer, others may be answered, too."""
    arguments, options, _ = REQUESTS[name]
    store = ScriptedStore(*[StoreUnavailable("reset")] * 2, looked)
    with pytest.raises(BodyUnanswered, match=r"^reset; the store does answer") as ended:
        await getattr(with_retries(store, attempts=2)[0], name)(*arguments, **options)
    assert "bodies of this size" in ended.value.hint
    assert [request[0] for request in store.requests] == [name, name, "head"]


@pytest.mark.parametrize("looked", [TimedOut("nothing"), ServerError("502")])
async def test_a_store_that_answers_nothing_else_either_is_gone(looked):
    """Asked once: it had all of the tries before."""
    store = ScriptedStore(StoreUnavailable("reset"), looked)
    with pytest.raises(StoreUnavailable, match=r"^reset$"):
        await with_retries(store, attempts=1)[0].put(KEY, b"1", SUM, create_only=True)
    assert [request[0] for request in store.requests] == ["put", "head"]


async def test_being_throttled_is_not_a_failed_attempt():
    """A store that asks for patience gets it, for as long as the request's time lasts."""
    store = ScriptedStore(*[Throttled("busy")] * 50, *[ServerError("500")] * 2)
    retrying, _ = with_retries(store, attempts=3)
    assert await retrying.head(KEY) == RemoteObject(1, {"CRC64NVME": SUM})
    assert len(store.requests) == 53


class StormyStore(ScriptedStore):
    """Throttles everything until a time, and then takes 20 ms for each request."""

    def __init__(self, until):
        super().__init__()
        self._until = until

    async def _answer(self, *request):
        self.requests.append(request)
        await asyncio.sleep(0.02)
        if asyncio.get_running_loop().time() < self._until:
            raise Throttled("SlowDown", code="SlowDown", status=503)


@pytest.mark.fault("S6")
@pytest.mark.parametrize("concurrency", [1, 32, 256])
def test_a_storm_of_a_minute_over_a_thousand_files_fails_none(concurrency):
    """All are there within a minute of its end, and the store was spared meanwhile."""
    store = StormyStore(until=60)
    told = []

    async def load():
        queue = list(range(1000))
        limit = AdaptiveLimit(concurrency, on_change=lambda limit, *_: told.append(limit))
        clock = asyncio.get_running_loop().time
        retrying = RetryingStore(store, limit=limit, retries=RetryPolicy(), clock=clock)

        async def put_them():
            while queue:
                key = ObjectKey(f"Raw/{queue.pop()}.csv")
                await retrying.put(key, b"1", SUM, create_only=True)

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(put_them())
        return limit.limit

    limit, seconds = run_virtually(load())
    assert 60 < seconds < 120
    # Without a limit that halves and waits that grow it would be asked 50 times a second by each.
    assert len(store.requests) < 1000 + 60 * concurrency
    if concurrency > 1:
        assert min(told) == 1
        assert limit > 1


def test_a_storm_that_does_not_end_fails_after_five_minutes():
    """With what the store said last."""
    store = StormyStore(until=1e9)

    async def put():
        clock = asyncio.get_running_loop().time
        retrying = RetryingStore(store, limit=AdaptiveLimit(1), retries=RetryPolicy(), clock=clock)
        with pytest.raises(Throttled):
            await retrying.put(KEY, b"1", SUM, create_only=True)

    _, seconds = run_virtually(put())
    # The last attempt begins within five minutes; it takes 0.02 s.
    assert 270 < seconds < 300.02


async def test_a_cancelled_wait_ends_the_request():
    """No further attempt is made, and no place is held."""
    limit = AdaptiveLimit(1)
    store = ScriptedStore(ServerError("busy"))
    waiting = asyncio.Event()

    async def sleep(seconds):
        waiting.set()
        await asyncio.sleep(60)

    retrying = RetryingStore(store, limit=limit, retries=RetryPolicy(), sleep=sleep)
    request = asyncio.create_task(retrying.head(KEY))
    await waiting.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert len(store.requests) == 1
    assert limit.in_flight == 0
