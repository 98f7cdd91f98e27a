"""The options of a run: validated once, and frozen."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.errors import UsageError
from asyncload.planning.plan import MIB
from asyncload.settings.parsing import parse_rule, parse_size
from asyncload.settings.run import (
    Settings,
    find_timezone,
    layout_of,
    modified_after,
    resolve_date,
)


def make_settings(**options):
    return Settings(**({"volume": Path("data"), "bucket": "my-lake"} | options))


def test_a_volume_and_a_bucket_will_do():
    """The defaults load into Raw/Local/CSV, today by UTC, with 256 MiB at a time."""
    settings = make_settings()
    assert (settings.concurrency, settings.memory) == ("auto", 256 * MIB)
    layout = layout_of(settings, datetime(2022, 5, 2, 23, 59, tzinfo=UTC))
    assert layout.key_for("movies.csv") == "Raw/Local/CSV/Movies/2022/05/02/movies.csv"


def test_all_that_makes_a_key_can_be_set():
    """Layer, origin, format, date, layout and datasets."""
    settings = make_settings(
        layer="Bronze",
        origin="IMDb",
        format="csv",
        date="2021-12-31",
        layout="hive",
        datasets=(("*", "Films"),),
    )
    key = layout_of(settings, datetime.now(UTC)).key_for("a.csv")
    assert key == "Bronze/IMDb/csv/Films/year=2021/month=12/day=31/a.csv"


def test_settings_are_frozen():
    """A run can't change what it was asked for."""
    with pytest.raises(FrozenInstanceError):
        make_settings().bucket = "other"


EMPTY_DATE = "set the variable that it comes from, or omit the option for today"
NO_DATE = "use YYYY-MM-DD (2022-05-02), today, yesterday or mtime"
NO_DEADLINE = (
    "no file is started in the last 30 s; use a longer time, or omit the option for no limit"
)
NO_BUCKET = (
    "give only the name, which has 3 to 63 letters, digits, dots and hyphens, such as my-lake; "
    "s3://my-lake/landing puts a prefix before all keys"
)
NO_ENDPOINT = "use http:// or https:// and a host, such as http://127.0.0.1:8333"
NO_ZONE = "use an IANA name, such as UTC or America/Sao_Paulo"


@pytest.mark.parametrize(
    ("option", "value", "message", "hint"),
    [
        ("bucket", "", "--bucket: '' is not a valid bucket name", NO_BUCKET),
        ("bucket", "ab", "--bucket: 'ab' is not a valid bucket name", NO_BUCKET),
        ("bucket", "my lake", "--bucket: 'my lake' is not a valid bucket name", NO_BUCKET),
        (
            "bucket",
            "lake/raw",
            "--bucket: 'lake/raw' is not a valid bucket name",
            NO_BUCKET,
        ),
        ("bucket", "x" * 256, f"--bucket: '{'x' * 256}' is not a valid bucket name", NO_BUCKET),
        (
            "concurrency",
            0,
            "--concurrency: 0 is not between 1 and 1024",
            "the default, auto, chooses the number automatically",
        ),
        (
            "concurrency",
            1025,
            "--concurrency: 1025 is not between 1 and 1024",
            "the default, auto, chooses the number automatically",
        ),
        (
            "memory",
            16 * MIB - 1,
            "--memory: 16,777,215 bytes is too small; the minimum is 16 MiB",
            "the default is 256MiB, or less in a small container",
        ),
        (
            "deadline",
            "30s",
            "--deadline: 30 s is too short; the minimum is 31 s",
            NO_DEADLINE,
        ),
        ("date", "", "--date is empty", EMPTY_DATE),
        (
            "date",
            "tomorrow",
            "--date: 'tomorrow' is not a valid date: expected the form YYYY-MM-DD",
            NO_DATE,
        ),
        (
            "date",
            "20220502",
            "--date: '20220502' is not a valid date: expected the form YYYY-MM-DD",
            NO_DATE,
        ),
        (
            "date",
            "2022-W18-1",
            "--date: '2022-W18-1' is not a valid date: expected the form YYYY-MM-DD",
            NO_DATE,
        ),
        (
            "date",
            "2022-05-02\n",
            "--date: '2022-05-02\\n' is not a valid date: expected the form YYYY-MM-DD",
            NO_DATE,
        ),
        (
            "date",
            "2022-02-29",
            "--date: '2022-02-29' is not a valid date: day is out of range for month",
            NO_DATE,
        ),
        ("timezone", "", "--timezone: unknown time zone ''", NO_ZONE),
        (
            "timezone",
            "Sao Paulo",
            "--timezone: unknown time zone 'Sao Paulo'",
            f"did you mean America/Sao_Paulo? {NO_ZONE}",
        ),
        ("timezone", "America", "--timezone: unknown time zone 'America'", NO_ZONE),
        ("timezone", "../UTC", "--timezone: unknown time zone '../UTC'", NO_ZONE),
        ("timezone", "caf\udce9", "--timezone: unknown time zone 'caf\\udce9'", NO_ZONE),
        ("endpoint_url", "", "--endpoint-url: '' is not a valid endpoint", NO_ENDPOINT),
        (
            "endpoint_url",
            "localhost:9000",
            "--endpoint-url: 'localhost:9000' is not a valid endpoint",
            NO_ENDPOINT,
        ),
        (
            "endpoint_url",
            "s3://lake",
            "--endpoint-url: 's3://lake' is not a valid endpoint",
            NO_ENDPOINT,
        ),
        (
            "endpoint_url",
            "http://",
            "--endpoint-url: 'http://' is not a valid endpoint",
            NO_ENDPOINT,
        ),
        (
            "endpoint_url",
            "http://h:0",
            "--endpoint-url: 'http://h:0' is not a valid endpoint",
            NO_ENDPOINT,
        ),
        (
            "endpoint_url",
            "http://h:99999",
            "--endpoint-url: 'http://h:99999' is not a valid endpoint",
            NO_ENDPOINT,
        ),
        (
            "endpoint_url",
            "http://[::1",
            "--endpoint-url: 'http://[::1' is not a valid endpoint",
            NO_ENDPOINT,
        ),
        (
            "layer",
            "a/b",
            "--layer: 'a/b' must be one segment, without '/'",
            "use --layout for more levels",
        ),
        (
            "layout",
            "{layer}",
            "--layout: the template must hold {path} exactly once, or files would collide",
            "the default is {layer}/{origin}/{format}/{dataset}/{date:%Y/%m/%d}/{path}",
        ),
        ("datasets", (("*", ""),), "--dataset: '' can't be part of an object key", ""),
    ],
)
def test_an_option_that_cannot_be_used_is_a_usage_error(option, value, message, hint):
    """The message names flag and value, the hint says what to do; the exit code is 2."""
    with pytest.raises(UsageError) as error:
        make_settings(**{option: value})
    assert (error.value.message, error.value.hint) == (message, hint)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("my-lake", "my-lake"),
        ("Old_Lake.2010", "Old_Lake.2010"),
        ("s3://my-lake", "my-lake"),
        ("s3://my-lake/", "my-lake"),
        (
            "arn:aws:s3:us-east-1:123456789012:accesspoint/lake",
            "arn:aws:s3:us-east-1:123456789012:accesspoint/lake",
        ),
    ],
)
def test_a_bucket_may_be_given_as_people_write_it(given, name):
    """As a name, an address, or the ARN of an access point."""
    assert make_settings(bucket=given).bucket == name


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8333", "https://s3.example.com", "HTTPS://h/path", "http://[::1]:9000"],
)
def test_an_endpoint_is_an_address_of_http(url):
    """With any host and port."""
    assert make_settings(endpoint_url=url).endpoint_url == url


@pytest.mark.parametrize(("concurrency", "memory"), [(1, 16 * MIB), (1024, 1 << 40)])
def test_bounds_are_allowed_themselves(concurrency, memory):
    """The least and the most that the messages name."""
    settings = make_settings(concurrency=concurrency, memory=memory)
    assert (settings.concurrency, settings.memory) == (concurrency, memory)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("auto", "auto"),
        ("AUTO ", "auto"),
        ("8", 8),
        (8, 8),
    ],
)
def test_the_requests_in_flight_are_a_number_or_auto(given, meant):
    """As a command line or a variable has it, or a program."""
    assert make_settings(concurrency=given).concurrency == meant


@pytest.mark.parametrize("given", ["", "atuo", "8.5", "1e3", "all", "8 requests", "\u0668"])
def test_other_words_for_the_requests_in_flight_are_refused(given):
    """The message says the range; "auto" misspelt is recognised."""
    with pytest.raises(UsageError) as refused:
        make_settings(concurrency=given)
    assert refused.value.message == f"--concurrency: {given!r} is not a number of requests"
    assert refused.value.hint.endswith("use auto, or a number from 1 to 1,024")
    assert refused.value.hint.startswith("did you mean auto? ") == (given == "atuo")


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        (None, None),
        ("50MiB", 50 * MIB),
        ("50MiB/s", 50 * MIB),
        ("50 MB / s", 50_000_000),
        ("50MB/s", 50_000_000),
        ("50MBps", 50_000_000),
        ("1.5 MiB/s", 1_572_864),
        ("64KiB", 64 * 1024),
        (65536, 65536),
        ("1024GiB", 1 << 40),
    ],
)
def test_a_rate_is_a_size_a_second(given, rate):
    """With or without saying so."""
    assert make_settings(limit_rate=given).limit_rate == rate


@pytest.mark.parametrize("given", ["8Mbps", "8mbps", "1 Gb/s", "100Kb", "5Mbit", "80000000bits/s"])
def test_a_rate_in_bits_is_refused(given):
    """As links are measured: taken as bytes, it would be eight times the rate."""
    with pytest.raises(UsageError, match="is a number of bits"):
        make_settings(limit_rate=given)


@pytest.mark.parametrize("given", [0, -1, 65535, (1 << 40) + 1, "63KiB/s", "1025GiB"])
def test_a_rate_that_no_part_arrives_at_is_refused(given):
    """A part of 8 MiB has 158 s: at 53 KiB a second it would take longer."""
    with pytest.raises(UsageError) as refused:
        make_settings(limit_rate=given)
    assert "is not between 64 KiB and 1 TiB" in refused.value.message


@pytest.mark.parametrize(
    ("text", "zone", "now", "day"),
    [
        ("2022-05-02", "UTC", "2030-01-01T00:00+00:00", "2022-05-02"),
        ("today", "UTC", "2022-05-02T23:59:59+00:00", "2022-05-02"),
        ("today", "UTC", "2022-05-03T00:00:00+00:00", "2022-05-03"),
        ("today", "UTC", "2022-05-02T22:00:00-03:00", "2022-05-03"),
        ("today", "America/Sao_Paulo", "2022-05-03T02:59:59+00:00", "2022-05-02"),
        ("today", "America/Sao_Paulo", "2022-05-03T03:00:00+00:00", "2022-05-03"),
        ("today", "Pacific/Kiritimati", "2022-12-31T10:00:00+00:00", "2023-01-01"),
        ("Yesterday", "UTC", "2022-05-02T00:00:00+00:00", "2022-05-01"),
        ("yesterday", "UTC", "2024-03-01T12:00:00+00:00", "2024-02-29"),
        ("yesterday", "America/Sao_Paulo", "2022-01-01T01:00:00+00:00", "2021-12-30"),
        # A day of 23 hours lies between.
        ("yesterday", "Europe/Lisbon", "2022-03-27T23:30:00+00:00", "2022-03-27"),
    ],
)
def test_the_processing_date(text, zone, now, day):
    """A date is taken as it is; today and yesterday are those of the time zone."""
    layout = layout_of(make_settings(date=text, timezone=zone), datetime.fromisoformat(now))
    assert layout.date == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("text", "zone", "since"),
    [
        ("2022-05-01", "UTC", "2022-05-01T00:00+00:00"),
        ("2022-05-01", "America/Sao_Paulo", "2022-05-01T03:00+00:00"),
        ("2022-05-01 18:30", "UTC", "2022-05-01T18:30+00:00"),
        ("2022-05-01T18:30:15Z", "America/Sao_Paulo", "2022-05-01T18:30:15+00:00"),
        ("2022-05-01T18:30+02:00", "UTC", "2022-05-01T16:30+00:00"),
        ("Yesterday", "UTC", "2022-05-01T00:00+00:00"),
        # It is still the first there.
        ("today", "America/Sao_Paulo", "2022-05-01T03:00+00:00"),
        (" 90m ", "UTC", "2022-05-01T23:00+00:00"),
        (timedelta(days=7), "UTC", "2022-04-25T00:30+00:00"),
        (date(2022, 5, 1), "UTC", "2022-05-01T00:00+00:00"),
        (datetime(2022, 5, 1, 18, tzinfo=UTC), "UTC", "2022-05-01T18:00+00:00"),
    ],
)
def test_a_time_since_which_files_were_modified(text, zone, since):
    """As people write it; without an offset it is the time zone's."""
    settings = make_settings(modified_since=text, timezone=zone)
    now = datetime(2022, 5, 2, 0, 30, tzinfo=UTC)
    assert modified_after(settings, now) == datetime.fromisoformat(since).timestamp()


def test_of_two_bounds_on_the_age_both_hold():
    """The later one decides; without any, files of all ages are loaded."""
    now = datetime(2022, 5, 2, tzinfo=UTC)
    for age, hours in (("1h", 1), ("3h", 2)):
        settings = make_settings(modified_since="2h", max_age=age)
        assert modified_after(settings, now) == (now - timedelta(hours=hours)).timestamp()
    assert modified_after(make_settings(), now) is None


@pytest.mark.parametrize("text", ["", "noon", "2022-13-01", "2022-05"])
def test_a_time_that_does_not_exist_is_refused(text):
    """With the forms that exist."""
    with pytest.raises(UsageError, match=r"--modified-since: .* is not a valid time"):
        make_settings(modified_since=text)


@given(st.dates(min_value=date.min + timedelta(1)), st.times())
def test_every_day_of_the_calendar_is_a_date(day, time):
    """Its ISO form stands for it; at any time of it, it is today, and the day before yesterday."""
    now = datetime.combine(day, time, UTC)
    assert resolve_date(day.isoformat(), now) == resolve_date("today", now) == day
    assert resolve_date("yesterday", now) == day - timedelta(1)


def test_a_time_zone_is_found_by_its_name():
    """With its rules for summer time."""
    zone = find_timezone("Europe/Lisbon")
    offsets = [datetime(2022, month, 1, tzinfo=zone).utcoffset() for month in (1, 7)]
    assert [offset.seconds // 3600 for offset in offsets] == [0, 1]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("268435456", 268_435_456),
        ("0", 0),
        ("512B", 512),
        ("17k", 17 * 1024),
        ("17KB", 17_000),
        ("84.3 kB", 84_300),
        ("1.5MiB", 1_572_864),
        ("1.5gib", 1_610_612_736),
        ("0.0001K", 0),
        ("1TiB", 1024**4),
        ("2tb", 2 * 1000**4),
        ("256M", 256 * MIB),
        ("256MiB", 256 * MIB),
        ("256 mib", 256 * MIB),
        ("1Gi", 1024 * MIB),
        (" 1 GB ", 1000**3),
    ],
)
def test_a_size_is_a_number_and_a_unit(text, size):
    """MB is a power of 1,000, as in the output; M and MiB are powers of 1,024."""
    assert parse_size("--memory", text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MiB",
        "1.5",
        "1.5B",
        "1,5GiB",
        ".5M",
        "-1",
        "1e9",
        "1P",
        "256 MiBs",
        "0x10",
        "1iB",
        "9" * 5_000,
    ],
)
def test_an_invalid_size_is_a_usage_error(text):
    """The message repeats it."""
    with pytest.raises(UsageError) as error:
        parse_size("--memory", text)
    assert error.value.message == f"--memory: {text!r} is not a valid size"
    assert error.value.hint == (
        "use a number and a unit: 256MiB, 1.5GiB, or 500MB for 500,000,000 bytes"
    )


@given(st.integers(0, 1 << 50), st.sampled_from(["", "K", "KiB", "m", "MB", "gib"]))
def test_a_size_is_exact(number, unit):
    """No rounding, however large."""
    factor = {"": 1, "K": 1 << 10, "KiB": 1 << 10, "m": 1 << 20, "MB": 10**6, "gib": 1 << 30}[unit]
    assert parse_size("--memory", f"{number}{unit}") == number * factor


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("films_*.csv=Movies", ("films_*.csv", "Movies")),
        ("year=2022/*=Movies", ("year=2022/*", "Movies")),
    ],
)
def test_a_dataset_rule_is_split_at_its_last_equals_sign(text, rule):
    """Patterns may hold one, names of datasets do not."""
    assert parse_rule("--dataset", text) == rule


@pytest.mark.parametrize("text", ["", "Movies", "=Movies", "films_*.csv="])
def test_half_a_dataset_rule_is_a_usage_error(text):
    """The hint shows a whole one."""
    with pytest.raises(UsageError) as error:
        parse_rule("--dataset", text)
    assert error.value.message == f"--dataset: {text!r} does not have the form PATTERN=NAME"
    assert error.value.hint == "use, for example, --dataset 'films_*.csv=Movies'"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host:8786", "tcp://host:8786"),
        (" tls://dask.example.com:8786", "tls://dask.example.com:8786"),
        ("tcp://[::1]:8786", "tcp://[::1]:8786"),
    ],
)
def test_the_address_of_a_scheduler(text, address):
    """Its protocol is Dask's default, if it is not given."""
    assert Settings(volume=".", bucket="lake", dask=text).dask == address


@pytest.mark.parametrize("text", ["", "host", "http://host:1", "tcp://user:word@host:1", "host:x"])
def test_what_is_not_the_address_of_a_scheduler(text):
    """The hint shows the form of one."""
    with pytest.raises(UsageError) as error:
        Settings(volume=".", bucket="lake", dask=text)
    assert error.value.message == f"--dask: {text!r} is not the address of a Dask scheduler"
    assert "tcp://HOST:PORT" in error.value.hint


def test_a_cluster_is_not_combined_with_one_process():
    """That would not use it."""
    with pytest.raises(UsageError, match="--dask can't be combined with --processes 1"):
        Settings(volume=".", bucket="lake", dask="host:8786", processes=1)
