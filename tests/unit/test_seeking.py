"""How a listing is sought through: spans, where pages begin, and when pages no longer pay."""

from __future__ import annotations

import pytest

from asyncload.bucket.seeking import (
    MAX_PAGE,
    SPAN_FILES,
    AdaptivePages,
    Span,
    cut_spans,
    end_of,
    is_in_order,
)


def test_spans_have_900_files_and_leave_none_out():
    """In their order; what is large goes whole into the span that it begins in."""
    partitions = [(f"p{n:04}/", 1) for n in range(2000)] + [("q/", 100)] * 10
    spans = list(cut_spans(partitions))
    assert [span.files for span in spans] == [900, 900, 900, 300]
    assert [span.start for span in spans] == ["p0000/", "p0900/", "p1800/", "q/"]
    assert not list(cut_spans([]))


def test_a_page_settles_the_partitions_that_it_passes():
    """The next one begins behind it, or before the next planned partition, if that is further."""
    span = Span([("a/", 2), ("c/", 3), ("e/", 4)])
    assert (span.files, span.start) == (9, "a/")
    assert (span.pass_to("a/1.csv"), span.start) == (0, "a/1.csv")
    assert (span.pass_to("b/foreign"), span.start) == (2, "c/")
    assert (span.pass_to("d/foreign"), span.start) == (3, "e/")
    assert (span.pass_to("e/9"), span.start) == (0, "e/9")
    assert (span.pass_to(end_of("")), span.files) == (4, 0)


def test_a_page_that_passes_them_all_settles_the_span():
    """An empty zone is known from one page."""
    span = Span([("a/", 2), ("c/", 3)])
    assert (span.pass_to(end_of("")), span.files) == (5, 0)


def test_first_a_whole_page_is_asked_for_but_no_more_than_can_pay():
    """Eight keys for each file that is not known of, at most 1,000."""
    pages = AdaptivePages()
    assert pages.page_size(SPAN_FILES) == MAX_PAGE
    assert pages.page_size(3) == 24


@pytest.mark.parametrize(
    ("settled", "listed", "pays"),
    [(900, 1000, True), (125, 1000, True), (124, 1000, False), (0, 0, True), (0, 1, False)],
)
def test_a_page_pays_by_one_file_for_eight_keys(settled, listed, pays):
    """The next page is as large as pages can be where the last one paid, else a small one."""
    pages = AdaptivePages()
    assert pages.judge(settled, listed) is pays
    assert (pages.page_size(SPAN_FILES) == MAX_PAGE) is pays
    assert pages.page_size(SPAN_FILES) in (MAX_PAGE, 64)


def test_pages_are_large_again_once_one_paid():
    """A history may be of some datasets only."""
    pages = AdaptivePages()
    assert not pages.judge(2, 1000)
    assert pages.judge(60, 64)
    assert pages.page_size(SPAN_FILES) == MAX_PAGE


@pytest.mark.parametrize(
    ("keys", "in_order"),
    [
        ([], True),
        (["p/a", "p/b"], True),
        (["p/\ue000", "p/\U00010000"], True),
        (["p/b", "p/a"], False),
        (["p/a", "p/a"], False),
        (["p/", "p/a"], False),
        (["o/a", "p/a"], False),
        (["p/a", "q/a"], False),
    ],
)
def test_keys_are_to_come_as_s3_lists_them(keys, in_order):
    """Each behind the last one, by its UTF-8 bytes, below the prefix, and behind the start."""
    assert is_in_order(keys, "p/", "p/") is in_order
