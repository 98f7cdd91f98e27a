"""How far a run is, as lines and as a live display."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import SourceChanged
from asyncload.model.values import (
    Checksum,
    ConcurrencyChanged,
    Excluded,
    Failed,
    FileFinished,
    LoadStarted,
    LoadStartedEarly,
    ObjectKey,
    PartKept,
    PartSent,
    Scanned,
    Unchanged,
    Uploaded,
)
from asyncload.reporting.progress import (
    Advance,
    PlainProgress,
    format_seconds,
    seconds_left,
)

SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")
MB = 1_000_000


def uploaded(path, size):
    return FileFinished(Uploaded(path, ObjectKey(path), size, SUM))


def unchanged(path, size):
    return FileFinished(Unchanged(path, ObjectKey(path), size, SUM))


def failed(path, size):
    return FileFinished(Failed(path, ObjectKey(path), size, SourceChanged("it changed")))


class Clock:
    """Tells the time that the test sets."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


# Counting


@st.composite
def _runs(draw):
    """The events of a few files, interleaved: some in parts, some failing after some of them."""
    queues = []
    for number in range(draw(st.integers(1, 5))):
        path = f"{number}.csv"
        parts = draw(st.lists(st.integers(1, 50), max_size=4))
        size = draw(st.just(sum(parts)) | st.integers(sum(parts), 300))
        end = uploaded(path, sum(parts)) if size == sum(parts) else failed(path, size)
        queues.append([*(PartSent(path, part) for part in parts), end])
    events = []
    while queues:
        queue = draw(st.sampled_from(queues))
        events.append(queue.pop(0))
        if not queue:
            queues.remove(queue)
    return events


@given(_runs())
def test_no_byte_counts_twice(events):
    """Neither as part and as file nor by failing half-way: what is done never shrinks, and ends
    at the sum of the files."""
    sizes = [event.outcome.size for event in events if isinstance(event, FileFinished)]
    advance = Advance()
    advance.count(LoadStarted(len(sizes), sum(sizes)))
    done = [0]
    for event in events:
        advance.count(event)
        done.append(advance.size_done)
    assert done == sorted(done)
    assert done[-1] == advance.size == sum(sizes)
    assert advance.files_done == advance.files == len(sizes)


@st.composite
def _troubled_runs(draw):
    """Files in parts that are sent again, in other sizes, by files that grow or shrink."""
    planned = draw(st.dictionaries(st.sampled_from("abc"), st.integers(0, 50), min_size=1))
    queues = []
    for path, size in planned.items():
        queue = []
        for _ in range(draw(st.integers(0, 3))):
            part = draw(st.integers(1, 20))
            kind = draw(st.sampled_from([PartSent, PartKept]))
            queue += [kind(path, part, n, size) for n in range(1, draw(st.integers(1, 5)))]
        sized = draw(st.integers(0, 80))
        outcome = draw(st.sampled_from([uploaded, failed]))(path, sized).outcome
        queues.append([*queue, FileFinished(outcome, planned=size)])
    events = []
    while queues:
        queue = draw(st.sampled_from(queues))
        events.append(queue.pop(0))
        if not queue:
            queues.remove(queue)
    return planned, events


@pytest.mark.fault("G10")
@given(_troubled_runs())
def test_never_more_is_done_than_there_is(run):
    """For any bytes sent again, and any changes of files: done never shrinks nor exceeds the total,
    and is all of it in the end; each byte sent is counted."""
    planned, events = run
    advance, done = Advance(), [0]
    advance.count(LoadStarted(len(planned), sum(planned.values())))
    for event in events:
        advance.count(event)
        done.append(advance.size_done)
        assert advance.size_done <= advance.size
        assert advance.files_done <= advance.files
    assert done == sorted(done)
    assert done[-1] == advance.size
    sent = sum(event.size for event in events if isinstance(event, PartSent))
    assert advance.size_sent >= sent


@pytest.mark.fault("G10")
@given(_troubled_runs(), st.lists(st.floats(0, 20), max_size=60))
def test_no_line_promises_what_can_not_be(run, pauses):
    """More done than there is, a negative time, or hours after the first seconds."""
    planned, events = run
    clock, stream = Clock(), io.StringIO()
    progress = PlainProgress(stream, clock)
    progress.observe(LoadStarted(len(planned), sum(planned.values())))
    begun = clock.now
    for event, pause in zip(events, [*pauses, *[5.0] * len(events)], strict=False):
        clock.now += pause
        progress.observe(event)
        line = stream.getvalue().splitlines()[-1]
        if "left" in line:
            assert advance_share(line) >= 0.05 or clock.now - begun >= 30
            assert advance_share(line) < 1
            assert "-" not in line


def advance_share(line):
    """The share that a line says is done: sizes here are below 1 kB."""
    done, total = re.search(r"([\d,]+) B of ([\d,]+) B", line).groups()
    return int(done.replace(",", "")) / int(total.replace(",", ""))


@pytest.mark.fault("G10")
@pytest.mark.parametrize(
    ("pace", "share", "elapsed", "seconds"),
    [
        (10, 0.5, 5, 10),
        (10, 0.01, 5, None),
        (10, 0.01, 30, 10),
        (0, 0.5, 60, None),
    ],
)
def test_the_time_left_is_that_of_the_present_pace(pace, share, elapsed, seconds):
    """And is not told before there is one."""
    assert seconds_left(100, pace=pace, share=share, elapsed=elapsed) == seconds
    assert seconds_left(0, pace=pace, share=1.0, elapsed=elapsed) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119.4, "119 s"), (720, "12 min"), (12_600, "3.5 h")]
)
def test_times_read_well(seconds, text):
    """In seconds only where there are few."""
    assert format_seconds(seconds) == text


# Lines


@pytest.fixture
def clock():
    """A clock to set."""
    return Clock()


@pytest.fixture
def stream():
    """A stream that keeps the lines."""
    return io.StringIO()


def test_the_lines_of_a_run(clock, stream):
    """One when the plan is made, and one every five seconds: done, rate and time left."""
    with PlainProgress(stream, clock) as progress:
        for seconds, event in [
            (0, Scanned(2_000, 9 * MB)),
            (6, Scanned(4_000, 18 * MB)),
            (1, Scanned(4_100, 20 * MB)),
            (0, LoadStarted(4_100, 20 * MB)),
            (4, PartSent("large.csv", 8 * MB)),
            (4, uploaded("small.csv", 2 * MB)),
            (4.9, uploaded("small2.csv", 1 * MB)),
            (0, PartSent("large.csv", 2 * MB)),
            (0.1, uploaded("large.csv", 10 * MB)),
            (7, uploaded("last.csv", 7 * MB)),
        ]:
            clock.now += seconds
            progress.observe(event)
    assert stream.getvalue().splitlines() == [
        "found 4,000 CSVs so far",
        "found 4,100 CSVs, 20.0 MB",
        "1 of 4,100 files, 10.0 MB of 20.0 MB, 1.2 MB/s, 8 s left",
        "3 of 4,100 files, 13.0 MB of 20.0 MB, 1.0 MB/s, 7 s left",
        "4 of 4,100 files, 20.0 MB of 20.0 MB, 1.0 MB/s",
    ]


def test_the_lines_of_a_load_that_begins_during_the_scan(clock, stream):
    """No time left before all is known; the pace continues after that."""
    progress = PlainProgress(stream, clock)
    for seconds, event in [
        (2, Scanned(2_000, 9 * MB)),
        (0, LoadStartedEarly(2_000, 9 * MB)),
        (5, uploaded("a.csv", 5 * MB)),
        (1, LoadStartedEarly(3_000, 12 * MB)),
        (5, Scanned(4_000, 18 * MB)),
        (1, LoadStarted(4_000, 18 * MB)),
        (5, uploaded("b.csv", 5 * MB)),
    ]:
        clock.now += seconds
        progress.observe(event)
    assert stream.getvalue().splitlines() == [
        "found 2,000 CSVs so far, loading begins while the volume is scanned",
        "1 of 2,000 files found so far, 5.0 MB of 9.0 MB, 1.0 MB/s",
        "1 of 4,000 files found so far, 5.0 MB of 18.0 MB, 454.5 kB/s",
        "found 4,000 CSVs, 18.0 MB",
        "2 of 4,000 files, 10.0 MB of 18.0 MB, 588.2 kB/s, 14 s left",
    ]


def test_the_pace_is_that_of_the_last_seconds(clock, stream):
    """What was found unchanged at once promises nothing for what is to be sent; failures count."""
    progress = PlainProgress(stream, clock)
    progress.observe(LoadStarted(1_000, 1_000 * MB))
    for number in range(11):
        clock.now += 5
        if number < 2:
            progress.observe(unchanged(f"{number}", 400 * MB))
        else:
            progress.observe(uploaded(f"{number}", MB))
    clock.now += 5
    progress.observe(failed("bad", 10 * MB))
    assert stream.getvalue().splitlines()[-2:] == [
        "11 of 1,000 files, 809.0 MB of 1.0 GB, 200.0 kB/s, 16 min left",
        "12 of 1,000 files (1 failed), 819.0 MB of 1.0 GB, 166.7 kB/s, 6 min left",
    ]


def test_a_line_without_a_byte_done_has_no_time_left(clock, stream):
    """Nothing can be said of it."""
    progress = PlainProgress(stream, clock)
    progress.observe(LoadStarted(2, MB))
    clock.now += 5
    progress.observe(uploaded("empty.csv", 0))
    assert stream.getvalue().splitlines()[1:] == ["1 of 2 files, 0 B of 1.0 MB, 0 B/s"]


def test_time_is_counted_from_the_first_request(clock, stream):
    """A slow scan is not a slow upload."""
    progress = PlainProgress(stream, clock)
    clock.now += 1000
    progress.observe(LoadStarted(2, 20 * MB))
    clock.now += 10
    progress.observe(uploaded("a.csv", 10 * MB))
    assert stream.getvalue().splitlines()[1:] == [
        "1 of 2 files, 10.0 MB of 20.0 MB, 1.0 MB/s, 10 s left"
    ]


def test_what_is_left_out_says_nothing_of_how_far_a_run_is(clock, stream):
    """A long scan tells of what it found, and of no upload."""
    progress = PlainProgress(stream, clock)
    progress.observe(Scanned(2_000, MB))
    clock.now += 6
    progress.observe(Excluded(".a.csv", "hidden"))
    progress.observe(Scanned(3_000, MB))
    assert stream.getvalue().splitlines() == ["found 3,000 CSVs so far"]


def test_a_throttled_run_says_so(clock, stream):
    """At once, then with each line, until the store takes as many as are allowed."""
    progress = PlainProgress(stream, clock)
    progress.observe(ConcurrencyChanged(16, 32))
    progress.observe(LoadStarted(4, 20 * MB))
    for seconds, event in [
        (1, ConcurrencyChanged(8, 32)),
        (4, ConcurrencyChanged(4, 32)),
        (5, uploaded("a.csv", 10 * MB)),
        (0, ConcurrencyChanged(32, 32)),
        (5, uploaded("b.csv", 5 * MB)),
    ]:
        clock.now += seconds
        progress.observe(event)
    assert stream.getvalue().splitlines() == [
        "throttled: 16 of 32 concurrent requests",
        "found 4 CSVs, 20.0 MB",
        "throttled: 4 of 32 concurrent requests",
        (
            "1 of 4 files, 10.0 MB of 20.0 MB, 1.0 MB/s, 10 s left, "
            "throttled: 4 of 32 concurrent requests"
        ),
        "2 of 4 files, 15.0 MB of 20.0 MB, 1.0 MB/s, 5 s left",
    ]


def test_a_run_says_how_many_requests_at_once_it_settled_on(clock, stream):
    """And why, with each line."""
    progress = PlainProgress(stream, clock)
    progress.observe(LoadStarted(4, 20 * MB))
    progress.observe(ConcurrencyChanged(64, 64, "enough"))
    for news in [("a.csv", 96, "throughput"), ("b.csv", 32, "asked for")]:
        clock.now += 5
        path, limit, reason = news
        progress.observe(ConcurrencyChanged(limit, limit, reason))
        progress.observe(uploaded(path, 5 * MB))
    assert stream.getvalue().splitlines()[1:] == [
        (
            "1 of 4 files, 5.0 MB of 20.0 MB, 1.0 MB/s, 15 s left, "
            "up to 96 concurrent requests: more did not increase throughput"
        ),
        "2 of 4 files, 10.0 MB of 20.0 MB, 1.0 MB/s, 10 s left",
    ]


def test_a_long_run_writes_fewer_lines(clock, stream):
    """The log of a run of hours stays short: 12 lines in a minute, then 18, then one a minute."""
    progress = PlainProgress(stream, clock)
    progress.observe(LoadStarted(4, 20 * MB))
    counts = []
    for minutes in (1, 9, 50):
        for _ in range(minutes * 60):
            clock.now += 1
            progress.observe(PartSent("a.csv", 1))
        counts.append(len(stream.getvalue().splitlines()) - 1 - sum(counts))
    assert counts == [12, 18, 50]
