"""What a store does not take of S3's checksums is learned once, and from what it says only."""

from __future__ import annotations

import asyncio

import pytest

from asyncload.errors import (
    EndpointRefused,
    PreconditionFailed,
    RequestRejected,
    ServerError,
)
from asyncload.s3.dialect import Dialect

MAX_NAMED = RequestRejected(
    "refused", code="InvalidArgument", status=400, header="x-amz-checksum-crc64nvme"
)
VAGUE = RequestRejected("refused", code="InvalidRequest", status=400)
OTHER = RequestRejected("refused", code="InvalidTag", status=400)
GONE = RequestRejected("none", code="404", status=404)


class Store:
    """Answers requests with and without checksums by an error or a word; keeps which came."""

    def __init__(self, with_checksums=None, without=None):
        self.answers = {True: with_checksums, False: without}
        self.asked = []

    async def ask(self, checksums):
        self.asked.append(checksums)
        await asyncio.sleep(0)
        if (error := self.answers[checksums]) is not None:
            raise error
        return "done"


@pytest.fixture
def told():
    return []


@pytest.fixture
def dialect(told):
    return Dialect("auto", told.append)


def never():
    return 0


@pytest.mark.parametrize("refusal", [MAX_NAMED, VAGUE])
async def test_the_first_refusal_is_learned_from_and_reported_once(dialect, told, refusal):
    """Of those made at the same time each may be refused; none of the later ones is."""
    store = Store(refusal)
    assert await asyncio.gather(*(dialect.send(store.ask) for _ in range(5))) == ["done"] * 5
    assert store.asked.count(True) == 5
    assert await dialect.send(store.ask) == await dialect.head(store.ask, never) == "done"
    assert store.asked.count(True) == 5
    assert len(told) == 1
    assert not dialect.checksums
    assert not dialect.checksum_mode


async def test_head_alone_may_refuse_them(dialect, told):
    """Puts continue with their checksums."""
    store = Store(VAGUE)
    assert await asyncio.gather(*(dialect.head(store.ask, never) for _ in range(3))) == ["done"] * 3
    assert (dialect.checksum_mode, dialect.checksums, len(told)) == (False, True, 1)


async def test_a_missing_object_is_learned_from_too(dialect):
    """By checksum mode HEAD is refused, without it the key is free."""
    with pytest.raises(RequestRejected, match="none"):
        await dialect.head(Store(VAGUE, GONE).ask, never)
    assert not dialect.checksum_mode


async def test_an_existing_object_is_learned_from_too(dialect):
    """The condition was read, so the request was understood."""
    with pytest.raises(PreconditionFailed):
        await dialect.send(Store(VAGUE, PreconditionFailed("taken")).ask)
    assert not dialect.checksums


async def test_a_request_refused_without_checksums_too_is_not_learned_from(dialect, told):
    """The first words are told, and after a few trials no more are made."""
    store = Store(VAGUE, OTHER)
    for _ in range(9):
        with pytest.raises(RequestRejected) as caught:
            await dialect.send(store.ask)
        assert caught.value is VAGUE
    assert store.asked.count(False) == 3
    assert (dialect.checksums, told) == (True, [])


async def test_a_trial_that_meets_another_fault_says_nothing(dialect):
    """The request may be repeated, and tried again."""
    with pytest.raises(ServerError):
        await dialect.send(Store(VAGUE, ServerError("busy")).ask)
    assert dialect.checksums


@pytest.mark.parametrize("refusal", [OTHER, ServerError("busy"), PreconditionFailed("taken")])
async def test_other_errors_are_not_learned_from(dialect, refusal):
    """It is raised as it is, and nothing is asked again."""
    store = Store(refusal)
    with pytest.raises(type(refusal)):
        await dialect.send(store.ask)
    with pytest.raises(type(refusal)):
        await dialect.head(Store(GONE if refusal is OTHER else refusal).ask, never)
    assert store.asked == [True]


async def test_a_store_that_returned_a_checksum_objects_to_something_else(dialect):
    """Unless it names the header."""
    dialect.confirm_checksums()
    store = Store(VAGUE)
    with pytest.raises(RequestRejected):
        await dialect.send(store.ask)
    assert store.asked == [True]
    assert await dialect.send(Store(MAX_NAMED).ask) == "done"


async def test_credentials_that_were_renewed_meanwhile_were_the_reason(dialect, told):
    """Expired ones are refused by the same 400 to HEAD: nothing is learned."""
    renewals = iter(range(9))
    assert await dialect.head(Store(VAGUE).ask, lambda: next(renewals)) == "done"
    assert (dialect.checksum_mode, told) == (True, [])


async def test_by_md5_they_are_never_sent(told):
    """From the first request on."""
    dialect, store = Dialect("md5", told.append), Store()
    await dialect.send(store.ask)
    await dialect.head(store.ask, never)
    assert (store.asked, told) == ([False, False], [])


@pytest.mark.parametrize(
    ("refusal", "kind", "hint"),
    [
        (MAX_NAMED, EndpointRefused, "does not support --checksum crc32"),
        (VAGUE, RequestRejected, "might not support --checksum crc32: use --checksum auto or md5"),
    ],
)
async def test_one_that_is_insisted_on_is_not_replaced(told, refusal, kind, hint):
    """The way out is told; a store that names it would refuse every request."""
    dialect, store = Dialect("crc32", told.append), Store(refusal)
    with pytest.raises(kind) as caught:
        await dialect.send(store.ask)
    assert hint in caught.value.hint
    with pytest.raises(RequestRejected) as caught:
        await dialect.head(Store(RequestRejected("no", code="400", status=400)).ask, never)
    assert "might not support" in caught.value.hint
    assert (store.asked, told) == ([True], [])
