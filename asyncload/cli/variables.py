"""Environment variables: unknown ones with asyncload's prefix, and empty ones of AWS."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from asyncload.model.suggestions import nearest
from asyncload.model.values import Warned
from asyncload.settings.options import OPTIONS

_PREFIX = "ASYNCLOAD_"
_KNOWN = {variable for option in OPTIONS for variable in option.variables} | {
    # Prints the traceback of an internal error; see `program`.
    "ASYNCLOAD_TRACEBACK",
}
# Kubernetes and Docker links set these for a service named `asyncload`.
_ADDRESSES = re.compile(
    r"ASYNCLOAD_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?|NAME|ENV_\w+)"
)


def unknown_variables(names: Iterable[str]) -> Iterator[Warned]:
    """Yield a warning for each variable with our prefix that asyncload does not know."""
    for name in sorted(names):
        if name.startswith(_PREFIX) and name not in _KNOWN and not re.fullmatch(_ADDRESSES, name):
            ours = [known.removeprefix(_PREFIX) for known in _KNOWN if known.startswith(_PREFIX)]
            near = nearest(name.removeprefix(_PREFIX), sorted(ours))
            yield Warned(
                f"{name} is not a variable of asyncload and is ignored",
                hint=f"did you mean {_PREFIX}{near}?"
                if near
                else "see asyncload run --help for the variables",
            )


def forget_empty_variables() -> None:
    """Treat empty `AWS_*` variables as not set.

    Compose files and pipelines often set them empty; botocore would look for a profile with an
    empty name, or query a service that does not exist.
    """
    for name, value in list(os.environ.items()):
        if name.startswith("AWS_") and not value.strip():
            del os.environ[name]
