"""A system that starts no more threads: of the user, the container or the service."""

from __future__ import annotations

import threading

import pytest

from tests.support.loads import write_files


@pytest.fixture
def scarce_threads(monkeypatch):
    """Lets only so many threads of those that read the volume be started: the system's answer."""
    start, state = threading.Thread.start, {"left": 0, "refused": 0}

    def start_or_not(thread):
        if thread.name == "asyncload-reader":
            if not state["left"]:
                state["refused"] += 1
                raise RuntimeError("can't start new thread")
            state["left"] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    return state


@pytest.mark.fault("C6")
def test_without_a_thread_the_run_is_refused_with_what_to_raise(lake, volume, lane, scarce_threads):
    """The cause, and no error that comes of it."""
    write_files(volume, {"a.csv": b"1"})
    proxy = lake.proxy()
    landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, landed.objects) == (5, {})
    assert landed.error["kind"] == "OutOfThreads"
    assert landed.error["message"] == "the system can't start more threads for this process"
    assert all(name in landed.error["hint"] for name in ("ulimit -u", "--pids-limit", "TasksMax"))


@pytest.mark.fault("C6")
def test_with_one_thread_all_files_are_uploaded(
    lake, small_and_large, volume, lane, scarce_threads
):
    """Others are asked for, and not had."""
    write_files(volume, {f"d/{n}.csv": b"%d" % n for n in range(40)})
    proxy = lake.proxy()
    scarce_threads["left"] = 1
    landed = lake.load(proxy=proxy, lane=lane)
    assert (landed.code, len(landed.objects)) == (0, 42)
    assert scarce_threads["refused"] > 0


@pytest.mark.fault("C6")
def test_without_a_thread_a_dry_run_ends_with_the_same_error(asyncload, volume, scarce_threads):
    """A dry run looks at the volume in a thread, too."""
    write_files(volume, {"a.csv": b"1"})
    ended = asyncload("run", volume, "--bucket", "lake", "--dry-run", "--offline")
    assert (ended.code, ended.out) == (5, "")
    assert ended.err.startswith("error: the system can't start more threads for this process\n")


@pytest.mark.fault("C6")
def test_a_thread_that_is_stuck_and_can_not_be_replaced_leaves_the_others(
    lake, volume, lane, stalling, scarce_threads
):
    """Its file fails; the rest of them read what is left."""
    write_files(volume, {f"{n}.csv": b"%d" % n for n in range(5)})
    proxy = lake.proxy()
    stalling.add(volume / "2.csv")
    scarce_threads["left"] = 2
    landed = lake.load(None, "--concurrency", 1, proxy=proxy, lane=lane)
    assert landed.code == 3
    assert [path for path, status in landed.statuses.items() if status == "failed"] == ["2.csv"]


@pytest.mark.fault("C6")
def test_a_library_that_gets_no_thread_is_reported_alike(lake, volume, lane, monkeypatch):
    """Names of hosts are looked up in threads of the event loop's own."""
    write_files(volume, {"a.csv": b"1"})
    proxy = lake.proxy()
    start = threading.Thread.start

    def start_or_not(thread):
        if "asyncio" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    landed = lake.load(proxy=proxy, lane=lane, url=proxy.url.replace("127.0.0.1", "localhost"))
    assert landed.code == 5
    assert landed.error["kind"] == "OutOfThreads"
