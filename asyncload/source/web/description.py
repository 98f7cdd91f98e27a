"""Descriptions of an API and of the queries to make: frozen values. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from string import Formatter
from typing import Any, Literal, NamedTuple

PagingStyle = Literal["page", "offset", "cursor", "link"]
PAGING_STYLES: tuple[PagingStyle, ...] = ("page", "offset", "cursor", "link")

DATE, SINCE = "date", "since"
"""Placeholders of a query besides the fields of a result: the run's date, and the date of the last
complete collection before it.
"""

PARENT = "parent."
"""The beginning of a placeholder for a field of the result that led to the present one."""

MAX_PAGES = 100_000
"""Of one query, if the API has no limit: a server that ignores page numbers must not be asked for
ever.
"""


class Paging(NamedTuple):
    """How an API divides the results of a query into pages.

    `style`: by number (`page`), by the number of results to skip (`offset`), by a token in each
    answer (`cursor`), or by the `Link` header (`link`). `param` is the parameter for number, offset
    or token; `start` is the number of the first page. `size` is the number of results to request
    per page, by `size_param`. `total` is the field of an answer with the number of pages (for
    `offset`: of results), "" if it is unknown: then the first page without a result is the last.
    `next` is the field with the token. `limit` is the highest page that the API serves.
    """

    style: PagingStyle
    param: str = "page"
    start: int = 1
    size_param: str = ""
    size: int = 0
    total: str = ""
    next: str = ""
    limit: int = MAX_PAGES


class Api(NamedTuple):
    """An HTTP API that answers in JSON.

    `name` is the origin in keys. `header` and `scheme` are the name and the form of the header that
    carries the token (`{token}`). `token` says where the token comes from, "" for none: see
    `tokens`. `rate` is in requests a second. `paging` is that of queries which set none; None for
    an API without pages. `items` is the field with the results; `listed`: whether every query has
    it, also one without pages. `notice` has to be shown to users.
    """

    name: str
    base_url: str
    header: str = "Authorization"
    scheme: str = "Bearer {token}"
    token: str = ""
    rate: float = 10.0
    paging: Paging | None = None
    items: str = "results"
    notice: str = ""
    listed: bool = False


class DateSplit(NamedTuple):
    """Parameters that restrict a query to dates, to divide one that has too many pages.

    `start` and `end` name the parameters; both dates are included. `first` is the earliest date,
    `ahead` how many days after the run's date the last one is.
    """

    start: str
    end: str
    first: date
    ahead: int


class Choice(NamedTuple):
    """Which results of an answer get details.

    `field` must contain one of the `texts`, ignoring case; with `whole` it must be equal to one.
    `join` makes one request for all chosen results: their fields are joined by it. `option` names
    the option with the texts, if each text must be found.
    """

    field: str
    texts: tuple[str, ...]
    whole: bool = False
    join: str = ""
    option: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A request to make, with the requests to make for each of its results.

    `spec` is the dataset that its answers belong to. `path`, below the base address, and the values
    of `params` may have placeholders for fields of a result, such as `{id}`, or of the one before
    it, such as `{parent.id}`. `paged`: whether it has pages, of which at most `pages` are
    requested. `items` is the field of an answer with its results; `listed`: whether each answer
    must have it, even if nothing follows from it. `choice` restricts the results that get
    `details`; None for all. `split` divides a query with too many pages. `window` divides
    a query that has `{since}` and `{date}` into several of at most this many days.
    """

    spec: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    paged: bool = True
    pages: int | None = None
    items: str = "results"
    choice: Choice | None = None
    details: tuple[Query, ...] = ()
    split: DateSplit | None = None
    window: int | None = None
    listed: bool = False

    @property
    def placeholders(self) -> set[str]:
        """The names of its placeholders."""
        return {name for text in (self.path, *self.params.values()) for name in names_in(text)}

    def tree(self) -> Iterator[Query]:
        """Yield this query and all of its details."""
        yield self
        for detail in self.details:
            yield from detail.tree()


def names_in(template: str) -> Iterator[str]:
    """Yield the placeholders of a template.

    Raises:
        ValueError: it is malformed, or a placeholder has a format.
    """
    for _, name, spec, conversion in Formatter().parse(template):
        if name is None:
            continue
        if spec or conversion or not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"{{{name}}} is not the name of a field")
        yield name


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill a template with values.

    Raises:
        LookupError: a value is missing.
    """
    pieces = []
    for literal, name, _, _ in Formatter().parse(template):
        pieces.append(literal)
        if name is not None:
            pieces.append(values[name])
    return "".join(pieces)


def field_of(document: Any, name: str) -> Any:
    """Return a field of parsed JSON by its dotted name, the whole for ""; None if it is missing."""
    for part in filter(None, name.split(".")):
        if not isinstance(document, dict):
            return None
        document = document.get(part)
    return document
