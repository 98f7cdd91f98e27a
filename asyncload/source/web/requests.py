"""Turn queries into requests and keys, and answers into further requests. Pure."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from asyncload.errors import AnswerDamaged, UnknownName
from asyncload.source.web.description import (
    DATE,
    MAX_PAGES,
    PARENT,
    SINCE,
    Api,
    Choice,
    DateSplit,
    Query,
    field_of,
    fill,
    names_in,
)
from asyncload.source.web.paging import Page, Pages

UNKNOWN_SINCE = "LAST_SUCCESS"
"""Stands for the date of the last complete collection in a dry run, which makes no request."""

_HASH_LENGTH = 16
_SHORT_HASH_LENGTH = 8
_NAMED = 20


@dataclass(frozen=True, slots=True)
class FilledQuery:
    """A query with its placeholders filled in, and the progress through its pages.

    `path` and `params` are as requested, without the parameters of a page. `stem` is the beginning
    of the names of its answers. `values` are what its details may be filled with. `span` are the
    dates it is restricted to.
    """

    query: Query
    path: str
    params: Mapping[str, str]
    stem: str
    pages: Pages
    values: Mapping[str, str]
    is_detail: bool = False
    span: tuple[date, date] | None = None


class Request(NamedTuple):
    """One request to an API: a page of a query."""

    filled: FilledQuery
    page: Page

    @property
    def target(self) -> str:
        """Path and query below the base address, or the address that a link gave."""
        if self.page.url:
            return self.page.url
        params = {**self.filled.params, **self.page.params}
        return f"{self.filled.path}?{_encoded(params)}" if params else self.filled.path

    @property
    def path(self) -> str:
        """The path of its answer: dataset and name, as of a file in a volume."""
        filled = self.filled
        number = f"-p{self.page.number:04}" if filled.query.paged else ""
        return f"{filled.query.spec}/{filled.stem}{number}.json"

    @property
    def is_detail(self) -> bool:
        """Whether it is about a result of another query."""
        return self.filled.is_detail

    @property
    def needs_document(self) -> bool:
        """Whether further requests depend on its answer."""
        return bool(self.filled.query.details) or self.filled.pages.paging is not None


class Answered(NamedTuple):
    """An answer: parsed JSON, the address of the next page in its header, and a checksum."""

    document: Any
    link: str = ""
    mark: int = 0


@dataclass(slots=True)
class Further:
    """The requests that an answer leads to: details first, then pages. `count` is their number.

    `unusable` says which results lack a field that their details need.
    """

    details: list[Request] = field(default_factory=list)
    pages: Iterator[Request] = field(default_factory=lambda: iter(()))
    count: int = 0
    unusable: AnswerDamaged | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """How the queries of a run become requests.

    `day` is the run's date, `results` the maximum number of results of each query; None for all.
    """

    api: Api
    day: date
    results: int | None = None

    def begin(self, query: Query, since: date | None) -> list[Request]:
        """Return the first requests of a query; `since` fills in `{since}`, if it is known."""
        days = [(since, self.day)]
        if query.window is not None and since is not None:
            days = list(_windows(since, self.day, query.window))
        requests = []
        for start, end in days:
            values = {DATE: end.isoformat(), SINCE: UNKNOWN_SINCE if start is None else str(start)}
            requests.append(self._first(self._fill(query, values, is_detail=False)))
        return requests

    def example(self, query: Query) -> Request:
        """Return the first request of a detail, with its placeholders as they are written."""
        values = {name: f"{{{name}}}" for name in query.placeholders}
        filled = self._fill(query, values | {DATE: self.day.isoformat()}, is_detail=True)
        params = {name: fill(text, values) for name, text in query.params.items()}
        shown = replace(filled, path=fill(query.path, values), params=params)
        if query.paged:
            shown = replace(shown, stem="{hash}")
        return self._first(shown)

    @staticmethod
    def check(request: Request, document: Any) -> None:
        """Check that an answer has the results that its query asks for.

        Some APIs report an error with status 200. Such an answer must not be stored: it would count
        as collected.

        Raises:
            AnswerDamaged: it has no list of results.
        """
        query = request.filled.query
        if request.needs_document or query.listed:
            _items(document, query)

    def follow(self, request: Request, answered: Answered) -> Further:
        """Return what an answer leads to.

        Raises:
            AnswerDamaged: the answer does not have the form that the API's description says.
            UnknownName: a name that an option gives is not in the answer.
        """
        filled, page = request
        query, pages = filled.query, filled.pages
        items = _items(answered.document, query)
        further = Further()
        chosen = items[: pages.wanted(page, len(items))]
        if query.choice is not None:
            chosen = choose(query.choice, chosen)
        if query.details:
            for values in self._values(query, chosen, filled, further):
                further.details += (
                    self._first(self._fill(detail, values, is_detail=True))
                    for detail in query.details
                )
        following = pages.after(
            page, answered.document, len(items), link=answered.link, mark=answered.mark
        )
        halves = self._split(filled) if pages.beyond else []
        if halves:
            # Its other pages are those of its halves.
            pages.beyond = 0
            further.pages, count = iter([self._first(half) for half in halves]), len(halves)
        elif isinstance(following, Page):
            further.pages, count = iter([Request(filled, following)]), 1
        else:
            count = len(following)
            further.pages = (Request(filled, pages.at(number)) for number in following)
        further.count = len(further.details) + count
        return further

    def _first(self, filled: FilledQuery) -> Request:
        return Request(filled, filled.pages.first())

    def _fill(
        self,
        query: Query,
        values: Mapping[str, str],
        *,
        is_detail: bool,
        extra: Mapping[str, str] = MappingProxyType({}),
        span: tuple[date, date] | None = None,
    ) -> FilledQuery:
        escaped = {name: quote(value, safe="") for name, value in values.items()}
        # The path may be written with characters that an address can't have.
        path = quote(fill(query.path, escaped), safe="/%:@!$&'()*+,;=~")
        params = {name: fill(text, values) for name, text in query.params.items()} | dict(extra)
        paging = self.api.paging if query.paged else None
        if query.paged or not is_detail:
            stem = _hash(path, params, _HASH_LENGTH)
        else:
            stem = detail_stem(query, values, params)
        most = MAX_PAGES if query.pages is None else query.pages
        # The limit is for what is collected, not for looking up the number of a name.
        looks_up = query.choice is not None and bool(query.choice.option)
        pages = Pages(paging, most, None if looks_up else self.results)
        return FilledQuery(query, path, params, stem, pages, values, is_detail, span)

    def _split(self, filled: FilledQuery) -> list[FilledQuery]:
        """Divide a query with too many pages by date; nothing if that is not possible."""
        split = filled.query.split
        if split is None or filled.pages.most < MAX_PAGES or filled.pages.cut:
            return []
        begin, end = filled.span or (split.first, self.day + timedelta(days=split.ahead))
        if begin >= end:
            return []
        middle = begin + (end - begin) // 2
        return [
            self._fill(
                filled.query,
                filled.values,
                is_detail=filled.is_detail,
                extra=_restriction(split, span),
                span=span,
            )
            for span in ((begin, middle), (middle + timedelta(days=1), end))
        ]

    @staticmethod
    def _values(
        query: Query, items: Sequence[Any], filled: FilledQuery, further: Further
    ) -> Iterator[dict[str, str]]:
        """Yield the values that fill the details of each chosen result, or of all together."""
        needed = {
            name.rpartition(PARENT)[2]
            for detail in query.details
            for each in detail.tree()
            for name in each.placeholders
        }
        direct = {name for detail in query.details for name in detail.placeholders}
        dates = {name: text for name, text in filled.values.items() if name in (DATE, SINCE)}
        outer = {f"{PARENT}{name}": text for name, text in filled.values.items()}
        found, unusable, lacking = [], [], set()
        for number, item in enumerate(items, 1):
            # Not those of an outer result under the same name: it would be taken for this one's.
            fields = {name: text for name in needed if (text := _text(field_of(item, name)))}
            values = outer | fields | dates
            missing = {name for name in direct if values.get(name, ".") in (".", "..")}
            if missing:
                unusable.append(number)
                lacking |= missing
            else:
                found.append(values)
        if unusable:
            further.unusable = AnswerDamaged(
                f"{len(unusable):,} of {len(items):,} results of {request_name(filled)} have no "
                f"usable field {', '.join(sorted(lacking))}; the first is result {unusable[0]}",
                hint="check the placeholders of the query's details",
            )
        join = query.choice.join if query.choice is not None else ""
        if join and found:
            yield {
                name: join.join(dict.fromkeys(values[name] for values in found if name in values))
                for name in found[0]
                if all(name in values for values in found)
            }
        else:
            yield from found


def request_name(filled: FilledQuery) -> str:
    """Return a query as it is named in messages."""
    return f"{filled.path}?{_encoded(filled.params)}" if filled.params else filled.path


def detail_stem(query: Query, values: Mapping[str, str], params: Mapping[str, str]) -> str:
    """Return the name of a detail's answer: the fixed segments of its path, and the values.

    A short hash of the parameters is added, if there are any.
    """
    literal, filled = [], []
    for segment in query.path.split("/"):
        names = list(names_in(segment))
        if names:
            filled.append(fill(segment, values).replace("%", "%25").replace("/", "%2F"))
        else:
            literal.append(segment)
    suffix = [_hash("", params, _SHORT_HASH_LENGTH)] if params else []
    return "-".join([*literal, *filled, *suffix])


def choose(choice: Choice, items: Sequence[Any]) -> list[Any]:
    """Return the items that a choice selects.

    Raises:
        UnknownName: a text was not found, and must be.
    """
    texts = {fold(text): text for text in choice.texts}
    chosen, found = [], set()
    for item in items:
        values = [fold(text) for text in texts_of(item, choice.field)]
        hits = {
            text
            for text in texts
            if any(text == value if choice.whole else text in value for value in values)
        }
        if hits:
            chosen.append(item)
            found |= hits
    missing = [text for folded, text in texts.items() if folded not in found]
    if choice.option and missing:
        known = [text for item in items for text in texts_of(item, choice.field)]
        named = ", ".join(known[:_NAMED]) or "none"
        raise UnknownName(
            f"{choice.option}: the API knows no {missing[0]!r}",
            hint=f"it offers: {named}; the whole name is compared",
        )
    return chosen


def texts_of(document: Any, name: str) -> list[str]:
    """Return the texts in a field by its dotted name; a field of a list is that of each item."""
    if isinstance(document, list):
        return [text for item in document for text in texts_of(item, name)]
    first, _, rest = name.partition(".")
    value = document.get(first) if isinstance(document, dict) else None
    if rest:
        return texts_of(value, rest)
    text = _text(value)
    return [text] if text else []


def fold(text: str) -> str:
    """Return a text without differences of case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char)).strip()


def _items(document: Any, query: Query) -> list[Any]:
    """Return the results of an answer on which further requests depend."""
    found = field_of(document, query.items)
    if isinstance(found, list):
        return found
    raise AnswerDamaged(
        f"the answer has no list of results in its field {query.items!r}",
        hint="if the API has answered with an error, run again, with --refresh if the answer is in "
        "the bucket; otherwise set `items` of the query to the field with the results",
    )


def _text(value: Any) -> str:
    """Return a string or whole number as text, "" for other values.

    A string of JSON may have half of a surrogate pair, which can't be sent or be part of a key.
    """
    if isinstance(value, str):
        return value.encode(errors="ignore").decode()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _hash(path: str, params: Mapping[str, str], length: int) -> str:
    """Return a hash that identifies a query; it must never change between versions."""
    canonical = f"{path}?{_encoded(dict(sorted(params.items())))}"
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]


def _encoded(params: Mapping[str, str]) -> str:
    return urlencode(params, quote_via=quote, safe=",")


def _restriction(split: DateSplit, span: tuple[date, date]) -> dict[str, str]:
    return {split.start: span[0].isoformat(), split.end: span[1].isoformat()}


def _windows(start: date, end: date, days: int) -> Iterator[tuple[date, date]]:
    """Yield windows of at most so many days that cover all days from `start` to `end`."""
    while (end - start).days > days:
        yield start, start + timedelta(days=days)
        start += timedelta(days=days)
    yield start, end
