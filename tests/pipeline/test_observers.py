"""What a library's user passes to see the events of a run, and what is wrong with it."""

from __future__ import annotations

import asyncio

import pytest

from asyncload.errors import ObserverFailed, UsageError
from asyncload.model.values import FileFinished, LoadStarted, PartSent, RunStarted
from asyncload.operations.load import load, load_into
from asyncload.settings.run import Settings
from tests.support.loads import NOW, UNIT, load_volume, write_files
from tests.support.memory_store import MemoryStore
from tests.support.vocabulary import check_manifest


class Awaited:
    async def __call__(self, event):
        """Never runs."""


async def awaited(event):
    """Never runs."""


@pytest.mark.fault("I9")
@pytest.mark.parametrize("observer", [awaited, Awaited(), "print", 3])
async def test_an_observer_that_can_not_be_called_is_refused(volume, observer):
    """Before anything is done, also what would have to be awaited."""
    store = MemoryStore()
    with pytest.raises(UsageError) as refused:
        await load_volume(store, volume, observer)
    assert refused.value.message.startswith("observer: ")
    assert "plain function" in refused.value.hint
    assert store.calls == {}


@pytest.mark.fault("I9")
async def test_settings_of_another_type_are_refused(volume):
    """By a message; a folder is not enough."""
    with pytest.raises(UsageError) as refused:
        await load(volume)
    assert "Settings" in refused.value.message


@pytest.mark.fault("I9", "I19")
@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("on", [RunStarted, LoadStarted, PartSent, FileFinished])
async def test_an_observer_that_raises_ends_the_run(volume, on):
    """At once and cleanly: no upload stays open, the record says why, the error is the cause."""
    write_files(volume, {f"d/{n:03}.csv": b"1" for n in range(200)})
    write_files(volume, {"large.csv": bytes(40 * UNIT)})
    store, seen = MemoryStore(), []

    def observer(event):
        seen.append(event)
        if isinstance(event, on):
            raise ZeroDivisionError("oops")

    with pytest.raises(ObserverFailed) as failed:
        await load_volume(store, volume, observer, manifest=True)
    assert failed.value.message == "the observer raised ZeroDivisionError: oops"
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert failed.value.exit_code == 1
    assert store.uploads == {}
    assert isinstance(seen[-1], on), "it was called again"
    records = [body for key, body in store.objects.items() if key.startswith("_asyncload/2")]
    if on is not RunStarted:
        (body,) = records
        assert check_manifest(body)["summary"]["error"]["kind"] == "ObserverFailed"


@pytest.mark.fault("I9")
@pytest.mark.parametrize("made", ["coroutine", "future"])
async def test_an_observer_that_returns_something_to_await_ends_the_run(volume, made):
    """It looks like a plain function, so that is known only once it was called."""
    write_files(volume, {"a.csv": b"1"})

    def observer(event):
        return awaited(event) if made == "coroutine" else asyncio.Future()

    with pytest.raises(ObserverFailed) as failed:
        await load_volume(MemoryStore(), volume, observer)
    assert "plain function" in failed.value.hint


async def test_an_observer_may_hand_events_to_a_queue(volume):
    """For code that is to await something."""
    write_files(volume, {"a.csv": b"1"})
    events = asyncio.Queue()
    settings = Settings(volume=str(volume), bucket="lake", memory="64MiB", include="a.csv")
    report = await load_into(MemoryStore(), settings, observer=events.put_nowait, now=NOW)
    assert report.landed == 1
    assert isinstance(events.get_nowait(), RunStarted)
