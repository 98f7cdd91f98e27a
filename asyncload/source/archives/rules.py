"""How archives are treated, and the encodings that names in them may have. Pure."""

from __future__ import annotations

from typing import NamedTuple

from asyncload.errors import UsageError
from asyncload.model.suggestions import with_guess

DEFAULT_LIMIT = 1024**4
"""In bytes: 1 TiB."""
ENCODINGS = ("utf-8", "cp437", "cp850", "cp1252", "cp866", "cp932", "gbk")
"""Some of those that names in archives often have."""


class ArchiveRules(NamedTuple):
    """How archives are treated.

    `load`: whether their CSVs are loaded. `names`: the encoding of names that are not marked as
    UTF-8; None if it is unknown. `limit`: the CSVs of one archive may have so many bytes.
    """

    load: bool = False
    names: str | None = None
    limit: int = DEFAULT_LIMIT


def check_encoding(option: str, encoding: str) -> None:
    """Check that an encoding can be that of names in archives.

    Raises:
        UsageError: it is unknown, or not an extension of ASCII.
    """
    printable = bytes(range(0x20, 0x7F))
    try:
        extends = printable.decode(encoding) == printable.decode("ascii")
    except (LookupError, UnicodeError, ValueError):
        extends = False
    if not extends:
        raise UsageError(
            f"{option}: {encoding!r} is not an encoding of names in archives",
            hint=with_guess(
                encoding,
                ENCODINGS,
                "use for example cp850 (Windows in Western Europe and Brazil), cp437, or utf-8",
            ),
        )
