"""What must never be printed, should a server or a library repeat it to us."""

from __future__ import annotations

from typing import Any

# Shorter ones are made up, for a test or a toy, and may be part of any word.
_LEAST = 16
_MOST_TEXT = 500


class Secrets:
    """The secret keys and session tokens that requests were signed with."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, credentials: Any) -> None:
        """Keep a frozen access key's secrets; None has none."""
        if credentials is not None:
            found = (credentials.secret_key, credentials.token)
            self._values.update(value for value in found if value and len(value) >= _LEAST)

    def redact(self, text: object) -> str:
        """Return somebody else's text on one line, without secrets, and cut where it goes on."""
        line = " ".join(str(text).split())
        for value in self._values:
            line = line.replace(value, "***")
        return line if len(line) <= _MOST_TEXT else f"{line[:_MOST_TEXT]}..."
