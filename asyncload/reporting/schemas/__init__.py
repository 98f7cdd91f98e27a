"""JSON Schemas of the records, one file for each output, which needs no other file.

They are made from the tables of docs/reference/records.md, by
`python -m tests.support.schemas --write`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from asyncload.errors import UsageError
from asyncload.model.suggestions import with_guess

_SUFFIX = ".json"


def schema_names() -> Sequence[str]:
    """Return the names of all schemas, sorted."""
    names = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def read_schema(name: str) -> str:
    """Return the text of a schema.

    Raises:
        UsageError: there is none with this name.
    """
    names = schema_names()
    if name not in names:
        hint = with_guess(name, names, f"the schemas are {', '.join(names)}")
        raise UsageError(f"{name!r} is not the name of a schema", hint=hint)
    return (files(__name__) / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
