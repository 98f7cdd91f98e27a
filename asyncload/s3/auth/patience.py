"""Time limits for credentials: seconds for machines, minutes for people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from asyncload.errors import CredentialsMissing
from asyncload.model.values import Warned

MACHINE_SECONDS = 10.0
"""A role's credentials take a second or two; botocore alone would wait minutes for STS."""

PERSON_SECONDS = 300.0
"""Enough time to find a phone, or to log in."""

# A shorter wait needs no explanation.
_QUIET_SECONDS = 2.0


def _ignore(_: Warned) -> None:
    """Ignore warnings; the default for `warn`."""


@dataclass(slots=True)
class _Wait:
    """A wait for machines: the service that is asked at present, and the deadline."""

    asked: str
    deadline: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))


_waits: ContextVar[_Wait | None] = ContextVar("waits", default=None)


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits the waits of one run. All times are in seconds.

    Args:
        machine: the limit for services.
        person: the limit for people.
        quiet: a longer wait for a person is reported.
        warn: called with that report.
    """

    machine: float = MACHINE_SECONDS
    person: float = PERSON_SECONDS
    quiet: float = _QUIET_SECONDS
    warn: Callable[[Warned], None] = _ignore

    @asynccontextmanager
    async def for_machine(self, asked: str) -> AsyncIterator[None]:
        """Limit the time of the body; nested calls share the outermost deadline.

        Args:
            asked: the service, for the message.

        Raises:
            CredentialsMissing: the time is over.
        """
        wait = _waits.get()
        if wait is not None:
            # Not reset after a failure: the last service asked is the one that did not answer.
            before, wait.asked = wait.asked, asked
            yield
            wait.asked = before
            return
        wait = _Wait(asked)
        token = _waits.set(wait)
        try:
            async with wait.deadline:
                wait.deadline.reschedule(asyncio.get_running_loop().time() + self.machine)
                yield
        except TimeoutError as error:
            if not wait.deadline.expired():
                raise
            raise CredentialsMissing(
                f"no AWS credentials within {self.machine:.0f} s: {wait.asked} did not answer",
                hint="check the network, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ) from error
        finally:
            _waits.reset(token)

    @asynccontextmanager
    async def for_person(self, action: str, *, announce: bool = True) -> AsyncIterator[None]:
        """Give the body a person's time; the time of machines is paused meanwhile.

        Args:
            action: the awaited action, for messages: a noun with its article.
            announce: whether to report the wait; False if the caller does.

        Raises:
            CredentialsMissing: the time is over.
        """
        wait = _waits.get()
        loop = asyncio.get_running_loop()
        if wait is not None:
            wait.deadline.reschedule(None)
        warn = self.warn if announce else _ignore
        waiting = Warned(f"waiting for {action}, up to {describe_seconds(self.person)}")
        announcement = loop.call_later(self.quiet, warn, waiting)
        deadline = asyncio.timeout(self.person)
        try:
            async with deadline:
                yield
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise CredentialsMissing(
                f"no AWS credentials: {action} took longer than {describe_seconds(self.person)}",
                hint="run again when someone can respond, or use credentials that need no login",
            ) from error
        finally:
            announcement.cancel()
        if wait is not None:
            wait.deadline.reschedule(loop.time() + self.machine)


def describe_seconds(seconds: float) -> str:
    """Return a time as `5 min`, or as `12 s` if it is shorter than a minute."""
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
