"""The time and the secrets that requests are signed with.

A store rejects requests signed over 15 minutes ago or ahead. botocore uses the machine's clock, so
such a request would be rejected however often it is repeated. Here the store's time is used
instead, if they differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from asyncload.errors import AsyncloadError, ClockCorrected, StoreError
from asyncload.model.http_dates import read_offset
from asyncload.s3.auth.identity import Identity
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.auth.refresh import Renewal
from asyncload.s3.hooks.events import hear_answers
from asyncload.s3.hooks.signing import choose_signers

# In seconds; a smaller offset does not matter, and a slow answer may cause it.
_TOLERANCE = 60.0


class SigningClock:
    """The time to sign at, and the secrets and renewal of the credentials to sign with.

    Args:
        now: returns the machine's time in seconds since 1970.

    Attributes:
        offset: in seconds; positive if the machine's clock is behind the store's.
        reported_offset: the offset seen in the store's latest response; None before the first one.
        secrets: the secrets the client has signed with so far.
        renewal: renews the credentials.
        identity: whose credentials the client began with; None if requests are not signed.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.offset = 0.0
        self.reported_offset: float | None = None
        self.secrets = Secrets()
        self.renewal = Renewal(self.secrets)
        self.identity: Identity | None = None
        self._used = self._accepted = ""

    def record_credentials(self, credentials: Any) -> None:
        """Record the frozen access key that the next request is signed with; None for unsigned."""
        self.secrets.add(credentials)
        self._used = credentials.access_key if credentials is not None else ""

    def accepted(self) -> None:
        """Record that the store accepted a request signed with the latest access key."""
        self._accepted = self._used

    @property
    def was_accepted(self) -> bool:
        """Whether the store has accepted a request signed with the latest access key."""
        return bool(self._used) and self._accepted == self._used

    def timestamp(self) -> str:
        """Return the time to sign at in UTC, as `20220502T120000Z`."""
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now() + self.offset))

    def record_time(self, headers: Mapping[str, str]) -> None:
        """Record the store's time from a response's headers, whose names are in lower case."""
        offset = read_offset(headers, self.now())
        if offset is not None:
            self.reported_offset = offset

    def learn(self, failure: AsyncloadError, error: Exception, *, used: float) -> AsyncloadError:
        """Return a failed request's error; if its time was rejected, use the store's from now on.

        Args:
            failure: the translated error.
            error: the client's error.
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
    """Make a client sign S3 requests at this clock's time, and record secrets and response times.

    Applies to Signature Version 4. Directory buckets and multi-region access points use other
    signatures, by the machine's clock.
    """

    def choose(credentials: Any) -> Callable[[], str] | None:
        clock.record_credentials(credentials)
        return clock.timestamp if clock.offset else None

    choose_signers(client, choose)
    hear_answers(client, clock.record_time)
