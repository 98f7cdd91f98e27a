"""`asyncload schema`: the JSON Schemas of the records, for programs that read them."""

from __future__ import annotations

from asyncload.cli.output import stdout
from asyncload.reporting.schemas import read_schema, schema_names


def schema(name: str | None) -> int:
    """Print a schema, or without a name the names of all, and return the exit code.

    Raises:
        UsageError: there is no such schema.
    """
    out = stdout()
    for line in schema_names() if name is None else read_schema(name).splitlines():
        out.line(line)
    out.flush()
    return 0
