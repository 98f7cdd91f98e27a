"""The options that a command received, and where each value came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncload.errors import UsageError
from asyncload.settings.options import Option
from asyncload.settings.run import Settings

if TYPE_CHECKING:
    from asyncload.settings.collect import CollectSettings


class Origin(NamedTuple):
    """The source of a value: `flag`, `event`, `variable`, `file` or `default`."""

    source: str
    variable: str | None = None
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        match self.source:
            case "variable":
                return f"variable {self.variable}"
            case "file":
                return f"{self.file}, line {self.line}" if self.line else f"{self.file}"
            case source:
                return source


class Arguments(NamedTuple):
    """The options of one call of a command, by their names.

    `values` are unconverted, as written on the command line or in the settings file. An option of
    `Settings` is included only if it was given; otherwise `Settings` applies its own default.
    `file` is the settings file that was read, if any; `tables` are its tables for `collect`.
    """

    options: Mapping[str, Option]
    values: Mapping[str, Any]
    origins: Mapping[str, Origin]
    file: str | None
    tables: Mapping[str, Any] = MappingProxyType({})

    @property
    def bucket(self) -> str | None:
        """The bucket as given, if any."""
        return self.values.get("bucket")

    @property
    def volume(self) -> Path | Sequence[Path] | None:
        """The volume as given, if any; a sequence only if there are several."""
        given = self.values.get("volume")
        return given[0] if isinstance(given, list) and len(given) == 1 else given

    def command_options(self) -> dict[str, Any]:
        """Return the values of the options that are not fields of `Settings`."""
        return {
            name: self.values[name]
            for name, option in self.options.items()
            if not option.setting and name != "config"
        }

    def settings(self, **fields: Any) -> Settings:
        """Return the settings of the call; `fields` are defaults for options that were not given.

        Raises:
            UsageError: an option is invalid. The message also names the variable or file that an
                invalid value came from.
        """
        given = {
            option.setting: self.values[name]
            for name, option in self.options.items()
            if option.setting and name in self.values
        }
        try:
            return Settings(**(fields | given))
        except UsageError as error:
            raise self._with_origins(error) from error

    def collect_settings(self) -> CollectSettings:
        """Return the settings of a collection; an option overrides a table of the settings file.

        Raises:
            UsageError: an option or a table is invalid, as for `settings`.
        """
        # Late: only one command needs it.
        from asyncload.settings.collect import collect_settings

        given = {
            name: value for name, value in self.values.items() if value is not None and value != []
        }
        tables = dict(self.tables)
        described = tables.get("source")
        if isinstance(described, Mapping) and "source" in given:
            if str(described.get("name", "")).lower() != given["source"].lower():
                raise UsageError(
                    f"source: {given['source']!r} is not the one that {self.file} describes",
                    hint="omit it, or use --config to name another file",
                )
            del given["source"]
        try:
            return collect_settings(tables | given)
        except UsageError as error:
            raise self._with_origins(error) from error

    def _with_origins(self, error: UsageError) -> UsageError:
        flags = re.findall(r"--[a-z][a-z-]*|^volume\b", error.lines[0])
        details = [
            f"  {option.flag} comes from {self.origins[name]}"
            for name, option in self.options.items()
            if option.flag in flags and self.origins[name].source in ("variable", "file")
        ]
        return UsageError(error.lines[0], hint=error.hint, details=[*error.lines[1:], *details])
