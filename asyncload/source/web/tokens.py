"""References to the token of an API: `env:NAME`, `file:PATH`, `ssm:/name`, `secretsmanager:ARN`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from asyncload.errors import UsageError

TokenPlace = Literal["env", "file", "ssm", "secretsmanager"]

_FORMS = "env:NAME, file:PATH, ssm:/name or secretsmanager:ARN"
_MAX_FILE = 64 * 1024
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class TokenReference(NamedTuple):
    """The place a token is kept in: its kind, and the name there."""

    place: TokenPlace
    name: str

    def __str__(self) -> str:
        return f"{self.place}:{self.name}"


def parse_reference(text: str) -> TokenReference:
    """Return the reference in a text.

    Raises:
        UsageError: it has another form. The text is not repeated: it may be the token itself.
    """
    place, _, name = text.partition(":")
    match place:
        case "env" | "file" | "ssm" | "secretsmanager" if name and name == name.strip():
            return TokenReference(place, name)
    raise UsageError(
        f"--token: the value does not have the form {_FORMS}",
        hint="name the place where the token is kept, not the token: command lines are visible to "
        "other users",
    )


def read_local(reference: TokenReference, environment: Mapping[str, str]) -> str:
    """Return the token in an environment variable or in a file.

    Raises:
        UsageError: it is missing, or can't be a token.
    """
    if reference.place == "env":
        token = environment.get(reference.name)
        if token is None:
            raise UsageError(
                f"the token is missing: the variable {reference.name} is not set",
                hint=f"set it, or use --token with {_FORMS}",
            )
    else:
        token = _read_file(Path(reference.name))
    return check_token(token, reference)


def check_token(token: str, reference: TokenReference) -> str:
    """Return a token that can be sent in a header.

    Raises:
        UsageError: it can't. The message does not repeat it.
    """
    if not token.strip():
        raise UsageError(f"the token in {reference} is empty", hint="store the token there")
    if token != token.rstrip("\r\n"):
        raise UsageError(
            f"the token in {reference} ends in a newline",
            hint="store it without one, for example with printf '%s' instead of echo",
        )
    if not _VISIBLE.fullmatch(token):
        raise UsageError(
            f"the token in {reference} contains a space or another character that a header can't "
            "hold",
            hint="store only the token, without quotes and without the word Bearer",
        )
    return token


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"the token is missing: file {str(path)!r} can't be read: {reason}",
            hint="give the path of a readable file that contains only the token",
        ) from error
    if len(content) > _MAX_FILE:
        raise UsageError(f"file {str(path)!r} is too large for a token")
    return content.decode("utf-8", "replace")
