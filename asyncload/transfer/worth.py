"""What a store's answers are worth: which of its promises were seen to hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

Basis = Literal["aws", "probed", "assumed"]


@dataclass(frozen=True, slots=True)
class StoreWorth:
    """What a store was found to do when it was probed; by default what AWS S3 does.

    `basis` says how that is known: it is AWS, it was probed, or nobody could find out. `checks`:
    whether it refuses a body that is not its checksum, by algorithm; a checksum that it returns
    proves something only then. `describes`: whether HEAD returns the checksum an object was sent
    with. `etags_are_md5`: whether the ETag of a single put is known to be the MD5 of its bytes.
    `create_only_put`, `create_only_complete`: whether `If-None-Match: *` protects what is there.
    """

    basis: Basis = "assumed"
    checks: Mapping[str, bool] = field(default_factory=dict)
    describes: bool = True
    etags_are_md5: bool = False
    create_only_put: bool = True
    create_only_complete: bool = True

    def proves(self, algorithm: str) -> bool:
        """Whether a checksum by this algorithm, returned by the store, is proof.

        An algorithm that was not probed is judged by the CRC that was.
        """
        if algorithm in ("MD5", "MD5 of parts"):
            # An ETag that the store computed by itself needs no checking of what it was sent.
            return self.etags_are_md5 or self.checks.get("MD5", True)
        return self.checks.get(
            algorithm, all(held for name, held in self.checks.items() if name != "MD5")
        )

    def record(self) -> dict[str, Any]:
        """Return it as it is remembered, for `from_record`."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return what was remembered.

        Raises:
            ValueError: that is not a record of it.
        """
        checks = record.get("checks")
        flags = [record.get(name) for name in _FLAGS]
        if not isinstance(checks, dict) or any(
            not isinstance(value, bool) for value in (*checks.values(), *flags)
        ):
            raise ValueError("not what a store was found to be worth")  # any type
        return cls("probed", dict(checks), *map(bool, flags))


_FLAGS = ("describes", "etags_are_md5", "create_only_put", "create_only_complete")
