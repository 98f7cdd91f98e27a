"""The outputs for machines that a command was asked for. Imported only if there are any."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asyncload.cli.default_volume import MOUNTED, default_volume
from asyncload.cli.output import stderr
from asyncload.errors import AsyncloadError
from asyncload.model.names import to_text
from asyncload.reporting.machines.lineage import Described, Lineage, parse_parent, sender_to
from asyncload.reporting.machines.log import JsonLog
from asyncload.reporting.machines.metrics import MetricsFile
from asyncload.reporting.machines.outlet import Outlet
from asyncload.reporting.machines.traces import (
    Traces,
    parent_of,
    require_opentelemetry,
    sender,
)
from asyncload.settings.arguments import Arguments
from asyncload.settings.objects import LOG_FORMATS, choose
from asyncload.settings.parsing import as_paths


def make_outlets(
    command: str, arguments: Arguments, options: Mapping[str, Any]
) -> Iterator[Outlet]:
    """Yield the outputs that the options ask for.

    Raises:
        UsageError: an option is invalid.
    """
    log_format = choose("--log-format", options["log_format"], LOG_FORMATS)
    bucket = arguments.bucket or ""
    if command == "collect":
        sources = [str(arguments.values.get("source") or "tmdb").lower()]
    else:
        given = as_paths("volume", arguments.volume or _default_volume())
        several = (given,) if isinstance(given, Path) else given
        sources = [to_text(os.fsencode(volume)) for volume in several]
    source = ", ".join(sources)
    if (path := options["metrics_file"]) is not None:
        yield MetricsFile(Path(path), command=command, bucket=bucket, source=source)
    disabled = os.environ.get("OPENLINEAGE_DISABLED", "").lower() == "true"
    if (target := options["lineage"]) is not None and not disabled:
        yield _lineage(target, command, bucket, sources)
    if arguments.values.get("traces"):
        require_opentelemetry()
        yield Traces(command, sender(parent_of(os.environ)))
    if log_format == "json":
        # Last: it writes what the others have to say at the end.
        yield JsonLog(stderr().line, quiet=options["quiet"], watching=command == "watch")


def _lineage(target: str, command: str, bucket: str, sources: Sequence[str]) -> Lineage:
    send, shown = sender_to(target, os.environ.get("OPENLINEAGE_API_KEY", ""))
    if command != "collect":
        # Several are absolute already. The disk might not respond.
        sources = [os.path.abspath(sources[0])] if len(sources) == 1 else sources  # noqa: PTH100
    parent = parse_parent(os.environ.get("OPENLINEAGE_PARENT_ID", ""))
    namespace = os.environ.get("OPENLINEAGE_NAMESPACE") or "asyncload"
    return Lineage(send, shown, Described(command, bucket, sources, namespace, parent))


def _default_volume() -> Path:
    try:
        return default_volume()
    except AsyncloadError:
        # It does not respond; the command will say so.
        return MOUNTED
