"""Check the way to the bucket: endpoint, DNS, TCP, TLS, credentials, clock, region and bucket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

from asyncload.errors import (
    AsyncloadError,
    CredentialsMissing,
    CredentialsRejected,
    ProtectionIgnored,
    StoreError,
    WrongRegion,
)
from asyncload.model.values import Warned
from asyncload.operations.bucket import s3_options
from asyncload.operations.clock_check import check_clock, check_day
from asyncload.operations.doctor.examination import Examination, Finding
from asyncload.operations.doctor.traces import TracingStore
from asyncload.operations.requests import requests_limit
from asyncload.s3 import open_endpoint, open_store
from asyncload.s3.auth.identity import Identity
from asyncload.s3.endpoint import Endpoint
from asyncload.settings.run import Settings
from asyncload.store.retries import RetryPolicy

RETRIES = RetryPolicy(attempts=3, seconds=10.0, max_wait=2.0)
_CERTIFICATE_ENDS_SOON = timedelta(days=14)
_CREDENTIALS_END_SOON = timedelta(hours=1)
_SKEWED = "RequestTimeTooSkewed"
_REACHED = ("endpoint", "dns", "connection", "tls")


class Connection:
    """The checks on the way to a bucket.

    Args:
        examination: the checks made so far.
        settings: those of a run.
        now: this machine's time.
        warn: called with warnings of the store, and with waits for a person.
        stack: closes what is opened.
    """

    def __init__(
        self,
        examination: Examination,
        settings: Settings,
        now: datetime,
        warn: Callable[[Warned], None],
        stack: AsyncExitStack,
    ) -> None:
        self._examination = examination
        self._settings = settings
        self._now = now
        self._warn = warn
        self._stack = stack
        self._options = s3_options(settings)
        self._endpoint: Endpoint | None = None
        self._failure: AsyncloadError | None = None
        self.store: TracingStore | None = None

    async def check(self, prefix: str) -> None:
        """Make the checks; `prefix` is that of the run's keys."""
        check = self._examination.check
        if await check("endpoint", self._open_endpoint):
            assert self._endpoint is not None
            await self._check_endpoint(self._endpoint)
        # It may wait for a person, and ends by itself.
        await check("credentials", lambda: self._open(prefix), needs=("endpoint",), limited=False)
        needs: tuple[str, ...] = _REACHED
        if self.store is None:
            needs = (*needs, "credentials")
        await check("clock", self._clock, needs=needs)
        needs = (*_REACHED, "credentials", *(("clock",) if self._is_skewed else ()))
        await check("region", self._region, needs=needs)
        await check("bucket", self._bucket, needs=(*needs, "region"))
        if self._settings.expected_bucket_owner is not None:
            await check("owner", lambda: self._owner(prefix), needs=("bucket",))

    async def _open_endpoint(self) -> Finding:
        opening = open_endpoint(self._options)
        endpoint = self._endpoint = await self._stack.enter_async_context(opening)
        values = {"url": endpoint.url, "region": endpoint.region, "proxy": endpoint.proxy}
        by = f", through the proxy {endpoint.proxy}" if endpoint.proxy else ""
        return Finding(f"{endpoint.url}{by}", values=values)

    async def _check_endpoint(self, endpoint: Endpoint) -> None:
        host = f"the proxy {endpoint.host}" if endpoint.proxy else endpoint.host

        async def dns() -> Finding:
            found = await endpoint.resolve()
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            text = f"{host} has the address {found[0]}{more}"
            return Finding(text, values={"addresses": found})

        async def connection() -> Finding:
            await endpoint.connect()
            return Finding(f"{host} accepts connections on port {endpoint.port}")

        await self._examination.check("dns", dns)
        await self._examination.check("connection", connection, needs=("dns",))
        await self._examination.check(
            "tls", lambda: self._tls(endpoint), needs=("dns", "connection")
        )

    async def _tls(self, endpoint: Endpoint) -> Finding:
        if not endpoint.encrypted:
            return Finding("the endpoint is plain HTTP", mark="skipped")
        if endpoint.proxy:
            return Finding(
                "requests go through a proxy, and check it by themselves", mark="skipped"
            )
        version, expires = await endpoint.shake_hands()
        values = {"version": version, "expires": expires.isoformat()}
        text = f"{version}, the certificate is valid until {expires:%Y-%m-%d}"
        if expires - self._now < _CERTIFICATE_ENDS_SOON:
            fix = "ask the store's operator to renew the certificate"
            return Finding(text, fix, "warning", values)
        return Finding(text, values=values)

    async def _open(self, prefix: str) -> Finding:
        store = await self._stack.enter_async_context(open_store(self._options, self._warn))
        self.store = TracingStore(store, limit=requests_limit(self._settings), retries=RETRIES)
        identity = store.identity
        if identity is not None:
            key, short = identity.access_key, identity.short_key
            self._examination.hide_by(lambda text: text.replace(key, short))
        tried = self._examination.passed(*_REACHED)
        if tried:
            try:
                await self.store.check_bucket(prefix)
            except AsyncloadError as error:
                self._failure = error
        failure = self._failure
        rejected = isinstance(failure, CredentialsRejected) and not self._is_skewed
        if rejected or isinstance(failure, CredentialsMissing):
            raise failure  # type: ignore[misc]  # mypy does not follow `rejected`
        if identity is None:
            raise CredentialsMissing(
                "no AWS credentials were found",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a --profile, or give "
                "the machine or container a role",
            )
        return self._describe(identity, tried=tried)

    def _describe(self, identity: Identity, *, tried: bool) -> Finding:
        expires = identity.expires
        values = {
            "provider": identity.provider,
            "access_key": identity.short_key,
            "expires": expires.isoformat() if expires else None,
            "renewable": identity.renewable,
        }
        text = f"{identity.short_key} from {identity.provider}"
        if expires is not None:
            renewed = ", renewed before" if identity.renewable else ""
            text += f", valid until {expires:%Y-%m-%d %H:%M} UTC{renewed}"
        if not tried:
            text += "; not tried, because the store can't be reached"
        if expires is None or identity.renewable or expires - self._now > _CREDENTIALS_END_SOON:
            return Finding(text, values=values)
        fix = "get new credentials, or use a --profile or a role that renews them"
        return Finding(text, fix, "warning", values)

    @property
    def _is_skewed(self) -> bool:
        return isinstance(self._failure, StoreError) and self._failure.code == _SKEWED

    async def _clock(self) -> Finding:
        assert self.store is not None
        if self._failure is not None and self._is_skewed:
            raise self._failure
        offset = self.store.clock_offset
        if offset is None:
            return Finding("no answer of the store had a date", mark="skipped")
        check_day(self._settings, offset, self._now)
        values = {"seconds_behind": round(offset)}
        if warned := check_clock(offset, self._now):
            return Finding(warned.message, warned.hint, "warning", values)
        return Finding("agrees with the store's", values=values)

    async def _region(self) -> Finding:
        if isinstance(self._failure, WrongRegion):
            raise self._failure
        assert self._endpoint is not None
        return Finding(f"{self._endpoint.region}", values={"region": self._endpoint.region})

    async def _bucket(self) -> Finding:
        if self._failure is not None and not isinstance(self._failure, ProtectionIgnored):
            raise self._failure
        return Finding(f"{self._settings.bucket} answers")

    async def _owner(self, prefix: str) -> Finding:
        if self._failure is not None:
            raise self._failure
        assert self.store is not None
        # `check_bucket` ignores a denied listing, which a wrong owner causes as well.
        await self.store.list_objects(prefix, max_keys=1)
        return Finding(f"the bucket belongs to {self._settings.expected_bucket_owner}")
