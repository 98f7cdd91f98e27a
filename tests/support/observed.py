"""Hold every record that any test makes to its schema.

What reads a program's output, or takes an object into a store, passes it to `observe`. A fixture of
all tests then fails the test whose records do not fit: the reader may be a server's thread.
"""

from __future__ import annotations

import json

from tests.support.vocabulary import (
    NotAsDescribedError,
    check_log_record,
    check_manifest,
    check_record,
)

_MISFITS: list[str] = []
_STARTS = '{"version":1,"type":'
_MANIFEST = '{"run":{"version":1,'


def observe(text: str | bytes | None) -> None:
    """Note what is wrong with the records in a text, if it has any.

    A line is a record if it begins as ours do. The last line may have been cut by a signal.
    """
    if not text:
        return
    if isinstance(text, bytes):
        if not text.startswith(b"{"):
            return
        text = text.decode(errors="surrogateescape")
    if text.startswith(_MANIFEST):
        _note(check_manifest, text)
        return
    if _STARTS not in text:
        return
    lines = text.split("\n")
    # An object has one record, without an end of line.
    for line in lines[:-1] or lines:
        if line.startswith(_STARTS):
            _note(_check_line, line)


def take_misfits() -> list[str]:
    """Return what was noted since the last call."""
    found = _MISFITS.copy()
    _MISFITS.clear()
    return found


def _check_line(line: str) -> None:
    record = json.loads(line)
    if record["type"] == "log":
        check_log_record(record)
    else:
        check_record(record)


def _note(check, text):
    try:
        check(text)
    except (AssertionError, ValueError, KeyError) as error:
        kind = "" if isinstance(error, NotAsDescribedError) else f"{type(error).__name__}: "
        _MISFITS.append(f"{kind}{error} in {text[:500]}")
