"""Tasks that end together: the first to fail cancels the others, and one error is raised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

from asyncload.errors import AsyncloadError, Refused, StoreUnavailable

T = TypeVar("T")


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Open a `TaskGroup` that raises one error instead of a group of them: see `first_error`."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None


async def for_each(
    items: Iterator[T], act: Callable[[T], Awaitable[None]], concurrency: int
) -> None:
    """Act on every item, on at most `concurrency` of them at once. Raises as `task_group`."""

    async def work() -> None:
        for item in items:
            await act(item)

    async with task_group() as group:
        for _ in range(concurrency):
            group.create_task(work())


def first_error(errors: BaseExceptionGroup) -> BaseException:
    """Return the error of a group that says most: a bug, what ends the run, a file's fault.

    Of several of one kind it is the first.
    """
    leaves = list(_leaves(errors))
    bugs = [error for error in leaves if not isinstance(error, AsyncloadError)]
    ending = [error for error in leaves if isinstance(error, Refused | StoreUnavailable)]
    return (bugs or ending or leaves)[0]


def _leaves(errors: BaseExceptionGroup) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
