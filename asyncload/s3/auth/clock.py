"""How the client signs: by the store's time where the machine's clock is off, and with what.

A store rejects what was signed over 15 minutes ago or ahead. botocore goes by the machine's clock
alone, so a request would be rejected however often it is repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from asyncload.errors import AsyncloadError, ClockCorrected, StoreError
from asyncload.s3.auth.http_dates import read_offset
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.auth.refresh import Renewal
from asyncload.s3.hooks.events import hear_answers
from asyncload.s3.hooks.signing import choose_signers

# Less is no reason to reject a request, and as much as a slow answer may take.
_TOLERANCE = 60.0


class SigningClock:
    """What is known of signatures: when they are made, and what with.

    Args:
        now: tells the machine's time in seconds since 1970.

    Attributes:
        offset: in seconds; more than 0 where the machine's clock is behind the store's.
        told_offset: the offset that the store's latest answer told, None before one did.
        secrets: the client signed with so far.
        renewal: what the client signs with can be renewed by.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.offset = 0.0
        self.told_offset: float | None = None
        self.secrets = Secrets()
        self.renewal = Renewal(self.secrets)
        self._used = self._accepted = ""

    def signs_with(self, credentials: Any) -> None:
        """Note the frozen access key that a request is about to be signed with; None signs none."""
        self.secrets.add(credentials)
        self._used = credentials.access_key if credentials is not None else ""

    def accepted(self) -> None:
        """Note that the store took a request that was signed with the latest access key."""
        self._accepted = self._used

    @property
    def was_accepted(self) -> bool:
        """Whether the store took any request that was signed with the latest access key."""
        return bool(self._used) and self._accepted == self._used

    def timestamp(self) -> str:
        """Return the time to sign at in UTC, as `20220502T120000Z`."""
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now() + self.offset))

    def heard(self, headers: Mapping[str, str]) -> None:
        """Note the store's time, where an answer's headers (names in lower case) tell it."""
        offset = read_offset(headers, self.now())
        if offset is not None:
            self.told_offset = offset

    def learn(self, failure: AsyncloadError, error: Exception, *, used: float) -> AsyncloadError:
        """Return what a request failed with; if it was for its time, go by the store's from now on.

        Args:
            failure: what the error means.
            error: what the client raised.
            used: the offset that the request was signed with.
        """
        if not isinstance(failure, StoreError) or failure.code != "RequestTimeTooSkewed":
            return failure
        assert isinstance(error, ClientError)
        headers = error.response["ResponseMetadata"]["HTTPHeaders"]
        offset = read_offset(headers, self.now())
        if offset is None or abs(offset - used) < _TOLERANCE:
            return failure
        self.offset = offset
        return ClockCorrected(
            failure.message,
            hint=failure.hint,
            code=failure.code,
            status=failure.status,
            request_id=failure.request_id,
        )


def sign_by(clock: SigningClock, client: Any) -> None:
    """Have a client sign its requests to S3 at a time that may be corrected, and keep its secrets.

    The time that the store's answers tell is noted, errors included.

    The time concerns signature version 4. What directory buckets and multi-region access points use
    instead goes by the machine's clock.
    """

    def choose(credentials: Any) -> Callable[[], str] | None:
        clock.signs_with(credentials)
        return clock.timestamp if clock.offset else None

    choose_signers(client, choose)
    hear_answers(client, clock.heard)
