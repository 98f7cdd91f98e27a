"""The figures and rules that transfers follow."""

from __future__ import annotations

from dataclasses import dataclass

from asyncload.plan import MIB, PUT_LIMIT


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """How files become objects. Sizes are in bytes, times in seconds.

    `create_only`: never replace an object that is there. `put_limit`: larger files go as
    multipart uploads. `part_size`: the least size of a part; very large files get larger ones.
    `abort_grace`: how long an interrupted upload may take to clean up after itself.
    """

    create_only: bool = True
    put_limit: int = PUT_LIMIT
    part_size: int = 8 * MIB
    abort_grace: float = 5.0
