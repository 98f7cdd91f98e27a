"""An event loop whose hours take milliseconds: while all wait, its clock jumps on."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any


class Stuck(Exception):
    """All tasks wait, and none for a timer: in real time it would hang for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its `time()` begins at 0 and moves only while all its tasks wait.

    Attributes:
        steps: how many turns it has taken.
        network: makes its connections.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.network: Any = None
        self._now = 0.0
        self._at: dict[int, Callable[[], object]] = {}
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now

    def at_step(self, step: int, act: Callable[[], object]) -> None:
        """Have something done between two turns, as a signal's handler is."""
        self._at[step] = act

    async def create_connection(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        return await self.network.connect(protocol_factory)

    def turn(self) -> bool:
        """Begin a turn; return whether something was done before it."""
        self.steps += 1
        act = self._at.pop(self.steps, None)
        if act is not None:
            act()
        return act is not None

    def advance(self, seconds: float) -> None:
        self._now += seconds


class _JumpingSelector(selectors.BaseSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        acted = self._loop.turn()
        ready = self._selector.select(0)
        if ready or acted:
            return ready
        if timeout is None:
            raise Stuck
        self._loop.advance(timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._selector.get_map()

    def close(self) -> None:
        self._selector.close()


class InlineExecutor(Executor):
    """Does the work at once, in the caller's thread: no real thread keeps virtual time waiting."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future
