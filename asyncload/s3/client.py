"""Open a bucket: session, client and what is to be different from botocore's defaults."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import exceptions as boto

from asyncload.errors import UsageError
from asyncload.s3.clock import SigningClock, sign_by
from asyncload.s3.lane import FastLane, find_signing_scope
from asyncload.s3.models import use_quick_models
from asyncload.s3.session import DirectSession
from asyncload.s3.store import S3Store
from asyncload.s3.translate import translate

_CONNECT_SECONDS = 5
_READ_SECONDS = 60


@dataclass(frozen=True, slots=True)
class S3Options:
    """Which bucket, and how to reach it. None leaves a choice to the standard AWS chain.

    `connections` is the most requests that will be in flight. `unsigned_payload` leaves the
    body's SHA-256 out of signatures on plain HTTP, as is done on HTTPS anyway. `fast_lane` sends
    puts and parts past the generic client.
    """

    bucket: str
    connections: int
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    user_agent: str = "asyncload"
    unsigned_payload: bool = False
    fast_lane: bool = True


@asynccontextmanager
async def open_store(options: S3Options) -> AsyncIterator[S3Store]:
    """Open the bucket as an `ObjectStore`. Raises as `open_client` does."""
    clock = SigningClock()
    async with _open(options, clock) as (client, lane):
        yield S3Store(client, options.bucket, lane, clock)


@asynccontextmanager
async def open_client(options: S3Options) -> AsyncIterator[Any]:
    """Open aioboto3's low-level client with credentials from the standard AWS chain.

    Raises:
        UsageError: profile, region or endpoint can't be used.
        StoreRefused: there are no usable credentials.
    """
    async with _open(options, SigningClock()) as (client, _):
        yield client


@asynccontextmanager
async def _open(
    options: S3Options, clock: SigningClock
) -> AsyncIterator[tuple[Any, FastLane | None]]:
    """Open client and fast lane, both signing by `clock`.

    Raises:
        UsageError: profile, region or endpoint can't be used.
        StoreRefused: there are no usable credentials.
    """
    _cap_loggers()
    capture = _CapturedSession()
    async with AsyncExitStack() as stack:
        try:
            session = _open_session(options)
            client = await stack.enter_async_context(
                session.client(
                    "s3", endpoint_url=options.endpoint_url, config=_config(options, capture)
                )
            )
            client.meta.events.register_first("needs-retry.s3", _take_redirect_as_answer)
            client.meta.events.register_last("before-call.s3", _expect_nothing)
            sign_by(clock, client)
            # TLS and the signed CRC64NVME protect the body; a SHA-256 would only cost time.
            secure = client.meta.endpoint_url.startswith("https")
            capture.session.plain = not secure
            sign_payload = not (secure or options.unsigned_payload)
            client.meta.config.s3 = (client.meta.config.s3 or {}) | {
                "payload_signing_enabled": sign_payload
            }
            lane = await _open_lane(client, session, capture, options, sign_payload, clock)
        except boto.ProfileNotFound as error:
            raise UsageError(
                f"--profile: {error}", hint="`aws configure list-profiles` names those there are"
            ) from error
        except (ValueError, boto.InvalidRegionError) as error:
            raise UsageError(f"--endpoint-url or --region can't be used: {error}") from error
        except boto.BotoCoreError as error:
            endpoint = options.endpoint_url or "the AWS endpoint"
            raise translate(
                error, "the first request", options.bucket, endpoint, now=clock.now()
            ) from error
        yield client, lane


class _ClientSession(aioboto3.Session):  # type: ignore[misc]  # aioboto3 is untyped
    def _register_default_handlers(self) -> None:
        """Add no methods for files to the client: we use none, and their imports take long."""


def _open_session(options: S3Options) -> aioboto3.Session:
    session = AioSession(profile=options.profile)
    use_quick_models(session)
    return _ClientSession(botocore_session=session, region_name=options.region)


async def _open_lane(
    client: Any,
    session: Any,
    capture: _CapturedSession,
    options: S3Options,
    sign_payload: bool,
    clock: SigningClock,
) -> FastLane | None:
    credentials = await session.get_credentials()
    if not options.fast_lane or credentials is None:
        return None
    scope = await find_signing_scope(client, options.bucket)
    if scope is None:
        return None
    base_url, region = scope
    return FastLane(
        capture.session,
        credentials,
        base_url=base_url,
        region=region,
        user_agent=client.meta.config.user_agent,
        sign_payload=sign_payload,
        clock=clock,
    )


class _CapturedSession:
    """Makes the client's HTTP session, and keeps it for the fast lane."""

    session: DirectSession

    def __call__(self, **options: Any) -> DirectSession:
        self.session = DirectSession(**options)
        return self.session


def _config(options: S3Options, make_session: _CapturedSession) -> AioConfig:
    return AioConfig(
        # One owner of retries: `calls.RetryPolicy`.
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=options.connections,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        # The CRC64NVME that we send is the checksum; botocore need not add its own.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra=options.user_agent,
        http_session_cls=make_session,
    )


def _take_redirect_as_answer(response: Any, **_: Any) -> None:
    """Keep botocore from asking again elsewhere: where data goes is the user's decision."""
    if response is None:
        return
    http, parsed = response
    code = parsed.get("Error", {}).get("Code")
    if 300 <= http.status_code < 400 or code == "AuthorizationHeaderMalformed":
        raise boto.ClientError(parsed, "")


def _expect_nothing(params: dict[str, Any], **_: Any) -> None:
    """Send no `Expect: 100-continue`: a server that never answers it would hang the call."""
    params["headers"].pop("Expect", None)


def _cap_loggers() -> None:
    """Keep the libraries from writing session tokens to a debug log."""
    for name in ("aioboto3", "aiobotocore", "boto3", "botocore", "aiohttp"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
