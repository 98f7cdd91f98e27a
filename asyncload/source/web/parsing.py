"""Read descriptions of APIs and queries from the tables of a settings file. Pure.

Messages name the table and the field, but never the value of a token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from asyncload.errors import InvalidKey, UsageError
from asyncload.model.suggestions import with_guess
from asyncload.model.values import ObjectKey
from asyncload.source.web.description import (
    DATE,
    PAGING_STYLES,
    SINCE,
    Api,
    Choice,
    Paging,
    Query,
    names_in,
)
from asyncload.source.web.tmdb import TMDB, with_split
from asyncload.source.web.tokens import parse_reference

_KNOWN = {TMDB.name.lower(): TMDB}
_API_FIELDS = ("name", "base_url", "token", "header", "scheme", "rate", "paging", "items")
_PAGING_FIELDS = ("style", "param", "start", "size_param", "size", "total", "next", "limit")
_DETAIL_FIELDS = ("path", "params", "detail", "items", "only", "paged", "pages")
_QUERY_FIELDS = ("spec", *_DETAIL_FIELDS, "window")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_MAX_RATE = 1000


def known_api(name: str) -> Api:
    """Return an API that asyncload describes, by its name in any letter case.

    Raises:
        UsageError: there is no such API.
    """
    api = _KNOWN.get(name.lower())
    if api is None:
        raise UsageError(
            f"source: {name!r} is not a known source",
            hint=with_guess(
                name,
                _KNOWN,
                f"use {', '.join(_KNOWN)}, or describe another API under [source] in a settings "
                "file (--config)",
            ),
        )
    return api


def parse_api(table: object) -> Api:
    """Return the API that a `[source]` table describes; a known name fills in the rest.

    Raises:
        UsageError: a field is unknown, missing or invalid.
    """
    fields = _fields("[source]", table, _API_FIELDS)
    name = _text("[source]", fields, "name", required=True)
    api = _KNOWN.get(name.lower())
    if api is None:
        if "base_url" not in fields:
            raise UsageError(
                f"[source]: base_url is missing, and {name!r} is not a known source",
                hint=f"set base_url, or use {', '.join(_KNOWN)}",
            )
        api = Api(_segment("[source]: name", name), "")
    texts: dict[str, Any] = {
        field: _text("[source]", fields, field)
        for field in ("base_url", "token", "header", "scheme", "items")
        if field in fields
    }
    api = api._replace(**texts, listed="items" in fields)
    if api.token:
        parse_reference(api.token)
    if not _HEADER.fullmatch(api.header):
        raise UsageError(f"[source]: header: {api.header!r} is not the name of a header")
    if api.scheme.count("{token}") != 1 or not api.scheme.isascii() or not api.scheme.isprintable():
        raise UsageError(
            "[source]: scheme must contain {token} once, and otherwise printable ASCII",
            hint='for example scheme = "Bearer {token}"',
        )
    if "rate" in fields:
        api = api._replace(rate=check_rate("[source]: rate", fields["rate"]))
    if "paging" in fields:
        api = api._replace(paging=_paging(fields["paging"]))
    return api


def check_rate(named: str, value: object) -> float:
    """Return a number of requests per second.

    Raises:
        UsageError: it is not a number, or out of range.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MAX_RATE:
        return float(value)
    raise UsageError(
        f"{named}: {value!r} is not a number of requests per second",
        hint=f"use a number above 0, at most {_MAX_RATE:,}",
    )


def _paging(table: object) -> Paging:
    fields = _fields("[source.paging]", table, _PAGING_FIELDS)
    style = _text("[source.paging]", fields, "style", required=True)
    if style not in PAGING_STYLES:
        raise UsageError(
            f"[source.paging]: style: {style!r} is not a known style",
            hint=with_guess(style, PAGING_STYLES, f"use one of {', '.join(PAGING_STYLES)}"),
        )
    default = {"offset": "offset", "cursor": "cursor"}.get(style, "page")
    values: dict[str, Any] = {"param": default}
    for field in ("param", "size_param", "total", "next"):
        if field in fields:
            values[field] = _text("[source.paging]", fields, field)
    for field, least in (("start", 0), ("size", 1), ("limit", 1)):
        if field in fields:
            values[field] = _number("[source.paging]", fields, field, least)
    paging = Paging(style, **values)
    if style == "cursor" and not paging.next:
        raise UsageError(
            "[source.paging]: next is missing: the field of an answer with the next page's token",
        )
    if bool(paging.size) != bool(paging.size_param):
        raise UsageError("[source.paging]: size and size_param belong together: set both")
    return paging


def parse_queries(tables: object, api: Api) -> list[Query]:
    """Return the queries that `[[query]]` tables describe.

    Raises:
        UsageError: a field is unknown, missing or invalid.
    """
    if not isinstance(tables, Sequence) or isinstance(tables, str):
        raise UsageError("query must be an array of tables", hint="begin each one with [[query]]")
    return [_query(f"query {number}", table, api) for number, table in enumerate(tables, 1)]


def _query(named: str, table: object, api: Api) -> Query:
    fields = _fields(named, table, _QUERY_FIELDS)
    spec = _segment(f"{named}: spec", _text(named, fields, "spec", required=True))
    query = _request(named, fields, api, spec, is_detail=False)
    return with_split(query) if api.name == TMDB.name else query


def _request(
    named: str, fields: Mapping[str, Any], api: Api, spec: str, *, is_detail: bool
) -> Query:
    paged = fields.get("paged", not is_detail)
    if not isinstance(paged, bool):
        raise UsageError(f"{named}: paged must be true or false")
    return Query(
        spec,
        _text(named, fields, "path", required=True),
        _params(named, fields.get("params", {})),
        paged,
        _number(named, fields, "pages", 1) if "pages" in fields else None,
        _text(named, fields, "items") if "items" in fields else api.items,
        _choice(named, fields.get("only", {})),
        _details(named, fields.get("detail", ()), api, spec),
        window=_number(named, fields, "window", 1) if "window" in fields else None,
        listed="items" in fields or (api.listed and not is_detail),
    )


def _details(named: str, given: object, api: Api, spec: str) -> tuple[Query, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise UsageError(
            f"{named}: detail must be an array of paths or tables",
            hint='for example detail = ["movie/{id}/credits"]',
        )
    details = []
    for number, one in enumerate(given, 1):
        place = f"{named}, detail {number}"
        table = {"path": one} if isinstance(one, str) else one
        fields = _fields(place, table, _DETAIL_FIELDS)
        details.append(_request(place, fields, api, spec, is_detail=True))
    return tuple(details)


def _params(named: str, given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise UsageError(f"{named}: params must be a table")
    params = {}
    for name, value in given.items():
        if isinstance(value, bool):
            params[name] = str(value).lower()
        elif isinstance(value, str | int | float):
            params[name] = str(value)
        else:
            raise UsageError(f"{named}: params: {name} must be a string, a number or a boolean")
    return params


def _choice(named: str, given: object) -> Choice | None:
    if not given:
        return None
    if not isinstance(given, Mapping) or len(given) != 1:
        raise UsageError(
            f"{named}: `only` must be a table with one field",
            hint='for example only = {character = "Batman"}',
        )
    ((field, texts),) = given.items()
    texts = (texts,) if isinstance(texts, str) else texts
    if not isinstance(texts, Sequence) or not all(isinstance(t, str) and t for t in texts):
        raise UsageError(f"{named}: only: {field} must be a string, or an array of strings")
    return Choice(field, tuple(texts))


def check_queries(queries: Sequence[Query], api: Api) -> None:
    """Check queries before any request.

    Raises:
        UsageError: a path, placeholder or number of pages can't be used, or two queries have one
            key.
    """
    keys: dict[tuple[str, ...], tuple[str, Query]] = {}
    for number, query in enumerate(queries, 1):
        named = f"query {number} ({query.spec})"
        _segment(f"{named}: spec", query.spec)
        for each in query.tree():
            is_detail = each is not query
            _check_path(named, each)
            _check_placeholders(named, each, is_detail=is_detail)
            if each.pages is not None and api.paging is not None and each.pages > api.paging.limit:
                raise UsageError(
                    f"{named}: pages: {each.pages:,} is over {api.paging.limit:,}, the last page "
                    f"that {api.name} serves",
                    hint="use fewer pages, or divide the query",
                )
            identity = _key_of(each, is_detail=is_detail)
            other = keys.setdefault(identity, (named, each))
            same = (other[1].path, dict(other[1].params)) == (each.path, dict(each.params))
            if other[1] is not each and not (is_detail and same):
                raise UsageError(
                    f"{other[0]} and {named} have the same key: {each.path}",
                    hint="remove one of them, or give them different specs",
                )


def _key_of(query: Query, *, is_detail: bool) -> tuple[str, ...]:
    """Return a value that is equal for two queries whose answers have the same key."""
    spec = query.spec[:1].upper() + query.spec[1:]
    params = str(sorted(query.params.items()))
    if query.paged or not is_detail:
        return spec, query.path, params
    segments = query.path.split("/")
    fixed = [segment for segment in segments if not any(names_in(segment))]
    filled = [segment for segment in segments if any(names_in(segment))]
    return spec, "detail", "-".join(fixed), "-".join(filled), params


def _check_path(named: str, query: Query) -> None:
    path = query.path
    segments = path.split("/")
    if "://" in path or "?" in path or "#" in path or not {"", ".", ".."}.isdisjoint(segments):
        raise UsageError(
            f"{named}: path: {path!r} is not a path below the base address",
            hint='use for example path = "discover/movie", and params for parameters',
        )


def _check_placeholders(named: str, query: Query, *, is_detail: bool) -> None:
    try:
        names = query.placeholders
    except ValueError as error:
        raise UsageError(
            f"{named}: {query.path}: {error}", hint="use for example {id}; write {{ for a brace"
        ) from None
    unknown = sorted(names - {DATE, SINCE})
    if unknown and not is_detail:
        raise UsageError(
            f"{named}: unknown placeholder {{{unknown[0]}}}",
            hint="a query may have {date} and {since}; its details have the fields of its results",
        )


def _fields(named: str, table: object, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise UsageError(f"{named} must be a table")
    unknown = [str(name) for name in table if name not in known]
    if unknown:
        raise UsageError(
            f"{named}: unknown field {unknown[0]!r}",
            hint=with_guess(unknown[0], known, f"the known fields are {', '.join(known)}"),
        )
    return table


def _text(named: str, fields: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    value = fields.get(name)
    if value is None and required:
        raise UsageError(f"{named}: {name} is missing")
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{named}: {name} must be a string that is not empty")
    return value


def _number(named: str, fields: Mapping[str, Any], name: str, least: int) -> int:
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{named}: {name} must be a whole number from {least}")
    return value


def _segment(named: str, value: str) -> str:
    try:
        ObjectKey(value)
    except InvalidKey as error:
        raise UsageError(f"{named}: {value!r} can't be part of an object key: {error}") from error
    if "/" in value:
        raise UsageError(f"{named}: {value!r} must be one segment of a key, without '/'")
    return value
