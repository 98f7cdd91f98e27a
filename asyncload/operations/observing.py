"""Call the observer that a user of the library passed; it may be anything, and may fail."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from asyncload.errors import ObserverFailed, UsageError
from asyncload.settings.run import Settings

E = TypeVar("E")

_PLAIN_FUNCTION = "pass a plain function of one event, such as asyncio.Queue.put_nowait"


class Emitter(Generic[E]):
    """Passes each event to our own observer first, and then to the caller's, if there is one.

    Args:
        own: counts the event; it never fails.
        observer: the caller's; after a failure it is not called again.
    """

    def __init__(self, own: Callable[[E], None], observer: Callable[[E], None] | None) -> None:
        self._own = own
        self._observer = observer

    def __call__(self, event: E) -> None:
        """Pass an event on.

        Raises:
            ObserverFailed: the caller's observer raised an error, or returned an awaitable.
        """
        self._own(event)
        self.pass_on(event)

    def pass_on(self, event: E) -> None:
        """Pass an event to the caller's observer only: it is of no use to our own.

        Raises:
            ObserverFailed: as above.
        """
        if self._observer is None:
            return
        try:
            # It may return something else than its type says.
            returned: object = cast("Callable[[E], object]", self._observer)(event)
        except Exception as error:
            self._observer = None
            raise ObserverFailed(
                f"the observer raised {type(error).__name__}: {error}",
                hint="the run was ended; files that were already uploaded stay",
            ) from error
        # Usually it returns nothing; to examine that takes longer than all else here.
        if returned is not None and inspect.isawaitable(returned):
            self._observer = None
            if inspect.iscoroutine(returned):
                returned.close()
            raise ObserverFailed(
                "the observer returned an awaitable, which is never awaited", hint=_PLAIN_FUNCTION
            )


def check_arguments(
    operation: str, settings: object, observer: object, kind: type = Settings
) -> None:
    """Check the types of an operation's arguments.

    Raises:
        UsageError: a type is wrong, or the observer is a coroutine function.
    """
    if not isinstance(settings, kind):
        raise UsageError(f"{operation}() takes {kind.__name__}, not {type(settings).__name__}")
    if observer is None:
        return
    if not callable(observer):
        raise UsageError(f"observer: {observer!r} is not a function", hint=_PLAIN_FUNCTION)
    if inspect.iscoroutinefunction(observer) or inspect.iscoroutinefunction(
        getattr(observer, "__call__", None)  # noqa: B004  # its kind matters
    ):
        raise UsageError("observer: a coroutine function is never awaited", hint=_PLAIN_FUNCTION)
