"""Divide a volume among shards: processes that know nothing of each other load a part each. Pure.

A file belongs to the shard that the hash of its key, without the date, names. So

- files that map to one key are in one shard, which finds them before it sends anything;
- a scan knows the shard of a file by its path alone, and need not examine the files of others;
- a file stays in its shard if its time of modification, and so its date, changes.

The hash must never change: shards of different versions may load one volume together.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import NamedTuple

from asyncload.errors import InvalidKey, UsageError
from asyncload.model.names import to_bytes
from asyncload.model.suggestions import with_guess
from asyncload.planning.keys import KeyLayout

MAX_SHARDS = 10_000
"""The limit of AWS Batch on the size of an array."""

_ANY_DAY = date(2000, 1, 1)


class Shard(NamedTuple):
    """One of `total` parts of a volume; `number` begins at 1."""

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


def parse_shard(text: str) -> Shard:
    """Return the shard of a text such as `3/8`.

    Raises:
        UsageError: the text has another form, or there is no such shard.
    """
    match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text, re.ASCII)
    if match is None:
        raise UsageError(
            f"--shard: {text!r} is not a shard",
            hint=with_guess(text, ["auto"], "use K/N, such as 3/8 for the third of eight shards"),
        )
    shard = Shard(int(match[1]), int(match[2]))
    if not 1 <= shard.total <= MAX_SHARDS:
        raise UsageError(
            f"--shard: {text!r}: the number of shards is not between 1 and {MAX_SHARDS:,}",
            hint="use K/N, such as 3/8 for the third of eight shards",
        )
    if not 1 <= shard.number <= shard.total:
        raise UsageError(
            f"--shard: {text!r}: of {shard.total:,} shards the first is 1 and the last is "
            f"{shard.total:,}",
            hint=f"an index that begins at 0 is one less: use --shard auto/{shard.total}, or add 1",
        )
    return shard


def shard_number(name: str, count: int) -> int:
    """Return the number of the shard that a name belongs to, of `count` shards."""
    digest = hashlib.blake2b(to_bytes(name), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count + 1


class Placement:
    """Decides which entries of a volume belong to a shard.

    Each file, and each entry that is not loaded, belongs to exactly one shard.

    Args:
        shard: the shard.
        layout: the layout of the keys.

    Attributes:
        others: the number of files so far that belong to other shards.

    Raises:
        UsageError: files of the layout may have one key and yet belong to different shards.
    """

    def __init__(self, shard: Shard, layout: KeyLayout) -> None:
        if layout.date is None and not layout.date_is_segment:
            raise UsageError(
                f"--shard: with a date for each file, the layout {layout.template!r} must have the "
                "date in segments of its own",
                hint="separate {date:...} from its neighbours by '/'",
            )
        self._shard = shard
        self._layout = layout
        self._day = _ANY_DAY if layout.date is None else None
        self.others = 0

    def holds(self, path: str) -> bool:
        """Return whether a file belongs to the shard; if it does not, count it."""
        try:
            name: str = self._layout.locate(path, self._day)[0]
        except InvalidKey:
            name = path
        if shard_number(name, self._shard.total) == self._shard.number:
            return True
        self.others += 1
        return False

    def reports(self, path: str) -> bool:
        """Return whether an entry that is not loaded is reported by the shard."""
        return shard_number(path, self._shard.total) == self._shard.number
