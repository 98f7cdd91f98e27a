"""Load a volume of CSV files into the raw zone of an S3 data lake.

    report = await asyncload.load(asyncload.Settings(volume=Path("data"), bucket="lake"))

The names below are the public ones; everything else may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncload import version

__version__ = version.VERSION

if TYPE_CHECKING:
    from asyncload.errors import AsyncloadError
    from asyncload.operations.load import load
    from asyncload.reporting.report import Report
    from asyncload.settings.run import Settings

__all__ = ["AsyncloadError", "Report", "Settings", "__version__", "load"]

_HOMES = {
    "AsyncloadError": "asyncload.errors",
    "Report": "asyncload.reporting.report",
    "Settings": "asyncload.settings.run",
    "load": "asyncload.operations.load",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `asyncload --help` should not wait for S3."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
