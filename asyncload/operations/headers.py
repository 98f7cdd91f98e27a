"""Compare the headers of datasets with those of the last check, which are kept in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from asyncload.errors import UsageError
from asyncload.reporting.tables.results import DatasetChecked, Header, difference
from asyncload.source.tables.values import Finding

_VERSION = 1


class KnownHeaders:
    """The headers of each dataset at its last check.

    The file is JSON: `version`, and `datasets` with the headers of each, which are lists of names.
    A dataset that is not checked again stays as it is.

    Raises:
        UsageError: the file can't be read, or is not such a file. One that does not exist is empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._datasets = _read(path)

    def compare(self, dataset: DatasetChecked) -> DatasetChecked:
        """Return a dataset with a finding for each header that it did not have, and keep those."""
        known = self._datasets.get(dataset.dataset, [])
        if not dataset.headers:
            return dataset
        self._datasets[dataset.dataset] = [list(header.names) for header in dataset.headers]
        if not known:
            return dataset
        last = Header(tuple(known[0]), "the last check", 0)
        findings = [
            Finding("header changed", f"{header.first} {difference(header.names, last)}")
            for header in dataset.headers
            if list(header.names) not in known
        ]
        return dataset._replace(findings=[*dataset.findings, *findings])

    def write(self) -> None:
        """Replace the file, whole or not at all.

        Raises:
            UsageError: it can't be written.
        """
        text = json.dumps({"version": _VERSION, "datasets": self._datasets}, indent=1)
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            partial.write_text(f"{text}\n", encoding="utf-8", errors="surrogateescape")
            partial.replace(self._path)
        except OSError as error:
            raise UsageError(
                f"--headers: {self._path} can't be written: {error.strerror}",
                hint="name a file in a folder that exists and can be written",
            ) from error


def _read(path: Path) -> dict[str, list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"--headers: {path} can't be read: {error.strerror}") from error
    try:
        datasets = json.loads(text)["datasets"]
        return {name: _headers(found) for name, found in _mapping(datasets).items()}
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"--headers: {path} is not a record of headers",
            hint="name another file, or delete this one; the next check writes it",
        ) from error


def _mapping(value: object) -> Mapping[str, Sequence[Sequence[str]]]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _headers(found: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[str(name) for name in names] for names in found]
