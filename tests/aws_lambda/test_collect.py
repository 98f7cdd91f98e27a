"""Collections by the handler: options, tables, results and failures."""

from __future__ import annotations

import json

import pytest

from asyncload.aws_lambda import handler
from asyncload.aws_lambda.commands import COMMANDS
from asyncload.aws_lambda.events import read_event
from asyncload.aws_lambda.invocation import InvocationFailed
from asyncload.errors import UsageError
from tests.aws_lambda.conftest import Context
from tests.support.tmdb import TOKEN, always, refusal, serving


@pytest.fixture
def double():
    """TMDB with 45 films."""
    with serving() as double:
        double.add_films(45)
        yield double


@pytest.fixture
def event(s3, layer, double, monkeypatch):
    """An event for films by title, and a real store; the token is in the environment."""
    monkeypatch.setenv("TMDB_TOKEN", TOKEN)
    return {
        "command": "collect",
        "time": "2022-05-02T05:00:00Z",
        "title": "Film",
        "bucket": s3.bucket,
        "endpoint-url": s3.endpoint_url,
        "api-url": double.url,
        "layer": layer,
    }


def failure_of(event):
    with pytest.raises(InvocationFailed) as failed:
        handler(event, Context())
    return type(failed.value).__name__, str(failed.value)


def data(s3, layer):
    return {k: v for k, v in s3.objects(f"{layer}/").items() if not k.endswith("/_SUCCESS")}


def test_an_invocation_collects_the_answers(event, s3, layer, double, log):
    """Each one as it was sent, with the notice in the log; a repetition requests none."""
    summary = handler(event, Context())
    assert (summary["exit_code"], summary["uploaded"], summary["date"]) == (0, 3, "2022-05-02")
    assert sorted(data(s3, layer).values()) == sorted(double.served.values())
    logged = log()
    assert "TMDB" in logged.of("notice")[0]["message"]
    assert logged.of("summary")[0]["api_requests"] == 3
    again = handler(event, Context())
    assert (again["exit_code"], again["present"], again["api_requests"]) == (0, 3, 0)


def test_a_refused_token_fails_the_invocation(event, monkeypatch, log):
    """As exit code 5 does; the token is in no output."""
    wrong = "eyJhbGciOiJIUzI1NiJ9.canary-0f3b.wrong"
    monkeypatch.setenv("TMDB_TOKEN", wrong)
    kind, text = failure_of(event)
    assert "(exit code 5)" in text
    (summary,) = log().of("summary")
    assert summary["error"]["kind"] == kind
    assert wrong not in text + json.dumps(summary)


def test_failed_answers_fail_the_invocation(event, double):
    """The others are kept."""
    double.faults.append(always("/search/movie", refusal(422, 5, "Odd parameters")))
    kind, text = failure_of(event)
    assert kind == "AnswersFailed"
    assert "of 1 answer failed. " in text


def test_a_token_is_masked_in_an_internal_error(event, monkeypatch, log):
    """By the name of its variable."""
    with pytest.raises(InvocationFailed) as failed:
        handler(event, Context(memory_limit_in_mb=TOKEN))
    assert TOKEN not in str(failed.value) + log().text


BASE = {"command": "collect", "bucket": "lake", "genre": "Action"}


def settings_of(event, environ=None):
    """The settings that an invocation would collect with."""
    read = read_event(BASE | event, environ or {}, COMMANDS)
    work = COMMANDS[read.command](read, Context())
    collecting = work.start(lambda _: None)
    try:
        return collecting.cr_frame.f_locals["settings"]
    finally:
        collecting.close()


def test_an_event_may_describe_an_api_and_its_queries():
    """By the tables of a settings file."""
    settings = settings_of(
        {
            "genre": [],
            "source": {"name": "Films", "base_url": "https://films.example", "token": "env:T"},
            "query": [{"spec": "All", "path": "films", "params": {"language": "pt-BR"}}],
        }
    )
    assert settings.api.base_url == "https://films.example"
    assert [(query.spec, query.path) for query in settings.queries] == [("All", "films")]
    assert settings.target.origin == "Films"


def test_the_function_limits_a_collection_as_well():
    """Its date, its time and its memory."""
    settings = settings_of({"time": "2022-05-02T05:00:00Z", "date": "yesterday"})
    assert (settings.target.date, settings.target.deadline) == ("2022-05-01", 900)
    assert settings.target.memory == 256 * 1024 * 1024


def test_numbers_may_come_from_the_environment():
    """As on the command line."""
    environ = {"ASYNCLOAD_MAX_REQUESTS": "500", "ASYNCLOAD_RATE": "2.5"}
    settings = settings_of({}, environ)
    assert (settings.max_requests, settings.api.rate) == (500, 2.5)
    with pytest.raises(UsageError, match="variable ASYNCLOAD_RATE: 'fast' is not a number"):
        settings_of({}, {"ASYNCLOAD_RATE": "fast"})


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_option_that_an_event_may_have_is_used(command):
    """Fields of the settings, and in events of `collect` its own options."""
    event = BASE | {"command": command, "volume": "/mnt/x"}
    if command == "collect":
        del event["volume"]
    else:
        del event["genre"]
    options = read_event(event, {}, COMMANDS).arguments.options
    beside = {name for name, option in options.items() if not option.setting}
    assert (beside == set()) == (command == "run")
