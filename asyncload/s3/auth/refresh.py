"""Renew credentials in the middle of a run if the store says that they have expired.

botocore refreshes temporary credentials shortly before their stated expiry. A store may consider
them expired earlier, because they were revoked or a clock is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from asyncload.errors import CredentialsMissing, CredentialsRejected
from asyncload.s3.auth.lending import Lent
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.hooks.credentials import expiry_of, is_refreshable, refresh_forced

T = TypeVar("T")

_EXPIRED = ("ExpiredToken", "TokenRefreshRequired")


class Renewal:
    """Renews the credentials of a client: once for all requests signed with the same credentials.

    Args:
        secrets: texts that must not be in a message.

    Attributes:
        count: the number of renewals tried.
    """

    def __init__(self, secrets: Secrets) -> None:
        self.count = 0
        self._secrets = secrets
        self._credentials: Any = None
        self._refreshable = False
        self._forget: Callable[[], None]
        self._seconds = 0.0
        self._worked = False
        self._lock = asyncio.Lock()

    def renew_by(self, credentials: Any, forget: Callable[[], None], *, seconds: float) -> None:
        """Renew these credentials from now on.

        Args:
            credentials: the client's; credentials that can't be refreshed are never renewed.
            forget: drops cached copies, which a refresh would return.
            seconds: the time limit of a renewal.
        """
        self._credentials = credentials
        self._refreshable = is_refreshable(credentials)
        self._forget = forget
        self._seconds = seconds

    async def lend(self, rejected: str = "") -> Lent | None:
        """Return the credentials for another process; None if requests are not signed.

        `rejected`: the access key that a store has called expired to that process, if any. If it is
        the current one, it is renewed.

        Raises:
            CredentialsMissing: the provider has no new ones.
        """
        credentials = self._credentials
        if credentials is None:
            return None
        frozen = await credentials.get_frozen_credentials()
        if rejected == frozen.access_key:
            await self._renew(self.count, CredentialsRejected("the credentials have expired"))
            frozen = await credentials.get_frozen_credentials()
        return Lent(frozen.access_key, frozen.secret_key, frozen.token, expiry_of(credentials))

    async def repeat(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Make a request; repeat it once with new credentials if the current ones have expired.

        Raises:
            CredentialsRejected: they have expired, and can't be refreshed.
            CredentialsMissing: the provider has no new ones.
        """
        before = self.count
        if self._refreshable:
            # Refresh them here if needed: a request's deadline is too short to wait for a person.
            await self._credentials.get_frozen_credentials()
        try:
            return await ask()
        except CredentialsRejected as error:
            if error.code not in _EXPIRED or not await self._renew(before, error):
                raise
        return await ask()

    async def _renew(self, before: int, expired: CredentialsRejected) -> bool:
        """Return whether the credentials have changed since `count` was `before`."""
        if not self._refreshable:
            return False
        async with self._lock:
            if self.count == before:
                self.count += 1
                self._worked = False
                self._worked = await self._fetch(expired)
            return self._worked

    async def _fetch(self, expired: CredentialsRejected) -> bool:
        credentials = self._credentials
        try:
            async with asyncio.timeout(self._seconds):
                old = await credentials.get_frozen_credentials()
                self._forget()
                with refresh_forced(credentials):
                    new = await credentials.get_frozen_credentials()
        except CredentialsMissing as problem:
            raise CredentialsMissing(
                f"the AWS credentials have expired and can't be renewed: {problem.message}",
                hint=problem.hint,
            ) from expired
        # botocore raises RuntimeError if the new credentials have expired as well.
        except (BotoCoreError, ClientError, RuntimeError, TimeoutError) as problem:
            reason = self._secrets.redact(problem) or f"no answer within {self._seconds:.0f} s"
            raise CredentialsMissing(
                f"the AWS credentials have expired and can't be renewed: {reason}",
                hint="check the service that provides them: metadata service, SSO or STS",
            ) from expired
        return bool(new != old)
