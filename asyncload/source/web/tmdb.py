"""The Movie Database (TMDB), version 3 of its API: its description, and its queries. Pure.

Source: https://developer.themoviedb.org/reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from asyncload.errors import UsageError
from asyncload.model.suggestions import with_guess
from asyncload.source.web.description import Api, Choice, DateSplit, Paging, Query

TMDB = Api(
    name="TMDB",
    base_url="https://api.themoviedb.org/3",
    token="env:TMDB_TOKEN",  # noqa: S106  # a reference, not a token
    rate=40,
    paging=Paging("page", total="total_pages", limit=500),
    notice="This product uses the TMDB API but is not endorsed or certified by TMDB. Its data is "
    "free for non-commercial use with attribution, and must not be kept longer than 6 months: "
    "https://www.themoviedb.org/api-terms-of-use",
)

KINDS = ("movie", "tv")
_NAMES = {"movie": "Movies", "tv": "Series"}
_CHANGES = {"movie": "MovieChanges", "tv": "SeriesChanges"}
_SPLITS = {
    "movie": ("primary_release_date.gte", "primary_release_date.lte"),
    "tv": ("first_air_date.gte", "first_air_date.lte"),
}
# The year of the oldest film in TMDB, and a few years for announced ones.
_FIRST, _AHEAD_DAYS = date(1874, 1, 1), 3653
# Changes can be requested for 14 days at once.
_CHANGES_DAYS = 14


class Wish(NamedTuple):
    """The options that say what to collect from TMDB.

    `details` are templates of paths for each film or series; in them `{kind}` is its kind.
    """

    titles: Sequence[str] = ()
    genres: Sequence[str] = ()
    actors: Sequence[str] = ()
    characters: Sequence[str] = ()
    changes: bool = False
    kinds: Sequence[str] = ("movie",)
    language: str = ""
    details: Sequence[str] = ()


def queries_of(wish: Wish) -> list[Query]:
    """Return the queries for a wish.

    Raises:
        UsageError: it asks for nothing, or for what TMDB can't answer.
    """
    for kind in wish.kinds:
        if kind not in KINDS:
            raise UsageError(
                f"--kind: {kind!r} is not a known kind",
                hint=with_guess(kind, KINDS, f"use {' or '.join(KINDS)}, or both"),
            )
    if wish.characters and not (wish.titles or wish.actors or wish.genres):
        raise UsageError(
            "--character needs --actor, --title or --genre: TMDB has no search by character",
            hint="the credits of these are searched for the character",
        )
    found = [query for kind in dict.fromkeys(wish.kinds) for query in _of_kind(wish, kind)]
    if wish.characters:
        found += [_by_actor_and_character(wish, name) for name in wish.actors]
    if not found:
        raise UsageError(
            "nothing to collect: no query is given",
            hint="use --title, --genre, --actor or --changes, or queries in a settings file",
        )
    return found


def _of_kind(wish: Wish, kind: str) -> Iterator[Query]:
    language = {"language": wish.language} if wish.language else {}
    for title in wish.titles:
        yield Query(
            f"{_NAMES[kind]}ByTitle",
            f"search/{kind}",
            {"query": title, **language},
            details=_details(wish, kind, f"{_NAMES[kind]}ByTitle"),
        )
    for genres in wish.genres:
        yield _by_genres(wish, kind, genres, language)
    for actor in wish.actors:
        if not wish.characters:
            yield _by_actor(wish, kind, actor, language)
    if wish.changes:
        spec = _CHANGES[kind]
        yield Query(
            spec,
            f"{kind}/changes",
            {"start_date": "{since}", "end_date": "{date}"},
            window=_CHANGES_DAYS,
            details=(
                Query(spec, f"{kind}/{{id}}", language, paged=False),
                *_details(wish, kind, spec),
            ),
        )


def _by_genres(wish: Wish, kind: str, genres: str, language: dict[str, str]) -> Query:
    """Return the query for genres, given by number or name: `28,12` is both, `28|12` either."""
    spec = f"{_NAMES[kind]}ByGenre"
    if "," in genres and "|" in genres:
        raise UsageError(
            f"--genre: {genres!r} mixes ',' (all of them) and '|' (any of them)",
            hint="use one of both",
        )
    join = "|" if "|" in genres else ","
    names = tuple(dict.fromkeys(filter(None, (name.strip() for name in genres.split(join)))))
    if not names:
        raise UsageError("--genre: no genre is given", hint="use for example --genre Action")
    if all(name.isascii() and name.isdigit() for name in names):
        return _discover(wish, kind, spec, {"with_genres": join.join(names), **language})
    return Query(
        spec,
        f"genre/{kind}/list",
        language,
        paged=False,
        items="genres",
        choice=Choice("name", names, whole=True, join=join, option="--genre"),
        details=(_discover(wish, kind, spec, {"with_genres": "{id}", **language}),),
    )


def _by_actor(wish: Wish, kind: str, actor: str, language: dict[str, str]) -> Query:
    spec = f"{_NAMES[kind]}ByActor"
    # TMDB can't search series by their cast.
    found = (
        _discover(wish, kind, spec, {"with_cast": "{id}", **language})
        if kind == "movie"
        else Query(
            spec,
            "person/{id}/tv_credits",
            language,
            paged=False,
            items="cast",
            details=_details(wish, kind, spec),
        )
    )
    return _person(actor, spec, language, found)


def _by_actor_and_character(wish: Wish, actor: str) -> Query:
    """Return the query for the films and series in which an actor plays the characters."""
    spec = "Characters"
    language = {"language": wish.language} if wish.language else {}
    found = Query(
        spec,
        "person/{id}/combined_credits",
        language,
        paged=False,
        items="cast",
        choice=Choice("character", tuple(wish.characters)),
        details=(Query(spec, "{media_type}/{id}", language, paged=False),),
    )
    return _person(actor, spec, language, found)


def _person(name: str, spec: str, language: dict[str, str], found: Query) -> Query:
    """Return the query for a person, given by name or number, and for what follows from it."""
    if name.isascii() and name.isdigit():
        return replace(
            found,
            path=found.path.replace("{id}", name),
            params={key: value.replace("{id}", name) for key, value in found.params.items()},
        )
    return Query(
        spec,
        "search/person",
        {"query": name, **language},
        pages=1,
        choice=Choice("name", (name,), whole=True, option="--actor"),
        details=(found,),
    )


def _discover(wish: Wish, kind: str, spec: str, params: dict[str, str]) -> Query:
    details = _details(wish, kind, spec)
    return with_split(Query(spec, f"discover/{kind}", params, details=details))


def with_split(query: Query) -> Query:
    """Return a query that can be divided by date, if TMDB can restrict it so."""
    kind = query.path.removeprefix("discover/")
    if query.path == kind or kind not in KINDS:
        return query
    start, end = _SPLITS[kind]
    if start in query.params or end in query.params:
        return query
    return replace(query, split=DateSplit(start, end, _FIRST, _AHEAD_DAYS))


def _details(wish: Wish, kind: str, spec: str) -> tuple[Query, ...]:
    """Return the details of each film or series; with characters, its credits and their actors."""
    language = {"language": wish.language} if wish.language else {}
    details = [
        Query(spec, template.replace("{kind}", kind), language, paged=False)
        for template in wish.details
    ]
    if wish.characters:
        # The cast of a series has a list of roles for each actor.
        path, field = (
            ("movie/{id}/credits", "character")
            if kind == "movie"
            else ("tv/{id}/aggregate_credits", "roles.character")
        )
        details.append(
            Query(
                spec,
                path,
                language,
                paged=False,
                items="cast",
                choice=Choice(field, tuple(wish.characters)),
                details=(Query(spec, "person/{id}", language, paged=False),),
            )
        )
    return tuple(details)
