"""F3 and its kin: `today` by a machine whose clock is off."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import ClocksDisagree
from asyncload.operations.clock_check import TOLERANCE, check_clock, check_day
from asyncload.settings.run import Settings
from tests.integration.test_lane import accept_all
from tests.support.loads import write_files
from tests.support.scripted_s3 import Answer, scripted_s3

HOUR = 3600
OFF = [-30 * HOUR, 30 * HOUR]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def store_dated(date):
    """Take everything, with this `Date`, or one that is so many seconds ahead of ours."""

    def script(request):
        reply = accept_all(request)
        said = date if isinstance(date, str) else formatdate(time.time() + date, usegmt=True)
        return Answer(reply.status, reply.body, {**reply.headers, "Date": said})

    return script


@pytest.fixture
def ask(asyncload, volume, lane):
    """Run a command on a small volume and a scripted store."""
    write_files(volume, {"a.csv": b"id|name\n1|a\n"})

    def do(command, url, *options):
        by = [] if lane or command != "run" else ["--no-fast-lane"]
        return asyncload(command, volume, "--bucket", "lake", "--endpoint-url", url, *by, *options)

    return do


@pytest.mark.fault("F3")
@pytest.mark.parametrize("ahead", OFF)
@pytest.mark.parametrize("date", ["today", "yesterday"])
@pytest.mark.parametrize("command", ["run", "verify"])
def test_today_is_refused_if_the_store_has_another_day(ask, command, date, ahead):
    """Nothing is sent; the message names both days and the way out."""
    with scripted_s3(store_dated(ahead)) as (url, requests):
        ended = ask(command, url, "--date", date)
    assert ended.code == 5
    assert f"error: --date {date} is 2" in ended.err
    assert "hint: give the date (--date " in ended.err
    # A record of the run is all that may be written.
    assert not any("/Raw/" in request.path for request in requests)


@pytest.mark.fault("F3")
@pytest.mark.parametrize("ahead", [*OFF, -90, 90])
def test_a_wrong_clock_is_reported_and_a_given_date_is_loaded(ask, ahead):
    """By how much it is off, on standard error and in the report."""
    with scripted_s3(store_dated(ahead)) as (url, _):
        ended = ask("run", url, "--date", "2022-05-02", "--json")
    assert ended.code == 0
    assert ended.err.count("warning: this machine's clock is ") == 1
    assert ("behind" if ahead > 0 else "ahead of") in ended.err
    assert "this machine's clock is" in ended.out


@pytest.mark.fault("F3")
def test_verify_reports_a_wrong_clock(ask):
    """A given date is compared nevertheless."""
    with scripted_s3(store_dated(7200)) as (url, _):
        ended = ask("verify", url, "--date", "2022-05-02")
    assert ended.code == 3
    assert "warning: this machine's clock is 2 h behind the store's" in ended.err


@pytest.mark.fault("F14")
@pytest.mark.parametrize("command", ["run", "verify"])
@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2022 99:99:99 GMT", 0, 30])
def test_a_store_without_a_time_or_with_the_same_gives_no_warning(ask, command, date):
    """The run continues, for `today` as for any date."""
    with scripted_s3(store_dated(date)) as (url, _):
        ended = ask(command, url)
    assert ended.code == (0 if command == "run" else 3)
    assert "clock" not in ended.err


@pytest.mark.fault("F15")
@pytest.mark.parametrize("zone", ["America/Sao_Paulo", "Asia/Tokyo"])
@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 01 Jan 0100 00:00:00 GMT"])
def test_a_store_with_an_absurd_date_is_recognised(ask, date, zone):
    """To the east, the end of the calendar is beyond it: no day at all."""
    with scripted_s3(store_dated(date)) as (url, _):
        refused = ask("run", url, "--timezone", zone)
        ended = ask("run", url, "--date", "2022-05-02")
    assert refused.code == 5
    assert "by the store's" in refused.err
    assert ("not a valid date" in refused.err) is (zone == "Asia/Tokyo" and "9999" in date)
    assert ended.code == 0
    assert "warning: this machine's clock is" in ended.err


def settings(date="today", timezone="UTC"):
    return Settings(volume="volume", bucket="lake", date=date, timezone=timezone)


NEAR_MIDNIGHT = datetime(2022, 5, 2, 23, 30, tzinfo=UTC)


@pytest.mark.fault("F3")
@pytest.mark.parametrize(
    ("zone", "offset", "differs"),
    [
        ("UTC", 1790, False),
        ("UTC", 1810, True),
        ("UTC", -7200, False),
        ("America/Sao_Paulo", 7200, False),
        ("America/Sao_Paulo", -86_400, True),
        ("Asia/Tokyo", 1810, False),
    ],
)
def test_the_day_is_that_of_the_runs_time_zone(zone, offset, differs):
    """An hour may be another day here and none there."""
    if not differs:
        assert check_day(settings(timezone=zone), offset, NEAR_MIDNIGHT) is None
        return
    with pytest.raises(ClocksDisagree):
        check_day(settings(timezone=zone), offset, NEAR_MIDNIGHT)


@pytest.mark.fault("F3")
@given(st.floats(-4e11, 4e11), st.datetimes(timezones=st.just(UTC)))
def test_a_given_date_is_the_same_day_by_any_clock(offset, now):
    """Also across time zones; a minute does not count as a difference."""
    assert check_day(settings("2022-05-02"), offset, now) is None
    assert (check_clock(offset, now) is None) is (abs(offset) <= TOLERANCE)


def test_a_store_without_a_time_is_not_compared():
    """Neither for a warning, nor for a refusal."""
    assert check_clock(None, NEAR_MIDNIGHT) is None
    assert check_day(settings(), None, NEAR_MIDNIGHT) is None
