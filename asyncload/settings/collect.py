"""The settings of a collection: frozen and validated, made from options by their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from asyncload.errors import UsageError
from asyncload.planning.plan import MIB
from asyncload.settings.endpoints import check_endpoint
from asyncload.settings.options import BY_NAME, Option, options_of
from asyncload.settings.run import Settings, dates_of
from asyncload.source.web.description import Api, Query
from asyncload.source.web.parsing import check_queries, known_api, parse_api, parse_queries
from asyncload.source.web.tmdb import TMDB, Wish, queries_of
from asyncload.source.web.tokens import TokenReference, parse_reference

FORMAT = "JSON"
"""The format in keys of answers."""

# The tables of a settings file, besides the options.
_TABLES = ("source", "query")
_WISHES = ("title", "genre", "actor", "character", "changes", "detail")
# Nothing is read from it.
_NO_VOLUME = Path("-")
# An answer takes a multiple of its size in memory: while it is received, and while it is parsed.
_COPIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectSettings:
    """The requests of a collection, and the place of their answers.

    `target` has the bucket, the keys and everything about stored objects; its volume is not used.
    `refresh` replaces answers that are there for the date. `max_requests` limits the requests to
    the API in one run, `max_results` the results of each query; None for no limit. `max_answer` is
    in bytes. `token` says where the token is kept.
    """

    target: Settings
    api: Api
    queries: tuple[Query, ...]
    token: TokenReference | None = None
    refresh: bool = False
    max_requests: int | None = None
    max_results: int | None = None
    max_answer: int = 8 * MIB

    def __post_init__(self) -> None:
        if dates_of(self.target) is not None:
            raise UsageError(
                "--date mtime can't be used with collect: answers have the date of the run",
                hint="use YYYY-MM-DD, today or yesterday",
            )
        check_endpoint(self.api.base_url, allow_http=False, named="the address of the API")
        check_queries(self.queries, self.api)
        if self.max_answer < 1 or self.max_answer * _COPIES > self.target.memory:
            raise UsageError(
                f"--max-answer: {self.max_answer:,} bytes do not fit --memory "
                f"{self.target.memory // MIB}MiB, which must hold an answer {_COPIES} times",
                hint="use a larger --memory or a smaller --max-answer",
            )

    @property
    def answers_at_once(self) -> int:
        """How many answers may be in memory at once."""
        fit = self.target.memory // (self.max_answer * _COPIES)
        return max(1, min(fit, self.target.max_requests))


def collect_settings(options: Mapping[str, object]) -> CollectSettings:
    """Return the settings for options by their names, as on the command line or in a file.

    Dashes in names may be underscores. `source` is the name of an API or a table that describes
    it, `query` a list of tables: see docs/how-to/collect.md.

    Raises:
        UsageError: an option is unknown or invalid.
    """
    given = by_option(options)
    tables = {name: given.pop(name) for name in _TABLES if name in given}
    source = tables.get("source", "tmdb")
    api = known_api(source) if isinstance(source, str) else parse_api(source)
    values: dict[str, Any] = {
        option.name: option.kind.convert(option.flag, given.get(option.name, option.default))
        for option in options_of("collect")
        if not option.setting and option.name not in _TABLES and option.default is not None
    } | {
        name: BY_NAME[name].kind.convert(BY_NAME[name].flag, value)
        for name, value in given.items()
        if not BY_NAME[name].setting
    }
    defaults: dict[str, Any] = {
        "volume": _NO_VOLUME,
        "origin": api.name,
        "format": FORMAT,
        "success_marker": True,
    }
    target = Settings(
        **defaults
        | {BY_NAME[name].setting: value for name, value in given.items() if BY_NAME[name].setting}
        | {"overwrite": values["refresh"], "skip_existing": not values["refresh"]}
    )
    if values.get("api_url"):
        check_endpoint(values["api_url"], allow_http=False, named="--api-url")
        api = api._replace(base_url=values["api_url"])
    if values.get("rate"):
        api = api._replace(rate=values["rate"])
    reference = values.get("token") or api.token
    queries = parse_queries(tables.get("query", ()), api) + _wished(values, api, tables)
    return CollectSettings(
        target=target,
        api=api,
        queries=tuple(queries),
        token=parse_reference(reference) if reference else None,
        refresh=values["refresh"],
        max_requests=values.get("max_requests"),
        max_results=values.get("max_results"),
        max_answer=values["max_answer"],
    )


def by_option(options: Mapping[str, object]) -> dict[str, object]:
    """Return the values of options of `collect` by the options' names.

    Raises:
        UsageError: an option is unknown.
    """
    known: dict[str, Option] = {option.name: option for option in options_of("collect")}
    given = {}
    for written, value in options.items():
        name = written.replace("-", "_")
        if name not in known and name != "query":
            raise UsageError(
                f"{written!r} is not an option of collect",
                hint="see asyncload collect --help for the options",
            )
        given[name] = value
    return given


def _wished(values: Mapping[str, Any], api: Api, tables: Mapping[str, object]) -> list[Query]:
    """Return the queries for the options that say what to collect from TMDB."""
    wishes = [name for name in _WISHES if values.get(name)]
    if not wishes and tables.get("query"):
        return []
    if api.name != TMDB.name:
        if wishes:
            raise UsageError(
                f"{BY_NAME[wishes[0]].flag} is only for tmdb",
                hint=f"describe the queries for {api.name} in a settings file: "
                "see docs/how-to/collect.md",
            )
        raise UsageError(
            f"nothing to collect: there is no query for {api.name}",
            hint="describe the queries in a settings file: see docs/how-to/collect.md",
        )
    wish = Wish(
        titles=values.get("title", ()),
        genres=values.get("genre", ()),
        actors=values.get("actor", ()),
        characters=values.get("character", ()),
        changes=values["changes"],
        kinds=cast("str", values["kind"]).replace(" ", "").split(","),
        language=values.get("language") or "",
        details=values.get("detail", ()),
    )
    return queries_of(wish)
