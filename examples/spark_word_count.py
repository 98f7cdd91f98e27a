"""Count the words of the film titles in the raw zone with Apache Spark.

    pip install boto3 pyarrow pyspark         # and Java 17
    python examples/spark_word_count.py s3://my-lake/Raw/Local/CSV/Movies/2022/05/02/

Spark reads the objects through the small data source below, which asks S3's API by boto3. So it
needs no Hadoop connector and no jar. Credentials come from the AWS chain of each executor.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition


@dataclass
class CsvObject(InputPartition):
    """One object, which one task reads."""

    key: str


class RawZone(DataSource):
    """The CSVs below a prefix. All columns are strings; what equals the option `null` is null.

    Options: `bucket`, `prefix`, `endpoint` (default: AWS), `delimiter` (default: `|`), `null`
    (default: a backslash and N).
    """

    @classmethod
    def name(cls) -> str:
        """Return the name for `spark.read.format`."""
        return "raw_zone"

    def schema(self) -> str:
        """Return the columns, which the first object that is not empty names in its first line."""
        reader = self.reader()
        for partition in reader.partitions():
            with reader.rows(partition.key) as rows:
                for header in rows:
                    return ", ".join(f"`{name.replace('`', '``')}` string" for name in header)
        raise FileNotFoundError(f"no CSV with a header below {self.options['prefix']}")

    def reader(self, schema: Any = None) -> RawZoneReader:
        """Return what lists and reads the objects."""
        names = None if schema is None else schema.fieldNames()
        return RawZoneReader(dict(self.options), names)


class RawZoneReader(DataSourceReader):
    """Lists the objects on the driver, and reads each one in a task."""

    def __init__(self, options: dict[str, str], names: list[str] | None) -> None:
        self._options = options
        self._names = names

    def partitions(self) -> list[CsvObject]:
        """Return the CSVs: neither markers, such as _SUCCESS, nor empty objects."""
        pages = self._client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self._options["bucket"], Prefix=self._options["prefix"])
        return [
            CsvObject(entry["Key"])
            for page in found
            for entry in page.get("Contents", ())
            if entry["Size"] and entry["Key"].lower().endswith((".csv", ".csv.gz"))
        ]

    def read(self, partition: InputPartition) -> Iterator[tuple[str | None, ...]]:
        """Yield the rows of an object, in the order of the columns."""
        assert isinstance(partition, CsvObject), "partitions are made above"
        assert self._names is not None, "Spark reads with a schema"
        null = self._options.get("null", "\\N")
        with self.rows(partition.key) as rows:
            places = {name: place for place, name in enumerate(next(rows))}
            if missing := set(self._names) - set(places):
                raise ValueError(f"{partition.key} has no column {', '.join(sorted(missing))}")
            at = [places[name] for name in self._names]
            for row in rows:
                values = [row[place] if place < len(row) else null for place in at]
                yield tuple(None if value == null else value for value in values)

    def rows(self, key: str) -> Rows:
        """Open an object; its rows are read while it is received."""
        body = self._client().get_object(Bucket=self._options["bucket"], Key=key)["Body"]
        binary = gzip.GzipFile(fileobj=body) if key.endswith(".gz") else body
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")
        return Rows(text, self._options.get("delimiter", "|"))

    def _client(self) -> Any:
        return boto3.client("s3", endpoint_url=self._options.get("endpoint"))


class Rows:
    """The rows of an open CSV."""

    def __init__(self, text: io.TextIOWrapper, delimiter: str) -> None:
        self._text = text
        self._rows = csv.reader(text, delimiter=delimiter)

    def __iter__(self) -> Iterator[list[str]]:
        return self._rows

    def __next__(self) -> list[str]:
        return next(self._rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._text.close()


def count_words(films: DataFrame, identity: str, title: str) -> DataFrame:
    """Return the words of titles and how many films have them; a film may have several rows."""
    titles = films.select(identity, title).where(f.col(title).isNotNull()).distinct()
    # Letters and digits of any language.
    words = f.explode(f.split(f.lower(f.col(title)), r"[^\p{L}\p{N}]+"))
    return (
        titles.select(words.alias("word"))
        .where("word <> ''")
        .groupBy("word")
        .count()
        .orderBy(f.desc("count"), "word")
    )


def main() -> None:
    """Print the most frequent words, with their numbers."""
    parser = argparse.ArgumentParser(description="Count the words of the titles in the raw zone.")
    parser.add_argument("address", help="s3://BUCKET/PREFIX of a partition, dataset or layer")
    parser.add_argument("--endpoint-url", help="an S3-compatible store; default: AWS")
    parser.add_argument("--delimiter", default="|")
    parser.add_argument("--identity", default="id", help="the column that identifies a film")
    parser.add_argument("--title", default="tituloPincipal", help="the column to count words of")
    parser.add_argument("--top", type=int, default=20, help="how many words to print")
    given = parser.parse_args()
    # Executors on this machine use the same Python.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.appName("word count").getOrCreate()
    try:
        spark.dataSource.register(RawZone)
        source = spark.read.format("raw_zone").options(
            bucket=urlsplit(given.address).netloc,
            prefix=urlsplit(given.address).path.lstrip("/"),
            delimiter=given.delimiter,
        )
        if given.endpoint_url:
            source = source.option("endpoint", given.endpoint_url)
        for word, count in count_words(source.load(), given.identity, given.title).take(given.top):
            print(f"{count:>8} {word}")
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
