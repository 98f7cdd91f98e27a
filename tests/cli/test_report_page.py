"""The page of `asyncload report --html` in a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.browser import DESK, PHONE

FILES = 3_000
FAILED = 7
START = datetime(2022, 5, 2, 6, tzinfo=UTC)
LONG = "a-folder-with-a-name-that-does-not-fit-on-a-phone/" * 3

pytestmark = [pytest.mark.browser, pytest.mark.nightly]


def line(number):
    status = "failed" if number < FAILED else "uploaded"
    path = f"{LONG if number == 0 else ''}sales/{number:05}.csv"
    partition = "Raw/Local/CSV/Sales/2022/05/02/"
    record = {
        "version": 1,
        "type": "file",
        "run_id": "20220502T060000Z-8f3a52c1",
        "bucket": "lake",
        "date": "2022-05-02",
        "status": status,
        "path": path,
        "key": None if number == 0 else f"{partition}{number:05}.csv",
        "dataset": "Sales",
        "partition": partition,
        "size": number * 7,
        "finished": (START + timedelta(milliseconds=500 + number)).isoformat(),
        "seconds": 0.5,
    }
    if status == "failed":
        error = "the key already holds <script>console.error('odd')</script>"
        return record | {"error": {"kind": "ObjectConflict", "message": error, "hint": ""}}
    return record | {"checksums": {"CRC64NVME": "I5Whw0YbvtI="}, "mtime_ns": 0}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The address of a page."""
    folder = tmp_path_factory.mktemp("report")
    record, html = folder / "run.jsonl", folder / "page.html"
    record.write_text("".join(f"{json.dumps(line(number))}\n" for number in range(FILES)))
    # In a process of its own: Playwright's event loop runs in this one.
    command = [sys.executable, "-m", "asyncload", "report", record, "--html", html]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 3
    return html.as_uri()


@pytest.fixture(params=[PHONE, DESK])
def opened(chromium, page, request):
    """The page on a phone and on a desk: nothing is fetched, and nothing is complained of."""
    said, asked = [], []
    view = chromium.new_page(viewport={"width": request.param, "height": 800})
    view.on("console", lambda message: said.append(message.text))
    view.on("pageerror", lambda error: said.append(str(error)))
    view.on("request", lambda request: asked.append(request.url))
    view.goto(page)
    yield view
    view.close()
    assert said == []
    assert asked == [page]


def test_the_page_fits_into_its_window_and_can_be_searched(opened):
    """No text is cut off at the side; the table shows some files first, and more when asked."""
    width = opened.viewport_size["width"]
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    size = "e => parseFloat(getComputedStyle(e).fontSize)"
    sizes = opened.evaluate(f"[...document.querySelectorAll('main *')].map({size})")
    assert min(sizes) >= 12
    rows = opened.locator("#rows tr")
    assert rows.count() == 200
    opened.get_by_role("button", name="Show more").click()
    assert rows.count() == 400
    opened.get_by_role("searchbox", name="Search paths and keys").fill("sales/02999")
    assert rows.count() == 1
    assert "20,993" in rows.first.inner_text()
    assert opened.locator("#shown").inner_text() == "1 of 1 shown"
    assert not opened.get_by_role("button", name="Show more").is_visible()
    opened.get_by_role("searchbox").fill("2022/05/02/00009.csv")
    assert rows.count() == 1
    opened.get_by_role("searchbox").fill("")
    opened.get_by_role("combobox", name="Status").select_option("failed")
    assert rows.count() == FAILED
    if width > 1000:
        key = opened.locator("#rows tr").nth(1).locator("td").last
        assert key.inner_text() == "Raw/Local/CSV/Sales/2022/05/02/00001.csv"


def test_the_page_can_be_read_aloud(opened):
    """Headings, tables and images have names in the accessibility tree."""
    tree = opened.locator("body").aria_snapshot()
    for name in (
        'heading "Run 20220502T060000Z-8f3a52c1" [level=1]',
        'heading "Over time" [level=2]',
        'img "Throughput of uploaded files; maximum ',
        'img "Files in work; maximum ',
        'columnheader "Time per file"',
        'searchbox "Search paths and keys"',
        'combobox "Status"',
    ):
        assert name in tree, tree[:2000]


def test_light_dark_and_paper_are_readable(opened):
    """Text and back differ by at least 4.5 to 1, as WCAG asks; paper has no controls."""
    contrasts = {}
    for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        opened.emulate_media(media=media, color_scheme=scheme)
        back = luminance(color(opened, "body", "backgroundColor"))
        for what in ("body", ".soft", ".failed", ".result"):
            fore = luminance(color(opened, what, "color"))
            light, dark = max(fore, back), min(fore, back)
            contrasts[media, scheme, what] = (light + 0.05) / (dark + 0.05)
        shown = opened.locator(".controls").is_visible()
        assert shown == (media == "screen")
        assert (back > 0.5) == ((media, scheme) != ("screen", "dark"))
    assert min(contrasts.values()) >= 4.5, contrasts
    assert len(opened.screenshot()) > 10_000
    assert opened.pdf()[:5] == b"%PDF-"


def color(view, selector, name):
    script = f"e => getComputedStyle(e).{name}"
    text = view.locator(selector).first.evaluate(script)
    return [int(part) / 255 for part in text.removeprefix("rgb(").removesuffix(")").split(",")]


def luminance(rgb):
    """The relative luminance of a colour by WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return sum(c * weight for c, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
