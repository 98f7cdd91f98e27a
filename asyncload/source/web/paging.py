"""Decide which pages of a query to request. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from asyncload.errors import AnswerDamaged
from asyncload.source.web.description import MAX_PAGES, Paging, field_of


class Page(NamedTuple):
    """A page to request: its number from 1, its parameters, or the whole address of a link.

    `before` is the number of results on the pages before it.
    """

    number: int
    params: Mapping[str, str]
    before: int = 0
    url: str = ""


@dataclass(slots=True)
class Pages:
    """The pages of one query.

    If answers contain a total, all pages are known after the first one, and may be requested in any
    order; the total of a later answer may be higher. Otherwise each answer leads to the next page.

    Args:
        paging: the API's paging; None for a query of one page.
        most: the highest number of a page to request.
        results: the maximum number of results that are wanted; None for all.

    Attributes:
        beyond: the pages there are, if the limit of the API is lower; else 0.
        cut: whether `results` left pages out.
    """

    paging: Paging | None
    most: int = MAX_PAGES
    results: int | None = None
    beyond: int = 0
    cut: bool = False
    _issued: int = 1
    _per_page: int = 0
    _seen: set[str] = field(default_factory=set)
    _last: int | None = None

    def first(self) -> Page:
        """Return the first page."""
        paging = self.paging
        if paging is None:
            return Page(1, {})
        size = {paging.size_param: str(paging.size)} if paging.size_param else {}
        if paging.style in ("page", "offset"):
            size[paging.param] = str(paging.start if paging.style == "page" else 0)
        return Page(1, size)

    def wanted(self, page: Page, count: int) -> int:
        """Return how many of the `count` results of a page are wanted."""
        return count if self.results is None else max(0, min(count, self.results - page.before))

    def after(self, page: Page, document: Any, count: int, *, link: str, mark: int) -> range | Page:
        """Return the pages that an answer leads to: a range of numbers for `at`, or one page.

        Args:
            page: the page.
            document: the answer as parsed JSON.
            count: the number of results in it.
            link: the address of the next page in the `Link` header, or "".
            mark: a checksum of the answer.

        Raises:
            AnswerDamaged: the answer has no usable total, or the pages repeat.
        """
        paging = self.paging
        if paging is None:
            return range(0)
        if paging.style in ("page", "offset") and paging.total:
            return self._by_total(paging, page, document, count)
        following = self._in_order(paging, page, document, count, link, mark)
        return range(0) if following is None else following

    def at(self, number: int) -> Page:
        """Return the page with a number, of a query whose first page was answered."""
        paging = self.paging
        assert paging is not None, "a query without pages has only one"
        size = {paging.size_param: str(paging.size)} if paging.size_param else {}
        before = (number - 1) * self._per_page
        value = paging.start + number - 1 if paging.style == "page" else before
        return Page(number, size | {paging.param: str(value)}, before)

    def _by_total(self, paging: Paging, page: Page, document: Any, count: int) -> range:
        total = field_of(document, paging.total)
        if not isinstance(total, int) or isinstance(total, bool) or total < 0:
            raise AnswerDamaged(
                f"the answer has no number of {'pages' if paging.style == 'page' else 'results'} "
                f"in its field {paging.total!r}",
                hint="check `total` of the paging, or omit it to request pages until one is empty",
            )
        if page.number == 1:
            # A server may send fewer results than were requested; the next ones begin after them.
            self._per_page = count
        if paging.style == "offset":
            total = -(-total // self._per_page) if self._per_page else 0
        most = min(total, self.most)
        if self.results is not None and count and page.number == 1:
            wanted = -(-self.results // count)
            self.cut = self.cut or wanted < most
            self.most = min(self.most, wanted)
            most = min(most, wanted)
        if most > paging.limit:
            self.beyond = max(self.beyond, total)
            most = paging.limit
        begin = self._issued + 1
        self._issued = max(self._issued, most)
        return range(begin, self._issued + 1)

    def _in_order(
        self, paging: Paging, page: Page, document: Any, count: int, link: str, mark: int
    ) -> Page | None:
        before, number = page.before + count, page.number + 1
        token = ""
        if paging.style == "cursor":
            token = _token(field_of(document, paging.next))
        elif paging.style == "link":
            token = link
        elif count:
            token = str(paging.start + number - 1 if paging.style == "page" else before)
        if not token:
            return None
        # A server that ignores the number or offset sends the same page again and again.
        if token in self._seen or (count and mark == self._last):
            raise AnswerDamaged(
                f"page {page.number:,} repeats an earlier page, so the pages would never end",
                hint="check the paging in the description of the API",
            )
        self._seen.add(token)
        self._last = mark
        if number > min(self.most, paging.limit):
            if number > paging.limit:
                self.beyond = number
            return None
        if self.results is not None and before >= self.results:
            self.cut = True
            return None
        if paging.style == "link" or _is_address(token):
            return Page(number, {}, before, token)
        size = {paging.size_param: str(paging.size)} if paging.size_param else {}
        return Page(number, size | {paging.param: token}, before)


def _is_address(token: str) -> bool:
    """Return whether a token is the address of the next page; others may begin with `/`, too."""
    return token.startswith(("https://", "http://")) or (token.startswith("/") and "?" in token)


def _token(value: Any) -> str:
    """Return a token or address for the next page; "" if there is none."""
    if value is None or value is False or value == "":
        return ""
    if isinstance(value, str | int):
        return str(value)
    raise AnswerDamaged(
        "the token for the next page is neither a string nor a number",
        hint="check `next` of the paging in the description of the API",
    )


_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r";\s*rel\s*=\s*(?:\"[^\"]*\bnext\b[^\"]*\"|next\b)", re.IGNORECASE)


def next_link(header: str) -> str:
    """Return the target with the relation `next` in a `Link` header; "" if there is none.

    Source: RFC 8288.
    """
    for target, parameters in _LINK.findall(header):
        if _NEXT.search(parameters):
            return str(target)
    return ""
