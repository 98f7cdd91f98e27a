"""How long credentials are waited for: seconds for machines, minutes for people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from asyncload.errors import CredentialsMissing
from asyncload.model.values import Warned

MACHINE_SECONDS = 10.0
"""A role's credentials take a second or two; botocore alone would wait for STS for minutes."""

PERSON_SECONDS = 300.0
"""Somebody has to find a phone, or to log in."""

# So soon nobody wonders what is waited for.
_QUIET_SECONDS = 2.0


def _tell_nobody(_: Warned) -> None:
    """For those who do not want to know."""


@dataclass(slots=True)
class _Wait:
    """A wait for machines: what is asked at present, and the deadline."""

    asked: str
    deadline: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))


_waits: ContextVar[_Wait | None] = ContextVar("waits", default=None)


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits the waits of one run. All times are in seconds.

    Args:
        machine: how long services may take.
        person: how long people may take.
        quiet: after how long it is told that people are waited for.
        tell: is told.
    """

    machine: float = MACHINE_SECONDS
    person: float = PERSON_SECONDS
    quiet: float = _QUIET_SECONDS
    tell: Callable[[Warned], None] = _tell_nobody

    @asynccontextmanager
    async def for_machine(self, asked: str) -> AsyncIterator[None]:
        """Limit the time of the body; one that is part of another's has that one's time.

        Args:
            asked: the service, for the message.

        Raises:
            CredentialsMissing: the time is over.
        """
        wait = _waits.get()
        if wait is not None:
            # Not set back where it fails: what was asked last is what did not answer.
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
    async def for_person(self, action: str, *, told: bool = True) -> AsyncIterator[None]:
        """Give the body a person's time; that of machines stands still meanwhile.

        Args:
            action: what is waited for, for messages: a noun with its article.
            told: whether it is to be told that there is a wait; else whoever asks has done so.

        Raises:
            CredentialsMissing: the time is over.
        """
        wait = _waits.get()
        loop = asyncio.get_running_loop()
        if wait is not None:
            wait.deadline.reschedule(None)
        tell = self.tell if told else _tell_nobody
        waiting = Warned(f"waiting for {action}, up to {describe_seconds(self.person)}")
        telling = loop.call_later(self.quiet, tell, waiting)
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
            telling.cancel()
        if wait is not None:
            wait.deadline.reschedule(loop.time() + self.machine)


def describe_seconds(seconds: float) -> str:
    """Return a time as `5 min`, or `12 s` where it is not that long."""
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
