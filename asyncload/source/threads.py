"""Reader threads; a stuck one delays neither the others nor the exit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from asyncload.errors import OutOfThreads

T = TypeVar("T")
P = ParamSpec("P")


def start(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        OutOfThreads: the system can't start one.
    """
    try:
        thread.start()
    except RuntimeError as error:
        raise (out_of_threads(error) or error) from error


def out_of_threads(error: BaseException) -> OutOfThreads | None:
    """Return our error if an error means that no thread could be started; else None."""
    if not isinstance(error, RuntimeError) or "can't start new thread" not in str(error):
        return None
    return OutOfThreads(
        "the system can't start more threads for this process",
        hint="raise the limit of processes and threads: ulimit -u, --pids-limit of a container, "
        "TasksMax of a service; or that of memory, which each thread's stack needs: ulimit -v",
    )


class ReaderThreads(Executor):
    """Runs work in up to `count` threads; leaving its context waits for those that are not stuck.

    With concurrent.futures' own executor the interpreter waits for each thread at its exit, forever
    if one is in a system call that never returns. These threads are daemons: the process ends
    without them.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._stuck: set[threading.Thread] = set()

    @property
    def stuck(self) -> int:
        """The number of threads considered stuck that have not returned."""
        return len(self._stuck)

    @property
    def exhausted(self) -> bool:
        """Whether so many threads are stuck that no more should be risked."""
        return self.stuck >= self._count

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See `Executor`.

        Raises:
            OutOfThreads: no thread is running, and none can be started.
        """
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                # Any error belongs to the waiter.
                future.set_exception(error)
            else:
                future.set_result(result)

        if not self._idle.acquire(blocking=False):
            with self._lock:
                if len(self._threads) < self._count:
                    self._start()
        self._work.put(work)
        return future

    def replace(self, thread: threading.Thread) -> None:
        """Consider a thread stuck: another one replaces it, and it ends when it returns.

        If none can be started, the remaining threads do the work.
        """
        with self._lock:
            if thread in self._threads:
                self._threads.remove(thread)
                self._stuck.add(thread)
                # At worst the next call finds that no thread is left.
                with suppress(OutOfThreads):
                    self._start()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  # all work is waited for or given up
        """See `Executor`; stuck threads are not waited for."""
        with self._lock:
            threads = list(self._threads)
        for _ in threads:
            self._work.put(None)
        if wait:
            for thread in threads:
                thread.join()

    def rest(self) -> None:
        """Let the threads that have nothing to do end; later work starts new ones."""
        while self._idle.acquire(blocking=False):
            self._work.put(None)

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name="asyncload-reader", daemon=True)
        try:
            start(thread)
        except OutOfThreads:
            # Fewer threads suffice to read everything.
            if not self._threads:
                raise
        else:
            self._threads.add(thread)

    def _serve(self) -> None:
        me = threading.current_thread()
        while (work := self._work.get()) is not None:
            work()
            # Drop the references to the work.
            del work
            with self._lock:
                if me in self._stuck:
                    self._stuck.remove(me)
                    return
            self._idle.release()
        with self._lock:
            self._threads.discard(me)
