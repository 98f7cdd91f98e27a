"""The interface of a tool for the harness: its version, its settings, and its command for a job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PREFIX = "bench"
"""Where peers put their objects; asyncload makes keys of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Upload a volume: every file below `volume`; `single` is the file if there is only one.

    `signed` says whether the payload's SHA-256 is part of the signature, if the tool has a choice.
    A tool runs with its defaults, or if `tuned` with its fastest settings. `concurrency` is the
    number of concurrent requests or files, None for the number in these settings. `again` says that
    all objects exist already. `scratch` is an empty folder for configuration files. `memory` and
    `processes` are asyncload's options; `scheduler` is the address of a Dask cluster's.
    """

    volume: Path
    endpoint_url: str
    bucket: str
    scratch: Path
    single: Path | None = None
    concurrency: int | None = None
    tuned: bool = False
    again: bool = False
    signed: bool = True
    dry_run: bool = False
    memory: str | None = None
    processes: int | None = None
    scheduler: str | None = None
    ca_bundle: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether the endpoint is TLS."""
        return self.endpoint_url.startswith("https:")


@dataclass(frozen=True, slots=True)
class Command:
    """The command to start, and additional environment variables."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool. `version` is None if it isn't installed.

    `settings` describes its default settings, `tuned` its fastest ones, None if they are the same.
    `looks_first` says whether it skips existing objects.
    """

    name: str
    version: Callable[[], str | None]
    settings: str
    command: Callable[[Job], Command]
    tuned: str | None = None
    looks_first: bool = False


def python(module: str, *arguments: object) -> tuple[str, ...]:
    """Return the command for a runner in this folder."""
    return (sys.executable, "-m", f"benchmarks.peers.{module}", *map(str, arguments))


def installed(distribution: str) -> Callable[[], str | None]:
    """Return a function that finds the version of an installed package."""

    def version() -> str | None:
        # Imported late: every runner imports this module, and their start-up is measured.
        from importlib import metadata

        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            return None

    return version
