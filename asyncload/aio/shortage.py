"""Translate a shortage of memory, which may show in any step of a run, to one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asyncload.errors import AsyncloadError, OutOfMemory, chain_of


def out_of_memory(error: BaseException) -> OutOfMemory | None:
    """Return our error if the system had no memory, which caused an unexpected error; else None."""
    if isinstance(error, AsyncloadError):
        return None
    short = any(isinstance(link, MemoryError) for link in chain_of(error))
    return no_memory("the system has no more of it for this process") if short else None


def no_memory(what: str) -> OutOfMemory:
    """Return the error for a shortage of memory; `what` says of what kind."""
    return OutOfMemory(
        f"out of memory: {what}",
        hint="lower --memory, --concurrency or --processes, or raise the memory limit of the "
        "process (ulimit -v) or of its container",
    )


@contextmanager
def memory_errors() -> Iterator[None]:
    """Translate each `MemoryError` of the body.

    Raises:
        OutOfMemory: the system had no memory.
    """
    try:
        yield
    except Exception as error:
        if (ours := out_of_memory(error)) is None:
            raise
        raise ours from error
