"""Load botocore's service models faster: they take most of the time of making a client.

botocore lists the folders of all of its 400 services to check that the requested one exists, and
parses its 3 MB of JSON into ordered dictionaries, which plain ones are, too.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import DataNotFoundError
from botocore.loaders import JSONFileLoader, Loader
from botocore.utils import parse_timestamp

_USUAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z", re.ASCII)


def read_times_strictly(session: Any) -> None:
    """Make a botocore session's parsers raise a ValueError for any invalid time.

    botocore's own parser raises a RuntimeError for a number out of range.
    """
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=read_time)


def read_time(value: Any) -> datetime:
    """Parse a time in a response, from a text or a number.

    Raises:
        ValueError: it is not a valid time.
    """
    if isinstance(value, str) and _USUAL_TIME.fullmatch(value):
        # A listing page has a thousand of them: botocore's parser takes longer for them than for
        # the rest.
        return datetime.fromisoformat(value)
    try:
        time: datetime = parse_timestamp(value)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return time


def use_quick_models(session: Any) -> None:
    """Make a botocore session load its models by a `QuickLoader`, from the same folders."""
    paths = session.get_component("data_loader").search_paths
    loader = QuickLoader(list(paths), QuickFiles(), include_default_search_paths=False)
    session.register_component("data_loader", loader)


class QuickFiles(JSONFileLoader):  # type: ignore[misc]  # botocore is untyped
    """Reads a model into plain dictionaries."""

    def load_file(self, file_path: str) -> Any:
        """Return the content of `file_path` with `.json` or `.json.gz`; None without either."""
        for suffix, text_of in ((".json", bytes), (".json.gz", gzip.decompress)):
            try:
                content = Path(file_path + suffix).read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                continue
            return json.loads(text_of(content).decode())
        return None


class QuickLoader(Loader):  # type: ignore[misc]  # as above
    """Looks up the requested service only; botocore's loader examines all services."""

    def list_available_services(self, type_name: str) -> Collection[str]:
        """Return the services that have a model of this type."""
        return _Services(self, type_name)

    def list_all_services(self, type_name: str) -> list[str]:
        """Do as botocore's `list_available_services`."""
        services: list[str] = super().list_available_services(type_name)
        return services


class _Services(Collection[str]):
    """Examines one folder to find a service, and all only to list them."""

    def __init__(self, loader: QuickLoader, type_name: str) -> None:
        self._loader = loader
        self._type_name = type_name

    def __contains__(self, service: object) -> bool:
        try:
            self._loader.list_api_versions(service, self._type_name)
        except DataNotFoundError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._loader.list_all_services(self._type_name))

    def __len__(self) -> int:
        return len(self._loader.list_all_services(self._type_name))
