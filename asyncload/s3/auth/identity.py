"""Describe the credentials in use, without their secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from asyncload.s3.hooks.credentials import expiry_of, is_refreshable

_SHOWN = 4
_MIN_LENGTH = 12
# A process can't change the environment of another one, so these values stay as they are.
_FIXED = "env"


class Identity(NamedTuple):
    """Whose credentials requests are signed with.

    `provider` names the provider of the chain, for messages. `expires` is None if the credentials
    do not say. `renewable`: the provider is asked for new ones before that time.
    """

    provider: str
    access_key: str
    expires: datetime | None
    renewable: bool

    @property
    def short_key(self) -> str:
        """The access key id's first and last characters."""
        return shorten_key(self.access_key)


def identity_of(credentials: Any, provider: str, access_key: str) -> Identity:
    """Return the identity of credentials that were fetched; `provider` names where."""
    renewable = is_refreshable(credentials) and credentials.method != _FIXED
    return Identity(provider, access_key, expiry_of(credentials), renewable)


def shorten_key(access_key: str) -> str:
    """Return an access key id's first and last characters; only the first of a short one."""
    end = access_key[-_SHOWN:] if len(access_key) >= _MIN_LENGTH else ""
    return f"{access_key[:_SHOWN]}...{end}"
