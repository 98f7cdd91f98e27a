"""Names that look like ours."""

from __future__ import annotations

import pytest

from asyncload.cli.variables import unknown_variables
from asyncload.settings.options import OPTIONS


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
