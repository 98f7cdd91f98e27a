"""Which pages of a query are requested, by what the answers say."""

from __future__ import annotations

import pytest

from asyncload.errors import AnswerDamaged
from asyncload.source.web.description import Paging
from asyncload.source.web.paging import Page, Pages, next_link

NUMBERED = Paging("page", total="total_pages", limit=500)
SKIPPING = Paging("offset", "skip", size_param="limit", size=10, total="meta.count")
UNKNOWN = Paging("page")
CURSOR = Paging("cursor", "cursor", next="next")
LINK = Paging("link")


def after(pages, page, document, count=20, link="", mark=0):
    return pages.after(page, document, count, link=link, mark=mark)


def test_a_query_without_pages_has_one():
    """A total in its answer changes nothing."""
    pages = Pages(None)
    assert pages.first() == Page(1, {})
    assert after(pages, pages.first(), {"total_pages": 7}) == range(0)


def test_a_total_names_all_pages():
    """Once, also if later answers repeat it."""
    pages = Pages(NUMBERED)
    assert pages.first() == Page(1, {"page": "1"})
    assert after(pages, pages.first(), {"total_pages": 4}) == range(2, 5)
    assert pages.at(3) == Page(3, {"page": "3"}, before=40)
    assert after(pages, pages.at(3), {"total_pages": 4}) == range(5, 5)
    assert after(pages, pages.at(2), {"total_pages": 6}) == range(5, 7)
    assert after(pages, pages.at(4), {"total_pages": 2}) == range(7, 7)


@pytest.mark.parametrize("total", [None, "7", True, -1, 1.5])
def test_a_total_that_is_not_a_number_is_an_error(total):
    """A guess would lose pages."""
    pages = Pages(NUMBERED)
    with pytest.raises(AnswerDamaged, match="no number of pages in its field 'total_pages'"):
        after(pages, pages.first(), {"total_pages": total})


def test_pages_over_the_limit_are_not_requested():
    """But known, so that the query can be divided."""
    pages = Pages(NUMBERED)
    assert after(pages, pages.first(), {"total_pages": 900}) == range(2, 501)
    assert pages.beyond == 900


def test_a_query_may_ask_for_few_pages():
    """The limit of the API does not matter then."""
    pages = Pages(NUMBERED, most=3)
    assert after(pages, pages.first(), {"total_pages": 900}) == range(2, 4)
    assert pages.beyond == 0
    results = Pages(NUMBERED, results=60)
    assert after(results, results.first(), {"total_pages": 900}) == range(2, 4)
    assert (results.beyond, results.cut) == (0, True)


def test_results_limit_the_pages():
    """Rounded up; the last page's results count in part."""
    pages = Pages(NUMBERED, results=45)
    assert after(pages, pages.first(), {"total_pages": 9}) == range(2, 4)
    assert pages.cut
    assert [pages.wanted(pages.at(n), 20) for n in (1, 2, 3, 4)] == [20, 20, 5, 0]
    pages = Pages(NUMBERED, results=180)
    after(pages, pages.first(), {"total_pages": 9})
    assert not pages.cut


def test_offsets_are_counted_in_results():
    """The total is a number of results."""
    pages = Pages(SKIPPING)
    assert pages.first() == Page(1, {"limit": "10", "skip": "0"})
    assert after(pages, pages.first(), {"meta": {"count": 25}}, 10) == range(2, 4)
    # A later page may be shorter, and know of more results.
    assert after(pages, pages.at(3), {"meta": {"count": 31}}, 5) == range(4, 5)
    assert pages.at(4).before == 30
    capped = Pages(SKIPPING)
    assert after(capped, capped.first(), {"meta": {"count": 25}}, 5) == range(2, 6)
    assert capped.at(3).params["skip"] == "10"
    assert pages.at(3) == Page(3, {"limit": "10", "skip": "20"}, 20)
    unsized = Pages(SKIPPING._replace(size=0, size_param=""))
    assert after(unsized, unsized.first(), {"meta": {"count": 25}}, 5) == range(2, 6)
    empty = Pages(SKIPPING._replace(size=0, size_param=""))
    assert after(empty, empty.first(), {"meta": {"count": 0}}, 0) == range(2, 2)


def test_without_a_total_the_first_empty_page_is_the_last():
    """Each page leads to the next one."""
    pages = Pages(UNKNOWN)
    second = after(pages, pages.first(), {}, 20, mark=1)
    assert second == Page(2, {"page": "2"}, 20)
    third = after(pages, second, {}, 5, mark=2)
    assert third == Page(3, {"page": "3"}, 25)
    assert after(pages, third, {}, 0, mark=3) == range(0)


def test_offsets_without_a_total():
    """They are the results so far."""
    pages = Pages(SKIPPING._replace(total=""))
    assert after(pages, pages.first(), {}, 10) == Page(2, {"limit": "10", "skip": "10"}, 10)


def test_a_server_that_ignores_the_page_is_noticed():
    """It sends the same answer again and again."""
    pages = Pages(UNKNOWN)
    second = after(pages, pages.first(), {}, mark=1)
    with pytest.raises(AnswerDamaged, match="page 2 repeats an earlier page"):
        after(pages, second, {}, mark=1)


def test_a_cursor_leads_to_the_next_page():
    """A token, a number or an address; without one it is the last page."""
    pages = Pages(CURSOR)
    assert pages.first() == Page(1, {})
    second = after(pages, pages.first(), {"next": "a b"}, mark=1)
    assert second == Page(2, {"cursor": "a b"}, 20)
    third = after(pages, second, {"next": 7}, mark=2)
    assert third == Page(3, {"cursor": "7"}, 40)
    slash = after(Pages(CURSOR), pages.first(), {"next": "/base64=="})
    assert slash == Page(2, {"cursor": "/base64=="}, 20)
    fourth = after(pages, third, {"next": "/v2/books?after=7"}, mark=3)
    assert fourth == Page(4, {}, 60, "/v2/books?after=7")
    for last in ({}, {"next": None}, {"next": ""}, {"next": False}):
        assert after(pages, fourth, last, mark=4) == range(0)


def test_a_cursor_that_repeats_is_an_error():
    """Its pages would never end."""
    pages = Pages(CURSOR)
    second = after(pages, pages.first(), {"next": "a"}, mark=1)
    with pytest.raises(AnswerDamaged, match="repeats an earlier page"):
        after(pages, second, {"next": "a"}, mark=2)


def test_a_cursor_of_another_type_is_an_error():
    """It can't be sent."""
    pages = Pages(CURSOR)
    with pytest.raises(AnswerDamaged, match="neither a string nor a number"):
        after(pages, pages.first(), {"next": ["a"]})


def test_a_link_is_followed_as_it_is():
    """Until there is none."""
    pages = Pages(LINK)
    url = "https://api.example.org/books?page=2"
    assert after(pages, pages.first(), {}, link=url) == Page(2, {}, 20, url)
    assert after(pages, Page(2, {}, 20, url), {}, link="") == range(0)


def test_pages_in_order_stop_at_the_limits():
    """Of the query, of the API, and of results."""
    few = Pages(CURSOR, most=1)
    assert after(few, few.first(), {"next": "a"}) == range(0)
    assert few.beyond == 0
    api = Pages(CURSOR._replace(limit=1))
    assert after(api, api.first(), {"next": "a"}) == range(0)
    assert api.beyond == 2
    results = Pages(CURSOR, results=20)
    assert after(results, results.first(), {"next": "a"}) == range(0)
    assert results.cut


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('<https://a/2>; rel="next"', "https://a/2"),
        ('<https://a/1>; rel="prev", <https://a/3,x>; rel="next last"', "https://a/3,x"),
        ("</2>; title=a; rel=next", "/2"),
        ('<https://a/9>; rel="last"', ""),
        ('<https://a/2>; rel="nextish"', ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_next_link_is_found_in_the_header(header, target):
    """By its relation."""
    assert next_link(header) == target
