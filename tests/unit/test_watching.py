"""Blocking work without an event loop: its result, its error, or an end to waiting for it."""

from __future__ import annotations

import threading
import time

import pytest

from asyncload.errors import SourceStalled
from asyncload.source.heartbeat import GivenUp, Heartbeat
from asyncload.source.watchdog import watched


def test_the_result_is_returned():
    """For any kind of error."""
    assert watched(lambda: 42, Heartbeat(), patience=5) == 42


def test_the_error_is_raised():
    """As if it had been called here."""
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 // 0, Heartbeat(), patience=5)


def test_work_that_gets_on_may_take_long():
    """However long: only a whole period without a beat ends it."""
    heartbeat = Heartbeat()

    def work():
        for _ in range(8):
            time.sleep(0.2)
            heartbeat.beat()
        return "done"

    assert watched(work, heartbeat, patience=1.2) == "done"


@pytest.mark.fault("L9")
def test_work_that_does_not_get_on_is_given_up_and_ends_once_it_comes_back():
    """It touches nothing then: its next beat ends it."""
    heartbeat, go_on, ended = Heartbeat(), threading.Event(), threading.Event()

    def work():
        heartbeat.beat("d")
        go_on.wait(20)
        try:
            heartbeat.beat()
        except GivenUp:
            ended.set()
            raise

    with pytest.raises(SourceStalled, match="no answer"):
        watched(work, heartbeat, patience=0.1)
    assert (heartbeat.at, ended.is_set()) == ("d", False)
    go_on.set()
    assert ended.wait(60)
