"""Batches for other processes: each file is handed out once, until the process is lost."""

from __future__ import annotations

import asyncio
import pickle
import socket
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.bucket.key_index import FREE, UNKNOWN, Known
from asyncload.errors import RequestRejected, SourceChanged
from asyncload.model.values import (
    Checksum,
    Failed,
    FileFinished,
    FileState,
    Member,
    Skipped,
    SourceFile,
    Unchanged,
    Uploaded,
)
from asyncload.operations.workers.batches import Source
from asyncload.operations.workers.fleet import describe_status
from asyncload.operations.workers.messages import (
    Ask,
    Channel,
    pack_finished,
    unpack_finished,
)
from asyncload.planning.keys import KeyLayout
from asyncload.planning.plan import MIB, LoadPlan
from asyncload.store.protocol import OpenUpload

EXISTING = Known("existing", 5, b"m" * 16)


def make_source(sizes, processes=2, known=FREE, left_open=(), marker=None):
    plan = LoadPlan(
        KeyLayout("default", "Raw", "Local", "CSV", date(2022, 5, 2)), put_limit=16 * MIB
    )
    for n, size in enumerate(sizes):
        plan.add(SourceFile(f"d{n % 3}/{n}.csv", size))
    uploads = list(plan.uploads())
    opened = {uploads[n].key: [OpenUpload(uploads[n].key, "u1", None)] for n in left_open}
    find_marker = None if marker is None else lambda _: marker
    return Source(plan, processes, lambda _: known, opened, find_marker), uploads


def take_all(source, take):
    while (batch := take()) is not None:
        yield batch


@given(
    sizes=st.lists(st.integers(0, 3 * MIB) | st.integers(17 * MIB, 99 * MIB), max_size=200),
    processes=st.integers(2, 9),
    here=st.lists(st.sampled_from(["large", "small", "take_large", "take_small"])),
)
def test_each_file_is_handed_out_once(sizes, processes, here):
    """In any order of this process and the others."""
    source, uploads = make_source(sizes, processes)
    large, small = source.large(), source.small()
    taken = []
    for what in here:
        if what.startswith("take"):
            batch = getattr(source, what)()
            taken += [] if batch is None else batch.uploads
        else:
            taken += [
                upload for upload in [next(large if what == "large" else small, None)] if upload
            ]
    for batch in take_all(source, source.take_large):
        assert batch.is_large
        assert len(list(batch.large())) == len(batch.uploads) == 1
        assert not list(batch.small())
        taken += batch.uploads
    for batch in take_all(source, source.take_small):
        assert list(batch.small()) == batch.uploads
        assert not list(batch.large())
        taken += batch.uploads
    assert sorted(taken) == sorted(uploads)
    assert source.fair_share == 0


def test_batches_get_smaller_towards_the_end():
    """So that all processes end at about the same time."""
    source, _ = make_source([1000] * 20_000)
    sizes = [len(batch.uploads) for batch in take_all(source, source.take_small)]
    assert sizes[0] == 512
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-3:] == [1, 1, 1]
    assert len(sizes) < 80


def test_a_batch_has_a_bounded_size():
    """Files just below the limit of a put make batches of few."""
    source, _ = make_source([15 * MIB] * 40)
    assert len(source.take_small().uploads) == 3


def test_the_rest_of_a_lost_batch_is_handed_out_first():
    """Nothing is known about its keys any more: the lost process may have written some."""
    source, _ = make_source([10] * 40 + [20 * MIB])
    small, large = source.take_small(), source.take_large()
    rest = small.without({0, 2})
    assert rest.uploads == [small.uploads[1], *small.uploads[3:]]
    assert (set(rest.known), rest.losses) == ({UNKNOWN}, 1)
    source.give_back(rest)
    source.give_back(large.without(set()))
    source.give_back(small.without(set(range(40))))
    assert source.has_returned
    again = source.take_small()
    assert again.uploads == rest.uploads
    assert again.number > large.number
    assert not source.has_returned
    assert source.take_large().uploads == large.uploads
    source.give_back(again)
    assert source.take_returned().uploads == rest.uploads
    source.give_back(large)
    assert source.take_returned().is_large
    assert source.take_returned() is None


@pytest.mark.parametrize("known", [FREE, UNKNOWN, EXISTING])
def test_a_batch_arrives_as_it_was_sent(known):
    """With what is known of its keys, markers and open uploads."""
    source, uploads = make_source([5, 6, 7, 20 * MIB], known=known, left_open=[0], marker=EXISTING)
    for batch in (source.take_large(), source.take_small()):
        arrived = pickle.loads(pickle.dumps(batch.pack())).unpack()
        assert arrived._replace(losses=0) == batch
        assert type(arrived.uploads[0].key) is type(uploads[0].key)
        assert set(arrived.markers.values()) == {EXISTING}


SUM = Checksum("CRC64NVME", "abc=")
OTHER = Checksum("MD5", "def=")
BOTH = {"CRC64NVME": SUM, "MD5": OTHER}


@pytest.mark.parametrize(
    "make",
    [
        lambda path, key: Uploaded(path, key, 5, SUM, 7, True, BOTH),
        lambda path, key: Uploaded(path, key, 5, SUM, 7, False, {"CRC64NVME": SUM}),
        lambda path, key: Unchanged(path, key, 5, OTHER, 7, {"MD5": OTHER, "CRC64NVME": SUM}),
        lambda path, key: Skipped(path, key, 5, "another object"),
        lambda path, key: Failed(path, key, 5, SourceChanged("it changed", hint="run again")),
        lambda path, key: Failed(path, key, 5, RequestRejected("no", code="X", status=400)),
    ],
)
def test_an_outcome_arrives_as_it_was_sent(make):
    """Errors with message, hint and what the store said."""
    (upload,) = make_source([4])[1]
    event = FileFinished(
        make(upload.source.path, upload.key), upload.partition, upload.dataset, 0.25, 4
    )
    arrived = unpack_finished(pickle.loads(pickle.dumps(pack_finished(event))), upload)
    if not isinstance(event.outcome, Failed):
        assert arrived == event
        return
    sent, got = event.outcome.error, arrived.outcome.error
    assert arrived._replace(outcome=None) == event._replace(outcome=None)
    assert type(got) is type(sent)
    assert vars(got) == vars(sent)


async def test_messages_arrive_whole_and_in_order():
    """However the bytes are cut on the way; nothing is sent to an end that is gone."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    received, lost = [], asyncio.Event()
    channel = Channel(received.append, lost.set)
    await loop.create_unix_connection(lambda: channel, sock=theirs)
    sent = [Ask("a" * size) for size in (0, 1, 300_000, 5)]
    sender = Channel(received.append, lost.set)
    await loop.create_unix_connection(lambda: sender, sock=ours)
    for message in sent:
        sender.send(message)
    sender.close()
    await lost.wait()
    while len(received) < len(sent):
        await asyncio.sleep(0)
    assert received == sent
    sender.send(sent[0])
    sender.close()


def test_an_end_is_described():
    """By signal or status."""
    assert describe_status(-9) == "was killed by SIGKILL"
    assert describe_status(3) == "has ended unexpectedly, with status 3"
    assert describe_status(None) == "has ended unexpectedly"


def test_members_and_days_travel_with_a_batch():
    """And all other fields of a source."""
    source, (upload, *_) = make_source([5, 6])
    state = FileState(1, 2, 3, 4, 5)
    member = Member(state, 5, 4, 3, 2, 8)
    other = upload._replace(
        source=SourceFile("a.zip//b.csv", 5, 7, member, state), day=date(2022, 5, 3)
    )
    batch = source.take_small()._replace(uploads=[upload, other], known=[FREE, FREE])
    arrived = pickle.loads(pickle.dumps(batch.pack())).unpack()
    assert arrived.uploads == [upload, other]
