"""Collect answers of an HTTP API into the raw zone: byte for byte, each one once for a date."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from asyncload.bucket.listing import list_partitions
from asyncload.errors import AccessDenied, ApiError, Interrupted, RequestRejected
from asyncload.model.reserved import SUCCESS_MARKER
from asyncload.model.values import ApiRequestsMade, ObjectKey, Warned
from asyncload.model.version import VERSION
from asyncload.operations.bucket import Stores, s3_options
from asyncload.operations.observing import check_arguments
from asyncload.operations.probing import probe_store
from asyncload.operations.readback import ReadBack
from asyncload.operations.run import Run, new_run_id, utc_now
from asyncload.operations.running import policy_of, run_recorded
from asyncload.operations.walk import Stopping, Walk
from asyncload.planning.plan import PUT_LIMIT
from asyncload.reporting.manifest import describe_settings
from asyncload.reporting.report import Report
from asyncload.reporting.success_markers import SuccessMarkers
from asyncload.s3 import (
    Secrets,
    check_bundle,
    never_repeat,
    open_store,
    proxies_of_environment,
)
from asyncload.s3.kept_secrets import read_secret
from asyncload.settings.collect import CollectSettings
from asyncload.source.web.description import SINCE, Query
from asyncload.source.web.fetching import RETRIES, WebClient, WebTraffic, open_session
from asyncload.source.web.pace import Pace
from asyncload.source.web.requests import Asking
from asyncload.source.web.tokens import check_token, read_local
from asyncload.store.protocol import ObjectStore
from asyncload.store.retries import RetryPolicy
from asyncload.transfer import PutTools
from asyncload.transfer.pipeline import Observer

_USER_AGENT = f"asyncload/{VERSION}"
# The last complete collection is looked for on so many days before the run's date.
_DAYS_BACK = 30
_ONE_DAY = timedelta(days=1)
_NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})


async def collect(
    settings: CollectSettings,
    *,
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
    observer: Observer | None = None,
    report: Report | None = None,
    now: datetime | None = None,
    interruption: Callable[[], Interrupted] = Interrupted,
) -> Report:
    """Request the answers of an API that are not in the bucket for the date, and store them.

    Args:
        settings: the API, the queries, the bucket and all options.
        environment: variables that a token can be in, such as `os.environ`.
        observer: called with each event of the run, in the event loop; must neither block nor be a
            coroutine function. If it raises an error, the run ends.
        report: an empty one to count the run in, so that the totals can be read during the run and
            after an error; None for one that is only returned.
        now: the time from which `today` and `yesterday` are computed; None for the current time.
        interruption: returns the error to record for a cancelled run.

    Returns:
        The run's totals. Failed answers raise nothing; they are in `Report.failures`.

    Raises:
        UsageError: a setting is invalid, or the token is missing or malformed.
        UnknownName: the API knows no such person or genre.
        Refused: the token, credentials, permission, bucket, region, or a clock with a wrong date;
            see its subclasses.
        ServerError: the store failed to answer a request, after all retries.
        StoreUnavailable: the store can't be reached, or became unavailable during the run.
        ApiUnavailable: the API did not answer some requests, after all retries.
        DeadlineReached: the run stopped before the deadline, with answers left to collect.
        RequestLimitReached: the run stopped at `max_requests`, with answers left to collect.
        ObserverFailed: the observer raised an error, which is the cause.
    """
    run = _begin(settings, observer, report, now, interruption)
    secrets = Secrets()
    async with run.deadline.enforced(), AsyncExitStack() as stack:
        token = await _find_token(settings, environment, secrets)
        options = s3_options(settings.target)._replace(rate=run.requests.rate)
        store = await stack.enter_async_context(open_store(options, run.observe))
        return await _collect(store, run, settings, token, secrets)


async def collect_into(
    store: ObjectStore,
    settings: CollectSettings,
    *,
    environment: Mapping[str, str] = _NO_ENVIRONMENT,
    observer: Observer | None = None,
    now: datetime | None = None,
    retries: RetryPolicy | None = None,
    api_retries: RetryPolicy = RETRIES,
) -> Report:
    """Do the same as `collect`, into a store that is already open."""
    run = _begin(settings, observer, None, now, Interrupted)
    secrets = Secrets()
    async with run.deadline.enforced():
        token = await _find_token(settings, environment, secrets)
        return await _collect(store, run, settings, token, secrets, retries, api_retries)


def _begin(
    settings: CollectSettings,
    observer: Observer | None,
    report: Report | None,
    now: datetime | None,
    interruption: Callable[[], Interrupted],
) -> Run:
    check_arguments("collect", settings, observer, CollectSettings)
    started = now or utc_now()
    return Run(
        settings.target,
        policy_of(settings.target, new_run_id(started), started),
        Report() if report is None else report,
        observer,
        started,
        interruption,
        by_clock=now is None,
        command="collect",
        described=describe_collection(settings),
    )


def describe_collection(settings: CollectSettings) -> dict[str, Any]:
    """Return all settings in JSON types; they say where the token is kept, and not what it is."""
    described = describe_settings(settings.target)
    del described["volume"]
    return described | {
        "source": settings.api.name,
        "api_url": settings.api.base_url,
        "rate": settings.api.rate,
        "token": None if settings.token is None else str(settings.token),
        "refresh": settings.refresh,
        "max_requests": settings.max_requests,
        "max_results": settings.max_results,
        "max_answer": settings.max_answer,
        "queries": [_describe_query(query) for query in settings.queries],
    }


def _describe_query(query: Query) -> dict[str, Any]:
    return {
        "spec": query.spec,
        "path": query.path,
        "params": dict(query.params),
        "detail": [_describe_query(detail) for detail in query.details],
    }


async def _find_token(
    settings: CollectSettings, environment: Mapping[str, str], secrets: Secrets
) -> str | None:
    """Return the token, and keep it out of all texts; None if the API needs none."""
    reference = settings.token
    if reference is None:
        return None
    if reference.place == "env" or reference.place == "file":  # noqa: PLR1714  # narrows the type
        token = read_local(reference, environment)
    else:
        options = s3_options(settings.target)
        text = await read_secret(reference.place, reference.name, options, secrets)
        token = check_token(text, reference)
    secrets.add_value(token, min_length=1)
    return token


async def _collect(
    store: ObjectStore,
    run: Run,
    settings: CollectSettings,
    token: str | None,
    secrets: Secrets,
    retries: RetryPolicy | None = None,
    api_retries: RetryPolicy = RETRIES,
) -> Report:
    api, traffic = settings.api, WebTraffic()
    stopping = Stopping(run.deadline, traffic, settings.max_requests)
    headers = {} if token is None else {api.header: api.scheme.replace("{token}", token)}
    proxies = proxies_of_environment(secrets.add_password)
    session = open_session(settings.answers_at_once, _tls(settings), _USER_AGENT)
    async with session as requests:
        never_repeat(requests)
        client = WebClient(
            session=requests,
            base_url=api.base_url,
            headers=headers,
            pace=Pace(api.rate),
            redact=secrets.redact,
            may_start=stopping.check,
            max_size=settings.max_answer,
            retries=api_retries,
            proxy_for=proxies.proxy_url_for,
            traffic=traffic,
            tell_throttled=lambda error: run.observe(_throttled(error)),
        )
        work = partial(_walk, run, settings, client, stopping, secrets)
        return await run_recorded(store, run, work, retries)


async def _walk(
    run: Run,
    settings: CollectSettings,
    client: WebClient,
    stopping: Stopping,
    secrets: Secrets,
    stores: Stores,
) -> None:
    target, observe = settings.target, run.observe
    run.markers = SuccessMarkers(run.layout, stores.most, observe)
    run.add_observer(run.markers.observe)
    policy = await probe_store(stores.probing, target, run.policy, utc_now(), observe)
    day = run.layout.date
    assert day is not None, "a collection has one date"
    asking = Asking(settings.api, day, settings.max_results)
    first = [
        request
        for query in settings.queries
        for request in asking.begin(query, await _find_since(query, day, run, stores.most))
    ]
    planned = {run.layout.partition_of(f"{spec}/") for spec in _specs(settings)}
    key_index = await list_partitions(sorted(planned), stores.most)
    if not settings.refresh:
        run.markers.listed = key_index
    written = ReadBack(target, PUT_LIMIT, policy.lock)
    run.add_observer(written.observe)
    walk = Walk(
        asking=asking,
        client=client,
        layout=run.layout,
        key_index=key_index,
        put_tools=partial(
            PutTools, store=stores.files, policy=policy, before_change=run.markers.before_change
        ),
        reading=stores.most,
        observe=observe,
        stopping=stopping,
        mask=secrets.mask,
        refresh=settings.refresh,
    )
    try:
        await walk.run(first, settings.answers_at_once)
    finally:
        observe(ApiRequestsMade(client.traffic.requests, client.traffic.retries))
    for warned in await written.check(stores.probing):
        observe(warned)
    await run.markers.write(sorted(walk.partitions), policy)
    if walk.unavailable is not None:
        raise walk.unavailable


def _throttled(error: ApiError) -> Warned:
    return Warned(
        f"{error.message}: requests wait until the API serves them again",
        "each is repeated for up to 5 minutes; use a lower --rate if this happens often",
    )


def _specs(settings: CollectSettings) -> set[str]:
    return {each.spec for query in settings.queries for each in query.tree()}


def _tls(settings: CollectSettings) -> ssl.SSLContext:
    """Return a TLS context that trusts the system's authorities, and those of --ca-bundle."""
    if settings.api.base_url.startswith("http:"):
        # Not used, and reading the system's authorities takes long.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    if settings.target.ca_bundle is not None:
        check_bundle(settings.target.ca_bundle, named="--ca-bundle")
        context.load_verify_locations(settings.target.ca_bundle)
    return context


async def _find_since(query: Query, day: date, run: Run, store: ObjectStore) -> date | None:
    """Return the date of the last complete collection of a query's dataset before the run's date.

    The day before the run's date if there was none; None if the query does not need it.
    """
    if SINCE not in query.placeholders:
        return None
    for back in range(1, _DAYS_BACK + 1):
        earlier = day - timedelta(days=back)
        partition = replace(run.layout, date=earlier).partition_of(f"{query.spec}/")
        key = ObjectKey(f"{partition}{SUCCESS_MARKER}")
        try:
            if await store.head(key) is not None:
                return earlier
        except (AccessDenied, RequestRejected) as error:
            run.observe(
                Warned(
                    f"the last complete collection is unknown: {error.message}",
                    f"allow s3:GetObject on keys that end in {SUCCESS_MARKER}; changes of the last "
                    "24 hours are collected",
                )
            )
            break
    return day - _ONE_DAY
