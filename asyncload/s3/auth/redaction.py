"""Secrets that must never be printed, even if a server or a library repeats them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from asyncload.settings.endpoints import without_userinfo

# Shorter values are test data, and may be part of any word.
_MIN_LENGTH = 16
_MIN_PASSWORD = 6
_MAX_TEXT = 500
# A truncated secret is recognised by so many characters.
_BEGIN = 24


class Secrets:
    """The secret keys and tokens of requests, redacted in every form a server may return them in.

    The forms are: literal, percent-encoded (once or twice, fully or partly), in base64 together
    with other text, and truncated.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._patterns: list[re.Pattern[str]] | None = None

    def add(self, credentials: Any) -> None:
        """Add a frozen access key's secrets; None has none."""
        if credentials is not None:
            self.add_value(credentials.secret_key)
            self.add_value(credentials.token)

    def add_value(self, value: object, *, min_length: int = _MIN_LENGTH) -> None:
        """Add one secret; values shorter than `min_length`, or not a string, are ignored."""
        if (
            isinstance(value, str)
            and len(value.strip()) >= min_length
            and value not in self._values
        ):
            self._values.add(value)
            self._patterns = None

    def add_password(self, value: str) -> None:
        """Add a password, which may be shorter than a key."""
        self.add_value(value, min_length=_MIN_PASSWORD)

    def redact(self, text: object) -> str:
        """Return a foreign text on one line, without secrets, truncated if long."""
        line = self.mask(" ".join(str(text).split()))
        return line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}..."

    def mask(self, text: str) -> str:
        """Return a text without secrets, and without user names and passwords in addresses."""
        text = without_userinfo(text)
        if self._patterns is None:
            self._patterns = [re.compile(part) for value in self._values for part in _forms(value)]
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, "***").replace(" ".join(value.split()), "***")
        for pattern in self._patterns:
            text = pattern.sub("***", text)
        return text


def _forms(value: str) -> Iterator[str]:
    """Yield patterns for the encoded forms of a secret, and for truncated ones."""
    begin = value.strip()[:_BEGIN]
    characters = [
        "(?:" + "|".join({re.escape(char), *_percent_encoded(char)}) + ")" for char in begin
    ]
    yield "".join(characters) + r"[\w%+/=.~-]*"
    # Which base64 characters encode only the secret depends on the number of bytes before it.
    content = begin.encode(errors="replace")
    for before, foreign in ((0, 0), (1, 2), (2, 3)):
        text = b64encode(bytes(before) + content).decode().rstrip("=")
        own = text[foreign : -1 if (before + len(content)) % 3 else None]
        yield own.replace("+", "[+-]").replace("/", "[/_]") + "[A-Za-z0-9+/_=-]*"


def _percent_encoded(char: str) -> Iterator[str]:
    """Yield a pattern for a character that is percent-encoded once or more."""
    if not char.isspace():
        octets = char.encode(errors="replace")
        yield "(?i:" + "".join(f"%(?:25)*{octet:02x}" for octet in octets) + ")"
    else:
        yield r"(?:\+|%(?:25)*20)"
