"""Run a proxy in a thread: tests and programs of any kind may then talk to it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.faults.proxy.faults import Decide, no_fault
from tests.faults.proxy.oracle import Oracle
from tests.faults.proxy.server import ChaosProxy


@contextmanager
def proxy_before(
    endpoint: str,
    decide: Decide = no_fault,
    *,
    oracle: Oracle | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> Iterator[ChaosProxy]:
    """Serve on loopback, on a free port unless one is given, while the body runs."""
    proxy = ChaosProxy(endpoint, decide, oracle, tls)
    running = _Running(proxy, port)
    running.start()
    try:
        running.wait_until_ready()
        yield proxy
    finally:
        running.stop()


class _Running(threading.Thread):
    def __init__(self, proxy: ChaosProxy, port: int) -> None:
        super().__init__(name="chaos-proxy")
        self._proxy = proxy
        self._port = port
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        ready = self._loop.create_future()
        ready.add_done_callback(lambda _: self._ready.set())
        try:
            await self._proxy.serve(ready, self._port)
        except Exception as error:
            self._failure = error
            self._ready.set()
            raise

    def wait_until_ready(self) -> None:
        self._ready.wait(10)
        assert self._failure is None, self._failure

    def stop(self) -> None:
        if self.is_alive() and self._task is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._task.cancel)
        self.join(10)
        # What a decision of a test's or the proxy itself got wrong must not pass unseen.
        if self._failure is not None:
            raise self._failure
        assert not self.is_alive(), "the proxy did not stop"
