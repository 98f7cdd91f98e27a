"""The outputs for machines that a command was asked for. Imported only if there are any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asyncload.cli.default_volume import MOUNTED, default_volume
from asyncload.cli.output import stderr
from asyncload.errors import AsyncloadError
from asyncload.reporting.machines.log import JsonLog
from asyncload.reporting.machines.metrics import MetricsFile
from asyncload.reporting.machines.outlet import Outlet
from asyncload.settings.arguments import Arguments
from asyncload.settings.objects import choose


def make_outlets(
    command: str, arguments: Arguments, options: Mapping[str, Any]
) -> Iterator[Outlet]:
    """Yield the outputs that the options ask for.

    Raises:
        UsageError: an option is invalid.
    """
    log_format = choose("--log-format", options["log_format"], ("text", "json"))
    bucket = arguments.bucket or ""
    if command == "collect":
        source = str(arguments.values.get("source") or "tmdb").lower()
    else:
        source = str(arguments.volume or _default_volume())
    if (path := options["metrics_file"]) is not None:
        yield MetricsFile(Path(path), command=command, bucket=bucket, source=source)
    if log_format == "json":
        # Last: it writes what the others have to say at the end.
        yield JsonLog(stderr().line, quiet=options["quiet"], watching=command == "watch")


def _default_volume() -> Path:
    try:
        return default_volume()
    except AsyncloadError:
        # It does not respond; the command will say so.
        return MOUNTED
