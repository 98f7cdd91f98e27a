"""Apache Spark reads what a run has loaded: the example that users copy, run as they would."""

from __future__ import annotations

import csv
import gzip
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.program import asyncload

__all__ = ["asyncload"]

pytestmark = [pytest.mark.nightly, pytest.mark.spark, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


def words_of(file):
    """The words of the titles of a CSV, each film counted once."""
    with file.open(encoding="utf-8", newline="") as lines:
        titles = {
            (row["id"], row["tituloPincipal"]) for row in csv.DictReader(lines, delimiter="|")
        }
    words = (re.findall(r"[^\W_]+", title.lower()) for _, title in titles if title != r"\N")
    return Counter(word for found in words for word in found)


@pytest.fixture(scope="module")
def java():
    """Spark's Java and its Python package."""
    try:
        subprocess.run(["java", "-version"], check=True, capture_output=True)
        import pyspark  # noqa: F401  # installed by `make spark` only
    except (OSError, ImportError) as error:
        can_not = pytest.fail if os.environ.get("CI") else pytest.skip
        can_not(f"{error}; `make spark` installs Java and pyspark on Debian")


def test_the_words_of_the_film_titles(asyncload, java, seaweedfs, monkeypatch, layer, tmp_path):
    """Of the sample, in two partitions, one of them compressed: with markers in between."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    films = ROOT / "data" / "movies.csv"
    (tmp_path / "movies").mkdir()
    (tmp_path / "movies/films.csv").write_bytes(films.read_bytes())
    packed = gzip.compress(films.read_bytes())
    (tmp_path / "movies/again.csv.gz").write_bytes(packed)
    (tmp_path / "movies/empty.csv").touch()
    store = ["--bucket", seaweedfs.bucket, "--endpoint-url", seaweedfs.endpoint_url]
    options = ["--layer", layer, "--date", "2022-05-02", "--success-marker", "--no-manifest"]
    assert asyncload("run", tmp_path, *store, *options).code == 0
    address = f"s3://{seaweedfs.bucket}/{layer}/Local/CSV/Movies/"
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "examples/spark_word_count.py", address, "--top", "100000"),
            *("--endpoint-url", seaweedfs.endpoint_url),
        ],
        env=os.environ
        # Reached by no other machine.
        | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_SUBMIT_ARGS": "--master local[2] pyspark-shell"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted = [line.split() for line in done.stdout.splitlines()]
    found = {word: int(count) for count, word in counted}
    expected = words_of(films)
    assert len(expected) > 100
    assert found == expected
    assert counted == [
        [str(count), word] for word, count in sorted(found.items(), key=lambda e: (-e[1], e[0]))
    ]
