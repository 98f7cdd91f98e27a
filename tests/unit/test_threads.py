"""Threads of which one may get stuck: an executor as any other, but for that."""

from __future__ import annotations

import threading
import time

import pytest

from asyncload.source.threads import ReaderThreads


def test_work_is_done_and_its_errors_are_raised():
    """As by concurrent.futures' own."""
    with ReaderThreads(2) as threads:
        assert list(threads.map(str, range(5))) == ["0", "1", "2", "3", "4"]
        with pytest.raises(ZeroDivisionError):
            threads.submit(divmod, 1, 0).result(10)


def test_no_more_threads_are_started_than_are_needed_nor_than_are_allowed():
    """An idle one takes the next work; leaving the context ends them all."""
    before = threading.active_count()
    with ReaderThreads(2) as threads:
        for _ in range(3):
            threads.submit(int).result(10)
            while not threads._idle._value:
                # It is idle a moment after it has told its result.
                time.sleep(0.001)
        assert threading.active_count() == before + 1
        go_on = threading.Event()
        waiting = [threads.submit(go_on.wait, 10) for _ in range(4)]
        assert threading.active_count() == before + 2
        go_on.set()
        assert all(future.result(10) for future in waiting)
    assert threading.active_count() == before


def test_a_thread_that_is_stuck_is_replaced_once_and_ends_when_it_comes_back():
    """Work waits for it no longer, nor does the context's end."""
    go_on, stuck = threading.Event(), []

    def get_stuck():
        stuck.append(threading.current_thread())
        begun.set()
        go_on.wait(10)

    with ReaderThreads(1) as threads:
        begun = threading.Event()
        threads.submit(get_stuck)
        assert begun.wait(10)
        threads.replace(stuck[0])
        threads.replace(stuck[0])
        assert (threads.stuck, threads.exhausted) == (1, True)
        assert threads.submit(int).result(10) == 0
    assert stuck[0].daemon
    assert stuck[0].is_alive()
    go_on.set()
    stuck[0].join(10)
    assert not stuck[0].is_alive()
    assert threads.stuck == 0


def test_work_that_was_cancelled_before_its_turn_is_not_done():
    """The next one is."""
    go_on, done = threading.Event(), []
    threads = ReaderThreads(1)
    busy = threads.submit(go_on.wait, 10)
    late = threads.submit(done.append, "late")
    last = threads.submit(done.append, "last")
    assert late.cancel()
    threads.shutdown(wait=False)
    go_on.set()
    assert busy.result(10)
    last.result(10)
    assert done == ["last"]
