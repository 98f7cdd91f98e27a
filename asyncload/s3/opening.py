"""Open a bucket: session, client and settings that differ from botocore's defaults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore import exceptions as boto

from asyncload.errors import CredentialsMissing, UsageError
from asyncload.model.suggestions import with_guess
from asyncload.model.values import Warned
from asyncload.s3.auth.chain import ChainSession
from asyncload.s3.auth.chain_messages import (
    Provider,
    explain_configuration,
    explaining,
    unreadable_file,
)
from asyncload.s3.auth.clock import SigningClock, sign_by
from asyncload.s3.auth.identity import identity_of
from asyncload.s3.auth.lending import Lender, borrow
from asyncload.s3.auth.patience import MACHINE_SECONDS, PERSON_SECONDS, Patience
from asyncload.s3.auth.watched import check_values
from asyncload.s3.client.logs import cap_loggers
from asyncload.s3.client.session import DirectSession
from asyncload.s3.client.tls import check_bundle
from asyncload.s3.dialect import Dialect
from asyncload.s3.fast.headers import check_headers
from asyncload.s3.fast.lane import FastLane, find_put_pattern
from asyncload.s3.hooks.core_session import ClientSession
from asyncload.s3.hooks.events import (
    check_before_sending,
    expect_nothing,
    make_put_request,
    take_every_answer,
)
from asyncload.s3.hooks.models import read_times_strictly, use_quick_models
from asyncload.s3.listings import read_entries_quickly
from asyncload.s3.options import S3Options
from asyncload.s3.responses import ResponseReader
from asyncload.s3.store import S3Store
from asyncload.s3.translate import Asked, translate
from asyncload.settings.endpoints import check_accelerated, check_endpoint, without_userinfo
from asyncload.store.protocol import CSV

if TYPE_CHECKING:
    from asyncload.s3.endpoint import Endpoint

_CONNECT_SECONDS = 5
_READ_SECONDS = 60
_CREDENTIALS_SECONDS = MACHINE_SECONDS
_PERSON_SECONDS = PERSON_SECONDS


def _ignore(_: Warned) -> None:
    """Ignore warnings; the default for `warn`."""


@asynccontextmanager
async def open_store(
    options: S3Options,
    warn: Callable[[Warned], None] = _ignore,
    *,
    lender: Lender | None = None,
) -> AsyncIterator[S3Store]:
    """Open the bucket as an `ObjectStore`. Raises as `open_client` does.

    Args:
        options: the bucket, and how to reach it.
        warn: called with warnings, for example about unsupported features or waits for a person.
        lender: lends the credentials of another process; None asks the AWS chain.
    """
    clock = SigningClock()
    async with _open(options, clock, warn, lender=lender) as (client, lane, _):
        yield S3Store(client, options, lane, clock, Dialect(options.checksum, warn))


@asynccontextmanager
async def open_client(options: S3Options) -> AsyncIterator[Any]:
    """Open aioboto3's low-level client with credentials from the standard AWS chain.

    Raises:
        UsageError: profile, region, endpoint or CA bundle can't be used.
        StoreRefused: no usable credentials were found.
    """
    async with _open(options, SigningClock()) as (client, *_):
        yield client


@asynccontextmanager
async def open_endpoint(options: S3Options) -> AsyncIterator[Endpoint]:
    """Open a bucket's endpoint as `open_store` does, but without credentials.

    Raises:
        UsageError: profile, region, endpoint, proxy or CA bundle can't be used.
        StoreRefused: the AWS configuration can't be used.
    """
    # Late: a run has no use for it.
    from asyncload.s3.endpoint import Endpoint

    clock = SigningClock()
    async with _open(options, clock, signed=False) as (client, _, session):
        try:
            # The client decides whether the bucket is part of the host.
            request = await make_put_request(client, options.bucket)
        except boto.BotoCoreError as error:
            asked = Asked("the first request", options.bucket, client.meta.endpoint_url)
            raise translate(error, asked, clock) from error
        yield Endpoint(
            request.url,
            bucket=options.bucket,
            region=client.meta.region_name,
            proxy=session.proxy_for(request.url),
            open_tls=session.open_tls,
        )


@asynccontextmanager
async def _open(
    options: S3Options,
    clock: SigningClock,
    warn: Callable[[Warned], None] = _ignore,
    *,
    signed: bool = True,
    lender: Lender | None = None,
) -> AsyncIterator[tuple[Any, FastLane | None, DirectSession]]:
    """Open client, fast lane and HTTP session. Raises as `open_client` does."""
    cap_loggers()
    capture = _CapturedSession(clock)
    patience = Patience(machine=_CREDENTIALS_SECONDS, person=_PERSON_SECONDS, warn=warn)
    async with AsyncExitStack() as stack:
        try:
            client, lane = await _connect(
                options, clock, capture, patience, stack, signed=signed, lender=lender
            )
        except boto.ProfileNotFound as error:
            if (unreadable := _unreadable_configuration()) is not None:
                raise unreadable from error
            raise UsageError(
                f"{'--profile' if options.profile else 'AWS_PROFILE'}: {error}",
                hint=with_guess(
                    error.kwargs["profile"],
                    AioSession().available_profiles,
                    "`aws configure list-profiles` lists the existing profiles",
                ),
            ) from error
        except boto.ConfigParseError as error:
            raise explain_configuration(error) from None
        except (ValueError, boto.InvalidRegionError) as error:
            raise UsageError(
                f"--endpoint-url or --region can't be used: {without_userinfo(str(error))}"
            ) from error
        except (boto.BotoCoreError, boto.ClientError) as error:
            endpoint = options.endpoint_url or "the AWS endpoint"
            asked = Asked("the first request", options.bucket, endpoint)
            raise translate(error, asked, clock) from error
        yield client, lane, capture.session


async def _connect(
    options: S3Options,
    clock: SigningClock,
    capture: _CapturedSession,
    patience: Patience,
    stack: AsyncExitStack,
    *,
    signed: bool,
    lender: Lender | None,
) -> tuple[Any, FastLane | None]:
    core = ChainSession(
        options.profile,
        allow_http=options.allow_http,
        authorities=options.ca_bundle,
        secrets=clock.secrets,
        patience=patience,
    )
    use_quick_models(core)
    read_times_strictly(core)
    session = ClientSession(botocore_session=core, region_name=options.region)
    if options.ca_bundle is not None:
        check_bundle(options.ca_bundle, named="--ca-bundle")
    if options.endpoint_url is None:
        # Before requesting credentials: a forbidden S3 endpoint must be rejected before any token
        # is sent.
        core.check_configured_endpoint("s3")
    if lender is not None:
        core.use_credentials(borrow(lender))
    credentials = await _find_credentials(core, clock, patience) if signed else None
    # botocore caches the credentials of assumed roles and expires them by its own clock; all
    # providers share one cache.
    cache = core.get_component("credential_provider").get_provider("assume-role").cache
    clock.renewal.renew_by(credentials, cache.clear, seconds=_CREDENTIALS_SECONDS + _PERSON_SECONDS)
    client = await stack.enter_async_context(
        session.client(
            "s3",
            endpoint_url=options.endpoint_url,
            # None: AWS_CA_BUNDLE, the AWS configuration, or botocore's own.
            verify=options.ca_bundle and str(options.ca_bundle),
            config=_config(options, capture, signed=signed),
        )
    )
    # Checked however the endpoint was configured.
    check_endpoint(
        client.meta.endpoint_url,
        allow_http=options.allow_http,
        named="the endpoint of the AWS configuration",
    )
    if options.accelerate:
        check_accelerated(client.meta.endpoint_url)
    take_every_answer(client)
    expect_nothing(client)
    # A line break in a header value would start another header.
    check_before_sending(client, check_headers)
    sign_by(clock, client)
    read_entries_quickly(client)
    secure = client.meta.endpoint_url.startswith("https")
    capture.session.plain = not secure
    capture.session.rate = options.rate
    if options.rate is not None:
        options.rate.sent_in_slices = True
    if secure and capture.session.bundle is not None:
        check_bundle(capture.session.bundle, named="AWS_CA_BUNDLE")
    configured = client.meta.config.s3 or {}
    # TLS and the signed CRC64NVME protect the body; a SHA-256 would only cost time. But some bucket
    # policies require it, and the AWS configuration can.
    demanded = configured.get("payload_signing_enabled") is True
    sign_payload = (demanded or not secure) and not options.unsigned_payload
    client.meta.config.s3 = configured | {"payload_signing_enabled": sign_payload}
    return client, await _open_lane(client, credentials, capture, options, sign_payload, clock)


async def _find_credentials(core: ChainSession, clock: SigningClock, patience: Patience) -> Any:
    """Return the credentials of the AWS chain after fetching them; None if there are none.

    Raises:
        CredentialsMissing: they could not be fetched, or can't be used.
    """
    chain = Provider("the AWS credential chain", core.profile_name, core.full_config)
    async with patience.for_machine(chain.name):
        with explaining(chain, clock.secrets):
            credentials = await core.get_credentials()
            if credentials is None:
                if (unreadable := _unreadable_configuration()) is not None:
                    raise unreadable
                return None
            frozen = await credentials.get_frozen_credentials()
    found = chain._replace(method=credentials.method)
    check_values(frozen._asdict(), found)
    clock.secrets.add(frozen)
    clock.identity = identity_of(credentials, found.name, frozen.access_key)
    return credentials


def _unreadable_configuration() -> CredentialsMissing | None:
    # A session without a profile, because the profile may not exist.
    core = AioSession()
    variables = {
        "config_file": "AWS_CONFIG_FILE",
        "credentials_file": "AWS_SHARED_CREDENTIALS_FILE",
    }
    return unreadable_file(
        {named: core.get_config_variable(name) for name, named in variables.items()}
    )


async def _open_lane(
    client: Any,
    credentials: Any,
    capture: _CapturedSession,
    options: S3Options,
    sign_payload: bool,
    clock: SigningClock,
) -> FastLane | None:
    if not options.fast_lane or credentials is None:
        return None
    pattern = await find_put_pattern(
        client, options.bucket, **options.objects.arguments(CSV), **options.in_each_request
    )
    if pattern is None or capture.session.uses_proxy(pattern.base_url):
        return None
    return FastLane(
        capture.session,
        credentials,
        base_url=pattern.base_url,
        region=pattern.region,
        user_agent=client.meta.config.user_agent,
        put_headers=pattern.put_headers,
        part_headers=pattern.part_headers,
        sign_payload=sign_payload,
        clock=clock,
        responses=ResponseReader(client),
    )


class _CapturedSession:
    """Makes the client's HTTP session, and keeps it for the fast lane."""

    session: DirectSession

    def __init__(self, clock: SigningClock) -> None:
        self._clock = clock

    def __call__(self, **options: Any) -> DirectSession:
        self.session = DirectSession(keep_secret=self._clock.secrets.add_password, **options)
        return self.session


def _config(options: S3Options, make_session: _CapturedSession, *, signed: bool) -> AioConfig:
    s3: dict[str, Any] = {}
    # `auto` leaves the choice to the AWS configuration.
    if options.addressing_style != "auto":
        s3["addressing_style"] = options.addressing_style
    if options.accelerate:
        s3["use_accelerate_endpoint"] = True
    return AioConfig(
        # None leaves the choice to botocore and the AWS configuration.
        signature_version=None if signed else UNSIGNED,
        # Retries are made only by `store.retries`.
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=options.connections,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        # Our CRC64NVME is the checksum; botocore need not add its own.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra=options.user_agent,
        s3=s3 or None,
        http_session_cls=make_session,
    )
