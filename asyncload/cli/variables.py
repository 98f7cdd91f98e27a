"""Environment variables that look like ours, and are not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from asyncload.cli.near import nearest
from asyncload.model.values import Warned
from asyncload.settings.options import OPTIONS

_PREFIX = "ASYNCLOAD_"
_KNOWN = {variable for option in OPTIONS for variable in option.variables} | {
    # Shows where an internal error comes from; see `program`.
    "ASYNCLOAD_TRACEBACK",
}
# Kubernetes and Docker links name the addresses of a service `asyncload` so.
_ADDRESSES = re.compile(
    r"ASYNCLOAD_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?|NAME|ENV_\w+)"
)


def unknown_variables(names: Iterable[str]) -> Iterator[Warned]:
    """Yield a warning for each variable that is named as ours are, and is none of them."""
    for name in sorted(names):
        if name.startswith(_PREFIX) and name not in _KNOWN and not re.fullmatch(_ADDRESSES, name):
            ours = [known.removeprefix(_PREFIX) for known in _KNOWN if known.startswith(_PREFIX)]
            near = nearest(name.removeprefix(_PREFIX), sorted(ours))
            yield Warned(
                f"{name} is not a variable of asyncload and is ignored",
                hint=f"did you mean {_PREFIX}{near}?"
                if near
                else "asyncload run --help lists them",
            )
