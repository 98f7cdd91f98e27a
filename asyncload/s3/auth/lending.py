"""Lend the credentials of one process to others, which neither ask the AWS chain nor a person.

A chain that asks a person, runs a program or exchanges a refresh token must do so once for a run,
not once for each process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple

from asyncload.s3.hooks.credentials import expiring_credentials, fixed_credentials


class Lent(NamedTuple):
    """An access key that another process may sign with; `expiry` is None if it does not expire."""

    access_key: str
    secret_key: str
    token: str | None
    expiry: datetime | None

    def __repr__(self) -> str:
        return "Lent(...)"


class Lender(NamedTuple):
    """The credentials of another process: the current ones, and how to ask for later ones.

    `ask` gets the access key in use, and returns the one to use now: another one if that has
    expired and can be renewed.
    """

    first: Lent
    ask: Callable[[str], Awaitable[Lent]]


def borrow(lender: Lender) -> Any:
    """Return botocore's form of lent credentials."""
    first = lender.first
    if first.expiry is None:
        return fixed_credentials(first.access_key, first.secret_key, first.token)
    used = first.access_key

    async def refresh() -> dict[str, Any]:
        nonlocal used
        lent = await lender.ask(used)
        used = lent.access_key
        return {
            "access_key": lent.access_key,
            "secret_key": lent.secret_key,
            "token": lent.token,
            "expiry_time": lent.expiry and lent.expiry.isoformat(),
        }

    return expiring_credentials(
        first.access_key, first.secret_key, first.token, first.expiry, refresh
    )
