"""The pictures of the documents show what the program prints today."""

from __future__ import annotations

import re

import pytest

from tests.support.documents import everything
from tests.support.pictures import PICTURES, SCENES, lines_of, take, words_of

NAMES = [scene.name for scene in SCENES]


def kept(name: str) -> str:
    return (PICTURES / f"{name}.svg").read_text()


def test_each_picture_is_in_the_documents_with_a_text_in_its_place():
    """For those who can't see it, and wherever it is not loaded."""
    shown = re.findall(r"!\[([^]]*)\]\(\S*?pictures/(\w+)\.svg\)", everything())
    assert {name for _, name in shown} == set(NAMES) == {p.stem for p in PICTURES.iterdir()}
    assert all(len(text) > 30 for text, _ in shown)


@pytest.mark.parametrize("scene", SCENES, ids=NAMES)
def test_a_picture_shows_its_command(scene):
    """At the prompt, in the first line."""
    assert lines_of(kept(scene.name))[0] == f"$ {scene.command}"


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_fetches_nothing_and_names_no_machine(name):
    """No address but that of SVG itself, no script, no path of a folder outside."""
    picture = kept(name)
    assert len(picture) < 60_000
    addresses = set(re.findall(r"\w+://[\w.]+", picture))
    assert addresses <= {"http://www.w3.org", "s3://lake"}
    assert not re.search(r"@import|url\((?!#)|href|<script|<image|@font-face", picture)
    assert not re.search(r"(?<![\w:/])/(home|root|tmp|usr|var|work|Users)\b", picture)


def test_the_words_of_a_picture_are_found():
    """Without figures, units and names of runs; the spaces of an SVG are not breaking."""
    texts = ["failed:", "1 file of 2 MB up to run", "20261126T130306Z-afbecdef"]
    shapes = "".join(
        f'<text y="{y}">{text}</text>'.replace("1 ", "1\xa0") for y, text in enumerate(texts)
    )
    picture = f'<svg xmlns="http://www.w3.org/2000/svg">{shapes}</svg>'
    assert lines_of(picture) == texts
    assert words_of(picture) == {"failed", "file", "of", "up", "to", "run"}


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_the_pictures_show_what_the_program_prints(tmp_path):
    """Taken again, they have the same words; `make pictures` replaces those that are kept."""
    taken = take(tmp_path)
    assert {name: words_of(picture) for name, picture in taken.items()} == {
        name: words_of(kept(name)) for name in NAMES
    }
