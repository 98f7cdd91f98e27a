"""Tasks that end together: the first to fail cancels the others, and one error is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from asyncload.aio.shielding import StrayCancellation
from asyncload.errors import AsyncloadError, Refused, StoreUnavailable

T = TypeVar("T")


class Group:
    """Tasks that end together, none of which is lost: an asynchronous context.

    The context is left when all tasks have ended. The first error, of the body or of a task,
    cancels the others, and one error is raised: see `first_error`. A cancelled owner raises its
    cancellation even if something failed as well, unless a bug has to be reported.

    `asyncio.TaskGroup` is not used for three reasons. It ignores a task that ends as cancelled, for
    any cause: its work is missing, and waiters for it wait forever. An error replaces the owner's
    cancellation. And up to Python 3.12 the owner may count as cancelled after an error.
    """

    def __init__(self) -> None:
        owner = asyncio.current_task()
        assert owner is not None, "only a task can wait for others"
        self._owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopped: set[asyncio.Task[Any]] = set()
        self._errors: list[BaseException] = []
        self._in_body = True
        self._ending = False
        # Whether the group itself cancelled its owner, to end the body.
        self._interrupting = False

    def create_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run work in a new task.

        A task that ends as cancelled without `stop` or the end of the group has failed with a
        `StrayCancellation`.
        """
        name = getattr(work, "__qualname__", None)
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._take_end)
        return task

    def stop(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task; the others continue."""
        self._stopped.add(task)
        task.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._in_body = False
        cancelled = isinstance(error, asyncio.CancelledError) and not self._interrupting
        if error is not None:
            if not isinstance(error, asyncio.CancelledError):
                self._errors.append(error)
            self._end()
        while self._tasks:
            try:
                await asyncio.wait(self._tasks)
            except asyncio.CancelledError:
                cancelled = True
                self._end()
        if self._interrupting:
            self._owner.uncancel()
        if self._errors:
            first = first_error(self._errors)
            asked_to_stop = cancelled or self._owner.cancelling() > 0
            if asked_to_stop and isinstance(first, AsyncloadError):
                raise asyncio.CancelledError from first
            raise first
        if cancelled:
            raise asyncio.CancelledError

    def _take_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
        elif self._ending or task in self._stopped:
            return
        else:
            error = StrayCancellation(f"the task {task.get_name()}")
        if error is None:
            return
        self._errors.append(error)
        self._end()
        if self._in_body and not self._interrupting:
            self._interrupting = True
            self._owner.cancel()

    def _end(self) -> None:
        self._ending = True
        for task in self._tasks:
            task.cancel()


async def for_each(
    items: Iterator[T], act: Callable[[T], Awaitable[None]], concurrency: int
) -> None:
    """Act on every item, on at most `concurrency` at once. Raises as `Group` does."""

    async def work() -> None:
        for item in items:
            await act(item)

    async with Group() as group:
        for _ in range(concurrency):
            group.create_task(work())


def first_error(errors: Sequence[BaseException]) -> BaseException:
    """Return the most important error: a bug, then an error of the run, then one of a file.

    Of several of one kind it is the first.
    """
    bugs = [error for error in errors if not isinstance(error, AsyncloadError)]
    ending = [error for error in errors if isinstance(error, Refused | StoreUnavailable)]
    return (bugs or ending or errors)[0]
