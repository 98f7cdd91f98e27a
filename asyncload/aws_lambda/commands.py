"""The commands that an event may name. Each is a row of `COMMANDS`."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from asyncload.aws_lambda.events import Event
from asyncload.errors import UsageError
from asyncload.model.values import Event as RunEvent
from asyncload.operations.collect import collect
from asyncload.operations.load import load
from asyncload.reporting.records import collect_totals, run_totals
from asyncload.reporting.report import Report
from asyncload.settings.container import PROCESS, WORKER, memory_of
from asyncload.settings.run import (
    AUTO,
    MIN_DEADLINE,
    Settings,
    checked_memory,
    dates_of,
    find_timezone,
    resolve_date,
    resolve_moment,
)

_MIB = 1024 * 1024


class Context(Protocol):
    """The parts of Lambda's context object that are used."""

    aws_request_id: str
    memory_limit_in_mb: str

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation, in milliseconds."""


class Work(NamedTuple):
    """A command with valid options, ready to start.

    Args:
        found: its word for one object to store.
        notice: a text to log; "" for none.
        bucket: the bucket.
        report: counts the events.
        start: starts it with an observer, and returns the coroutine to run.
        totals: returns its fields of the summary.
    """

    found: str
    notice: str
    bucket: str
    report: Report
    start: Callable[[Callable[[RunEvent], None]], Coroutine[Any, Any, Report]]
    totals: Callable[[], Mapping[str, Any]]


def _run(event: Event, context: Context) -> Work:
    settings = _within_limits(event.arguments.settings(), event, context)
    report = Report(bucket=settings.bucket)
    return Work(
        "file",
        "",
        settings.bucket,
        report,
        lambda observer: load(settings, observer=observer),
        lambda: run_totals(report),
    )


def _collect(event: Event, context: Context) -> Work:
    given = event.arguments.collect_settings()
    settings = replace(given, target=_within_limits(given.target, event, context))
    report = Report(bucket=settings.target.bucket)
    environment = dict(os.environ)
    return Work(
        "answer",
        settings.api.notice,
        settings.target.bucket,
        report,
        lambda observer: collect(settings, environment=environment, observer=observer),
        lambda: collect_totals(report),
    )


COMMANDS: Mapping[str, Callable[[Event, Context], Work]] = {"run": _run, "collect": _collect}
"""Prepares each command; raises a UsageError if its options are invalid."""


def _within_limits(settings: Settings, event: Event, context: Context) -> Settings:
    """Return the settings of an event for the time and the memory that the function has.

    Raises:
        UsageError: the function has too little time or memory.
    """
    given = event.arguments.values.get("memory", AUTO)
    # Control groups don't show the function's memory.
    processes = settings.processes if isinstance(settings.processes, int) else 1
    left = _memory_of(context) * _MIB - PROCESS - (processes - 1) * WORKER
    if isinstance(settings.concurrency, int):
        left -= memory_of(settings.max_requests, encrypted=settings.encrypted)
    asked_for = AUTO if given == AUTO else settings.memory
    seconds = max(0, context.get_remaining_time_in_millis() // 1000)
    if seconds < MIN_DEADLINE:
        raise UsageError(
            f"the function has {seconds} s left, but asyncload needs at least {MIN_DEADLINE} s",
            hint="set the function's timeout to its maximum, 900 s",
        )
    return replace(
        settings,
        processes=processes,
        deadline=min(seconds, settings.deadline or seconds),
        memory=min(settings.memory, checked_memory(asked_for, max(0, left), "this function")),
        **_by_logical_time(settings, event),
    )


def _memory_of(context: Context) -> int:
    """Return the memory of the function, in MiB.

    Raises:
        UsageError: neither Lambda's context nor its environment says it.
    """
    given = getattr(context, "memory_limit_in_mb", None)
    given = given or os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if not given:
        raise UsageError(
            "the function's memory is not known: the context has no memory_limit_in_mb",
            hint="pass the context of AWS Lambda's runtime, or set "
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE to a number of MiB",
        )
    return int(given)


def _by_logical_time(settings: Settings, event: Event) -> dict[str, Any]:
    """Return the options that depend on the time, so that a repeated invocation has the same."""
    if event.time is None:
        return {}
    zone = find_timezone(settings.timezone)
    try:
        time = event.time.astimezone(zone)
    except OverflowError as error:
        raise UsageError(
            f"event: time: {event.time.isoformat()} is in no year of {settings.timezone}",
            hint="give the time of the schedule, such as 2022-05-02T06:00:00Z",
        ) from error
    found = {}
    if dates_of(settings) is None:
        found["date"] = resolve_date(settings.date, time).isoformat()
    if settings.modified_since is not None:
        since = resolve_moment(settings.modified_since, time, zone)
        found["modified_since"] = datetime.fromtimestamp(since, zone).isoformat()
    return found
