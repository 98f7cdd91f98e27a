"""The documentation site, built from docs/: `python -m tests.support.site` (`make docs`).

Files of the repository that the pages link to are part of the site, below `project/`, so that no
link leaves it but those to the web. The site fetches nothing: it works offline, and from a folder;
only its search needs a server, as browsers let no page read other files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.documents import DOCS, README, REPOSITORY

CONFIGURATION = REPOSITORY / "zensical.toml"
SITE = Path("build/site")
_LINK = re.compile(r"(?<=\]\()([^)\s:]+)(?=\))")


def staged(path: Path) -> Path:
    """The place of a file of the repository among the sources of the site."""
    if path == README:
        return Path("index.md")
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS)
    return "project" / path.relative_to(REPOSITORY)


def write_sources(stage: Path) -> None:
    """Write the pages, and all files that they link to, with links that hold there.

    Raises:
        FileNotFoundError: a link leads to no file.
    """
    shutil.rmtree(stage, ignore_errors=True)
    waiting = [path for path in DOCS.rglob("*") if path.is_file()]
    seen = {README}
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        place = stage / staged(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix != ".md":
            shutil.copyfile(path, place)
            continue

        def moved(link: re.Match[str], path: Path = path) -> str:
            target, _, anchor = link[1].partition("#")
            if not target:
                return link[1]
            linked = (path.parent / target).resolve(strict=True)
            waiting.append(linked)
            to = os.path.relpath(staged(linked), staged(path).parent)
            return f"{to}#{anchor}" if anchor else to

        place.write_text(_LINK.sub(moved, path.read_text()))


class _Page(HTMLParser):
    """What a page links to, fetches, and can be linked to by."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.add(found.get("id", ""))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.fetched.append(found.get("href", ""))
        elif "src" in found:
            self.fetched.append(found["src"])
        elif "mermaid" in found.get("class", "").split():  # the theme fetches what draws it
            self.fetched.append("https://unpkg.com/mermaid")


def faults_of(site: Path) -> Iterator[str]:
    """Yield each link of a site that leads nowhere, and each thing that it fetches from outside."""
    pages = {path: _Page(path.read_text()) for path in site.rglob("*.html")}
    for path, page in pages.items():
        if path.name == "404.html":  # its links are from the root of a server
            continue
        name = path.relative_to(site)
        for address in page.fetched:
            if urlsplit(address).netloc:
                yield f"{name} fetches {address}"
        for address in page.links + page.fetched:
            link = urlsplit(address)
            if link.scheme or link.netloc:
                continue
            target = (path.parent / unquote(link.path)).resolve() if link.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{name} links to {address}, which does not exist"
            elif target in pages and unquote(link.fragment) not in pages[target].anchors:
                yield f"{name} links to {address}, which has no such heading"


def build(folder: Path = REPOSITORY) -> list[str]:
    """Build the site into `build/site` below a folder; return its faults.

    Raises:
        subprocess.CalledProcessError: the generator warned or failed.
    """
    write_sources(folder / "build" / "docs")
    shutil.rmtree(folder / SITE, ignore_errors=True)
    configuration = folder / CONFIGURATION.name
    if folder != REPOSITORY:  # its paths are relative to it
        shutil.copyfile(CONFIGURATION, configuration)
    generator = Path(sys.executable).with_name("zensical")
    command = [generator, "build", "--strict", "--clean", "--config-file", configuration]
    subprocess.run(command, check=True, env={**os.environ, "NO_COLOR": "1"})
    return sorted(faults_of(folder / SITE))


if __name__ == "__main__":
    found = build()
    print("\n".join(found) or f"the site is {SITE}/index.html")
    sys.exit(bool(found))
