"""Names that look like ours."""

from __future__ import annotations

import re

import pytest

from asyncload.cli.variables import unknown_variables
from asyncload.errors import UsageError
from asyncload.settings.collect import collect_settings
from asyncload.settings.options import OPTIONS
from asyncload.settings.run import Settings


def test_each_variable_of_an_option_is_known():
    """So are those of others, and where Kubernetes says that a service is."""
    ours = [name for option in OPTIONS for name in option.variables]
    others = ["ASYNCLOAD_TRACEBACK", "PATH", "AWS_REGIO", "_ASYNCLOAD_COMPLETE"]
    kubernetes = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP_ADDR"]
    services = [f"ASYNCLOAD_{name}" for name in kubernetes]
    assert list(unknown_variables([*ours, *others, *services])) == []


@pytest.mark.fault("I29")
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ASYNCLOAD_BUKET", "did you mean ASYNCLOAD_BUCKET?"),
        ("ASYNCLOAD_ENDPOINTURL", "did you mean ASYNCLOAD_ENDPOINT_URL?"),
        ("ASYNCLOAD_COLOUR", "see asyncload run --help for the variables"),
        ("ASYNCLOAD_", "see asyncload run --help for the variables"),
    ],
)
def test_a_variable_that_is_none_of_ours_is_a_warning(name, hint):
    """It names a near one, if there is any."""
    (warned,) = unknown_variables([name])
    assert warned.message == f"{name} is not a variable of asyncload and is ignored"
    assert warned.hint == hint


@pytest.mark.fault("I10")
@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"checksum": "crc64"}, "crc64nvme"),
        ({"sse": "aes265"}, "AES256"),
        ({"acl": "bucket-owner-full"}, "bucket-owner-full-control"),
        ({"storage_class": "standard-ia"}, "STANDARD_IA"),
        ({"addressing_style": "virtul"}, "virtual"),
        ({"layout": "hives"}, "hive"),
        ({"layout": "{layer}/{datset}/{path}"}, "{dataset}"),
        ({"date": "yesteday"}, "yesterday"),
        ({"modified_since": "yesterdy"}, "yesterday"),
        ({"timezone": "Europe/Lisbom"}, "Europe/Lisbon"),
        ({"timezone": "sao paulo"}, "America/Sao_Paulo"),
        ({"timezone": "GMT-3"}, None),
        ({"trust": "size,mtme"}, "mtime"),
        ({"then": "delte"}, "delete"),
        ({"then": "mvoe /archive"}, "move"),
        # The name is right, and the folder is missing.
        ({"then": "move"}, None),
        ({"concurrency": "atuo"}, "auto"),
        ({"processes": "ato"}, "auto"),
        ({"shard": "atuo"}, "auto"),
        ({"zip_names": "cp85O"}, "cp850"),
        ({"checksum": "sha256"}, None),
    ],
)
def test_the_hint_for_a_mistyped_value_names_a_near_one(options, meant):
    """Distant ones would mislead; they are listed."""
    with pytest.raises(UsageError) as caught:
        Settings(volume="data", bucket="lake", **options)
    assert_suggests(caught.value, meant)


@pytest.mark.parametrize(
    ("table", "meant"),
    [
        ({"source": "tmbd", "title": ["x"]}, "tmdb"),
        ({"source": "tmdb", "title": ["x"], "kind": "movies"}, "movie"),
        ({"source": {"name": "x", "base_ur": "y"}}, "base_url"),
        ({"source": {"name": "x", "base_url": "https://x", "paging": {"style": "pages"}}}, "page"),
    ],
)
def test_the_hint_for_a_mistyped_value_of_a_collection_names_a_near_one(table, meant):
    """Of options, and of fields of the tables in a settings file."""
    with pytest.raises(UsageError) as caught:
        collect_settings({"bucket": "lake"} | table)
    assert_suggests(caught.value, meant)


def assert_suggests(error, meant):
    if meant is None:
        assert "did you mean" not in error.hint
    else:
        assert re.match(
            rf"did you mean {re.escape(meant)}\? (use\b|the known fields are )", error.hint
        )
