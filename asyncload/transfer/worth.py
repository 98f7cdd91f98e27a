"""Which of a store's promises hold, as found by probing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

Basis = Literal["aws", "probed", "assumed"]


class StoreWorth(NamedTuple):
    """The promises of a store that were found to hold; the defaults are those of AWS S3.

    `basis` says how that is known: the store is AWS, it was probed, or probing failed. `checks`:
    whether it refuses a body that does not match its checksum, by algorithm; only then does a
    returned checksum prove something. `describes`: whether HEAD returns the checksum an object was
    sent with. `etags_are_md5`: whether the ETag of a single put is known to be the MD5 of its
    bytes. `create_only_put`, `create_only_complete`: whether `If-None-Match: *` protects existing
    objects. `keeps_backslashes`: whether a key with a backslash is kept as it is, and not stored
    with a slash in its place; None if that was not asked, as no such key was planned.
    """

    basis: Basis = "assumed"
    checks: Mapping[str, bool] = MappingProxyType({})
    describes: bool = True
    etags_are_md5: bool = False
    create_only_put: bool = True
    create_only_complete: bool = True
    keeps_backslashes: bool | None = None

    def proves(self, algorithm: str) -> bool:
        """Return whether a checksum by this algorithm, returned by the store, is a proof.

        An algorithm that was not probed counts as the probed CRC.
        """
        if algorithm in ("MD5", "MD5 of parts"):
            # An ETag that the store computes itself does not depend on checks of sent checksums.
            return self.etags_are_md5 or self.checks.get("MD5", True)
        return self.checks.get(
            algorithm, all(held for name, held in self.checks.items() if name != "MD5")
        )

    def record(self) -> dict[str, Any]:
        """Return it in its stored form, for `from_record`."""
        record = self._asdict() | {"checks": dict(self.checks)}
        if self.keeps_backslashes is None:
            del record["keeps_backslashes"]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Parse the stored form.

        Raises:
            ValueError: it is not a record of a store's worth.
        """
        checks, kept = record.get("checks"), record.get("keeps_backslashes")
        flags = [record.get(name) for name in _FLAGS]
        if not isinstance(checks, dict) or any(
            not isinstance(value, bool) for value in (*checks.values(), *flags, kept or False)
        ):
            raise ValueError("not what a store was found to be worth")  # any type
        return cls("probed", dict(checks), *map(bool, flags))._replace(keeps_backslashes=kept)


_FLAGS = ("describes", "etags_are_md5", "create_only_put", "create_only_complete")
