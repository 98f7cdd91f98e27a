"""The examples at the end of each command's help. Imported only to show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

EXAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "run": (
        ("Load the CSVs of a folder under today's date:", "exports --bucket my-lake"),
        (
            "Show what that would do, without sending anything:",
            "exports --bucket my-lake --dry-run",
        ),
        (
            "Load one folder of another day, below a prefix:",
            "exports --bucket s3://my-lake/in --date 2022-05-02 --include 'eu/**'",
        ),
    ),
    "plan": (
        ("Compare a folder with the bucket:", "exports --bucket my-lake"),
        (
            "List files without asking the bucket:",
            "exports --bucket any --offline --files",
        ),
    ),
    "watch": (
        ("Load each CSV that appears in a folder:", "exports --bucket my-lake"),
        (
            "Wait for slow writers, and clear the folder:",
            "exports --bucket my-lake --settle 1m --then delete",
        ),
        ("Watch several folders:", "/mnt/eu /mnt/us --bucket my-lake"),
    ),
    "collect": (
        ("Store what TMDB knows of a film:", "tmdb --bucket my-lake --title Casablanca"),
        (
            "Store the series that changed since the last time:",
            "tmdb --bucket my-lake --changes --kind tv",
        ),
    ),
    "verify": (
        ("Compare a folder with what is loaded today:", "exports --bucket my-lake"),
        (
            "Compare the bucket with the record of a run:",
            "--bucket my-lake --manifest 20220502T060000Z-0123abcd",
        ),
    ),
    "clean": (
        ("List uploads that killed runs left open:", "--bucket my-lake --older-than 7d"),
        ("Abort them:", "--bucket my-lake --older-than 7d --yes"),
    ),
    "report": (
        (
            "Show what a run did:",
            "20220502T060000Z-0123abcd --bucket my-lake",
        ),
        ("Write a page about the lines of --json:", "run.jsonl --html run.html"),
    ),
    "check": (
        ("Say what the CSVs of a folder contain:", "exports"),
        (
            "Report headers that changed since the last time:",
            "exports --headers headers.json",
        ),
    ),
    "ddl": (
        ("Define tables for Athena:", "exports --bucket my-lake"),
        ("Define views for DuckDB:", "exports --bucket my-lake --engine duckdb"),
    ),
    "doctor": (
        ("Find out why a run does not work:", "exports --bucket my-lake"),
        (
            "Try another store:",
            "exports --bucket my-lake --endpoint-url https://minio.example:9000",
        ),
    ),
    "runs": (
        ("List the runs of the last week:", "--bucket my-lake --since 7d"),
        ("Show the days of each dataset:", "--bucket my-lake --calendar --since 90d"),
        ("Delete records of older runs:", "--bucket my-lake --prune 1000d --yes"),
    ),
    "where": (
        ("Find out which run stored a file:", "movies.csv --bucket my-lake"),
        ("Find it in the runs of this month:", "movies.csv --bucket my-lake --since 31d"),
    ),
    "config": (
        ("Print all settings, with their origin:", ""),
        ("Check another settings file:", "--config nightly.toml"),
    ),
    "demo": (
        ("Load a sample into a store on this machine:", ""),
        ("Load your own files into it:", "exports"),
    ),
    "schema": (
        ("List all schemas:", ""),
        ("Print that of the lines of run --json:", "run"),
    ),
}
"""For each command: what an example does, and its arguments."""

_VARIABLES = (
    "Options can also be set by variables (ASYNCLOAD_DATE),",
    "and in a settings file (date, in asyncload.toml).",
)


def help_lines(command: str) -> Iterator[str]:
    """Yield the lines at the end of a command's help."""
    yield " Examples:"
    for text, line in EXAMPLES[command]:
        yield f"   {text}"
        yield f"     asyncload {command} {line}".rstrip()
    if command not in ("demo", "schema"):
        yield ""
        yield from (f" {line}" for line in _VARIABLES)
