"""What an event may say, and what it is told otherwise."""

from __future__ import annotations

import pytest

from asyncload.aws_lambda.commands import COMMANDS
from asyncload.aws_lambda.events import read_event
from asyncload.errors import UsageError
from asyncload.planning.plan import MIB
from tests.aws_lambda.conftest import Context

BASE = {"command": "run", "bucket": "lake", "volume": "/mnt/exports"}


def settings_of(event, environ=None, context=None):
    """The settings that an invocation would run with, by its event and its environment."""
    read = read_event(BASE | event, environ or {}, COMMANDS)
    work = COMMANDS[read.command](read, context or Context())
    loading = work.start(lambda _: None)
    try:
        return loading.cr_frame.f_locals["settings"]
    finally:
        loading.close()


def refusal_of(event, environ=None, context=None):
    with pytest.raises(UsageError) as refused:
        settings_of(event, environ, context)
    return refused.value


def test_options_are_those_of_the_settings_file():
    """By the names of their flags, with the types of JSON."""
    settings = settings_of(
        {
            "date": "2022-05-02",
            "success-marker": True,
            "concurrency": 8,
            "memory": "32MiB",
            "min-age": "5m",
            "exclude": ["a*", "b*"],
            "include": "*.csv",
            "dataset": {"films_*": "Movies"},
            "tag": ["team=data"],
        }
    )
    assert (settings.bucket, str(settings.volume)) == ("lake", "/mnt/exports")
    assert (settings.date, settings.success_marker, settings.concurrency) == ("2022-05-02", True, 8)
    assert (settings.memory, settings.min_age) == (32 * MIB, 300)
    assert (settings.exclude, settings.include) == (("a*", "b*"), ("*.csv",))
    assert settings.datasets == (("films_*", "Movies"),)
    assert settings.tags == {"team": "data"}


def test_the_environment_gives_what_the_event_does_not():
    """As on the command line: several values are separated by spaces, empty is not set."""
    environ = {
        "ASYNCLOAD_LAYER": "Variable",
        "ASYNCLOAD_ORIGIN": "Variable",
        "ASYNCLOAD_FORMAT": "",
        "ASYNCLOAD_CONCURRENCY": "4",
        "ASYNCLOAD_EXCLUDE": "a* b*",
        "ASYNCLOAD_TAG": "a=1 b=2",
        "ASYNCLOAD_TRUST": "size,mtime",
        "ASYNCLOAD_ALLOW_EMPTY": "Yes",
        "ASYNCLOAD_FAST_LANE": "0",
        "ASYNCLOAD_QUIET": "nonsense of another command's",
        "AWS_REGION": "eu-central-1",
    }
    settings = settings_of({"layer": "Event"}, environ)
    assert (settings.layer, settings.origin, settings.format) == ("Event", "Variable", "CSV")
    assert (settings.concurrency, settings.exclude) == (4, ("a*", "b*"))
    assert (settings.tags, settings.trust) == ({"a": "1", "b": "2"}, ("size", "mtime"))
    assert (settings.allow_empty, settings.fast_lane) == (True, False)
    assert settings.region == "eu-central-1"


def test_an_invalid_variable_is_named():
    """Its value alone would not say where it came from."""
    error = refusal_of({}, {"ASYNCLOAD_OVERWRITE": "perhaps"})
    assert error.message == "variable ASYNCLOAD_OVERWRITE: 'perhaps' is not a boolean"
    error = refusal_of({}, {"ASYNCLOAD_MEMORY": "much"})
    assert error.message == (
        "--memory: 'much' is not a valid size\n  --memory comes from variable ASYNCLOAD_MEMORY"
    )


USE = "use one of: acl, addressing-style, "


@pytest.mark.fault("T7")
@pytest.mark.parametrize(
    ("event", "message", "hint"),
    [
        ([], "the event must be an object, not an array", 'for example {"command": "run"}'),
        (None, "the event must be an object, not null", 'for example {"command": "run"}'),
        ({"Records": []}, "event: command is missing", "add it (collect or run). Only the input"),
        (
            {"command": "runn"},
            "event: 'runn' is not a command",
            "did you mean run? use collect or run",
        ),
        ({"command": "verify"}, "event: 'verify' is not a command", "use collect or run"),
        ({"command": 5}, "event: 5 is not a command", "use collect or run"),
        (BASE | {"buket": "x"}, "event: unknown option 'buket'", f"did you mean bucket? {USE}"),
        (BASE | {"tiem": "x"}, "event: unknown option 'tiem'", f"did you mean time? {USE}"),
        (BASE | {"colour": "x"}, "event: unknown option 'colour'", USE),
        (
            BASE | {"success_marker": True},
            "event: unknown option 'success_marker'",
            "options have the names of their flags: success-marker",
        ),
        (BASE | {"yes": True}, "event: yes can't be used with run on AWS Lambda", USE),
        (BASE | {"traces": True}, "event: traces can't be used with run", "run the load in a "),
        (BASE | {"log-format": "json"}, "event: log-format can't be used with run", "omit it: "),
        (BASE | {"older-than": "1h"}, "event: older-than can't be used with run", USE),
        (
            BASE | {"aws_secret_access_key": "x"},
            "event: aws_secret_access_key: an event must not hold secrets",
            "credentials come from the function's role",
        ),
        (
            BASE | {"memory": 1.5},
            "event: memory must be a size, such as 64MiB, or an integer in bytes, not a decimal",
            "",
        ),
        (BASE | {"concurrency": True}, "event: concurrency must be auto, or an integer", ""),
        (
            BASE | {"overwrite": "true"},
            "event: overwrite must be true or false, not a string",
            'write it without quotes: "overwrite": true',
        ),
        (BASE | {"profile": None}, "event: profile must be a string, not null", ""),
        (BASE | {"layer": {"a": "b"}}, "event: layer must be a string, not an object", ""),
        (
            BASE | {"tag": {"a": 1}},
            "event: tag must be an object of strings, or an array of KEY=VALUE, but contains an",
            "put each value in quotes",
        ),
        (BASE | {"layer": ""}, "event: layer is empty", "set a value, or remove the setting"),
        (
            BASE | {"command": "collect", "query": {}},
            "event: query must be an array, not an object",
            "see docs/how-to/collect.md",
        ),
        (BASE | {"query": []}, "event: unknown option 'query'", USE),
        (
            {"command": "collect", "source": 5},
            "event: source must be a string, not an integer",
            "",
        ),
        (BASE | {"files-from": "-"}, "event: files-from: AWS Lambda has no standard", "give"),
        (
            {"command": "run", "volume": "/mnt/x"},
            "event: bucket is missing",
            "add it, or set ASYNCLOAD_BUCKET in the function's environment",
        ),
        (
            {"command": "run", "bucket": "lake"},
            "event: volume is missing",
            "add it, or set ASYNCLOAD_VOLUME in the function's environment",
        ),
        (
            BASE | {"time": "<aws.scheduler.scheduled-time>"},
            "event: time is '<aws.scheduler.scheduled-time>' itself",
            "only EventBridge Scheduler replaces it",
        ),
        (BASE | {"time": "noon"}, "event: time: 'noon' is not a valid time", "use "),
        (BASE | {"time": 5}, "event: time: 5 is not a valid time", "use "),
        (
            BASE | {"time": "2022-05-02T05:00:00"},
            "event: time: '2022-05-02T05:00:00' has no time zone",
            "use ",
        ),
    ],
)
def test_a_wrong_event_is_refused_with_what_to_do(event, message, hint):
    """Before anything is done; the nearest known name is told."""
    with pytest.raises(UsageError) as refused:
        read_event(event, {}, COMMANDS)
    assert refused.value.message.startswith(message)
    assert refused.value.hint.startswith(hint)


@pytest.mark.fault("T6")
@pytest.mark.parametrize(
    ("event", "date"),
    [
        ({"time": "2022-05-02T05:00:00Z"}, "2022-05-02"),
        ({"time": "2022-05-02T05:00:00Z", "date": "yesterday"}, "2022-05-01"),
        ({"time": "2022-05-02T05:00:00Z", "date": "2021-01-01"}, "2021-01-01"),
        ({"time": "2022-05-02T02:00:00Z", "timezone": "America/Sao_Paulo"}, "2022-05-01"),
        ({"time": "2022-05-01T23:30:00-03:00"}, "2022-05-02"),
        ({}, "today"),
        ({"time": "2022-05-02T05:00:00Z", "date": "mtime"}, "mtime"),
        ({"time": "2022-05-02T05:00:00Z", "date-from": "{date:%Y-%m-%d}"}, "today"),
    ],
)
def test_the_date_is_that_of_the_logical_time(event, date):
    """In the time zone of the option, so that a repetition after midnight has the same."""
    assert settings_of(event).date == date


@pytest.mark.parametrize(
    ("since", "moment"),
    [
        ("yesterday", "2022-05-01T00:00:00-03:00"),
        ("24h", "2022-05-01T02:00:00-03:00"),
        ("2022-04-30", "2022-04-30T00:00:00-03:00"),
    ],
)
def test_modified_since_counts_from_the_logical_time(since, moment):
    """A late repetition selects the same files."""
    zone = {"timezone": "America/Sao_Paulo"}
    settings = settings_of({"time": "2022-05-02T05:00:00Z", "modified-since": since} | zone)
    assert settings.modified_since == moment


@pytest.mark.parametrize(
    ("time", "zone"),
    [("9999-12-31T23:59:59Z", "Asia/Tokyo"), ("0001-01-01T00:00:00Z", "America/New_York")],
)
def test_a_time_out_of_the_calendar_is_refused(time, zone):
    """In the time zone of the option it would be in no year."""
    error = refusal_of({"time": time, "timezone": zone})
    assert error.message.startswith(f"event: time: {time[:19]}")
    assert error.message.endswith(f" is in no year of {zone}")


@pytest.mark.parametrize(
    ("given", "remaining", "deadline"),
    [({}, 899_999, 899), ({"deadline": "5m"}, 899_999, 300), ({"deadline": "1h"}, 60_000, 60)],
)
def test_the_deadline_is_the_time_that_the_function_has(given, remaining, deadline):
    """Or the one of the option, if that is earlier."""
    assert settings_of(given, context=Context(remaining=remaining)).deadline == deadline


def test_a_function_with_too_little_time_fails_with_that_message():
    """It could start nothing."""
    error = refusal_of({}, context=Context(remaining=30_999))
    assert error.message == "the function has 30 s left, but asyncload needs at least 31 s"
    assert error.hint == "set the function's timeout to its maximum, 900 s"
    late = refusal_of({}, context=Context(remaining=-1))
    assert late.message.startswith("the function has 0 s left")


@pytest.mark.parametrize(
    ("event", "megabytes", "memory"),
    [
        ({}, "512", 256 * MIB),
        ({}, "256", 146 * MIB),
        ({}, "128", 18 * MIB),
        ({}, "100", 16 * MIB),
        ({"concurrency": 64}, "256", 130 * MIB),
        ({"memory": "1GiB"}, "2048", 1024 * MIB),
    ],
)
def test_the_memory_for_data_is_what_the_function_leaves(event, megabytes, memory):
    """Lambda's control groups don't show its limit."""
    assert settings_of(event, context=Context(memory_limit_in_mb=megabytes)).memory == memory


def test_more_memory_than_the_function_has_is_refused():
    """The process would be killed."""
    error = refusal_of({"memory": "200MiB"}, context=Context(memory_limit_in_mb="256"))
    assert error.message == (
        "--memory: 200 MiB is too large: the limit of this function leaves 146 MiB for file data"
    )
