"""The documentation site in a browser, on a phone and on a desk."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.browser import DESK, PHONE
from tests.support.site import build

# Just too wide for the rules for phones in docs/stylesheets/site.css.
TABLET = 740

pytestmark = [pytest.mark.browser, pytest.mark.nightly]

# The page itself is not wider than the window. What is wider inside of it can be scrolled, pictures
# are there and have a text, and no letter is smaller than 10 px.
LOOK = """() => {
  const page = document.documentElement, faults = [];
  if (page.scrollWidth > page.clientWidth)
    faults.push(`is ${page.scrollWidth - page.clientWidth} px wider than the window`);
  const scrolls = e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
  for (const e of document.querySelectorAll("article, article *")) {
    const box = e.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const name = `${e.tagName} ${e.textContent.trim().slice(0, 40)}`;
    let outer = e;
    while (outer !== document.body && !scrolls(outer)) outer = outer.parentElement;
    if (outer === document.body && (box.left < -1 || box.right > page.clientWidth + 1))
      faults.push(`is cut off at ${name}`);
    if (parseFloat(getComputedStyle(e).fontSize) < 10)
      faults.push(`is too small to read at ${name}`);
  }
  for (const image of document.images)
    if (!image.complete || !image.naturalWidth || !image.alt)
      faults.push(`lacks an image, or its text: ${image.src}`);
  return faults;
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder):
    """Serve a folder on loopback; yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def window(chromium, width, address, faults, scheme="light"):
    """A window that adds to `faults` what its pages complain of, and fetch from elsewhere."""
    view = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    view.on("console", lambda m: m.type == "error" and faults.append(f"{view.url}: {m.text}"))
    view.on("pageerror", lambda error: faults.append(f"{view.url}: {error}"))
    view.on(
        "request",
        lambda request: (
            request.url.startswith((address, "data:"))
            or faults.append(f"{view.url} fetches {request.url}")
        ),
    )
    view.on("response", lambda r: r.status < 400 or faults.append(f"{view.url} has no {r.url}"))
    yield view
    view.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, and its address."""
    folder = tmp_path_factory.mktemp("site")
    assert build(folder) == []
    with served(folder / "build" / "site") as address:
        yield folder / "build" / "site", address


@pytest.mark.parametrize(("widths", "scheme"), [([PHONE], "dark"), ([TABLET, DESK], "light")])
def test_each_page_can_be_read_and_is_complete(chromium, site, widths, scheme):
    """It needs no other site, reports no error, and fits."""
    folder, address = site
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    assert len(pages) > 60
    faults = []
    with window(chromium, DESK, address, faults, scheme) as view:
        for page in pages:
            view.goto(address + page)
            for width in widths:
                view.set_viewport_size({"width": width, "height": 800})
                faults += [f"{page} {fault}" for fault in view.evaluate(LOOK)]
    assert faults == []


def test_the_text_in_pictures_can_be_read_on_a_phone(chromium, site):
    """They are not made as narrow as the window: they can be scrolled."""
    _, address = site
    with window(chromium, PHONE, address, []) as view:
        view.goto(f"{address}tutorial.html")
        sizes = view.evaluate("[...document.images].map(image => image.width)")
    assert len(sizes) == 3
    assert min(sizes) >= 600


def test_faults_of_a_page_are_found(chromium, tmp_path):
    """Each that the test of the pages looks for."""
    (tmp_path / "favicon.ico").touch()
    (tmp_path / "index.html").write_text(
        "<script>console.error('odd'); missing()</script><script src='gone.js'></script>"
        "<img src='http://127.0.0.2:9/x.png' alt='x'><article><p style='width: 999px'>Wide</p>"
        "<div style='overflow: auto'><pre style='width: 999px'>Scrolls</pre></div>"
        "<div style='overflow: hidden'><b style='margin-left: 999px'>Hidden</b></div>"
        "<small style='font-size: 9px'>Small</small></article>"
    )
    faults = []
    with served(tmp_path) as address, window(chromium, PHONE, address, faults) as view:
        view.goto(address)
        faults += view.evaluate(LOOK)
    for expected in (
        "odd",
        "missing is not defined",
        "has no http://127.0.0.1",
        "fetches http://127.0.0.2",
        "wider than the window",
        "cut off at P Wide",
        "cut off at B Hidden",
        "too small to read at SMALL Small",
        "lacks an image",
    ):
        assert any(expected in fault for fault in faults), (expected, faults)
    assert not any("Scrolls" in fault for fault in faults)


def test_a_page_is_found_by_the_menu_and_by_search(chromium, site):
    """On a phone, where both are hidden at first."""
    _, address = site
    faults = []
    with window(chromium, PHONE, address, faults) as view:
        view.goto(f"{address}how-to/cron.html")
        menu = view.get_by_role("navigation", name="Navigation")
        link = menu.get_by_role("link", name="Run by a systemd timer")
        assert link.bounding_box()["x"] < 0
        view.locator("header label[for=__drawer]").click()
        link.click()
        view.get_by_role("heading", name="Run by a systemd timer").wait_for()
        view.locator("header label[for=__search]").click()
        view.get_by_role("combobox", name="Search").fill("object lock")
        view.get_by_role("option", name="Objects that nobody can delete").click()
        view.get_by_role("heading", name="Objects that nobody can delete").wait_for()
    assert faults == []
