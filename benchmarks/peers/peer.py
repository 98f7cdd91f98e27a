"""What the harness asks of a tool: its version, its settings, and the command for a job."""

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
    """Upload a volume: every file below `volume`; `single` is the file where there is but one.

    `signed` says whether the payload's SHA-256 is part of the signature, where the tool leaves a
    choice. A tool runs with its defaults, or where it is `tuned` as it was fastest. `concurrency`
    is how many requests or files at once, None what these settings say. `again` says that all is
    there already. `scratch` is an empty folder for configuration files. `memory` is asyncload's
    option.
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
    ca_bundle: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether the endpoint is TLS."""
        return self.endpoint_url.startswith("https:")


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, and what to add to its environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool. `version` is None where it isn't installed.

    `settings` says how it runs by default, `tuned` how where it was fastest, None where that is the
    same. `looks_first` says whether it leaves out what is there already.
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
        # Late: this module is imported by every runner, and their start-up is measured.
        from importlib import metadata

        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            return None

    return version
