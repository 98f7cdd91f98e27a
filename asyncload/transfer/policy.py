"""Limits and rules of transfers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from asyncload.aio.shielding import Grace
from asyncload.model.checksums import CRC32, CRC64NVME, Crc
from asyncload.model.values import Checksum, Lock, PlannedUpload
from asyncload.planning.plan import MIB, PUT_LIMIT
from asyncload.store.protocol import ObjectInfo
from asyncload.transfer.provenance import Provenance
from asyncload.transfer.worth import StoreWorth

Existing = Literal["fail", "overwrite", "skip"]
"""The treatment of a file whose key holds an object with other bytes."""

ChecksumChoice = Literal["auto", "crc64nvme", "crc32", "md5"]


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """How files become objects. Sizes are in bytes, times in seconds.

    `existing`: the treatment of a file whose key holds an object with other bytes. `checksum`: the
    checksum that is sent and must be returned; `auto` sends CRC64NVME and accepts an MD5 instead
    from a store without CRC64NVME. `put_limit`: larger files become multipart uploads. `part_size`:
    the minimum size of a part; very large files get larger parts. `grace`: the time for cleaning
    up, for a run that ends or an upload that failed. `lease`: a later run aborts an upload left
    open after so long without a new part. `rereads`: how often a file or part is read and sent
    again if the store finds it damaged. `provenance`: the metadata about the origin of objects.
    `lock`: how objects are locked. `worth`: which of the store's answers can be relied on.
    """

    existing: Existing = "fail"
    checksum: ChecksumChoice = "auto"
    put_limit: int = PUT_LIMIT
    part_size: int = 8 * MIB
    grace: Grace = field(default_factory=Grace, compare=False)
    lease: timedelta = timedelta(hours=1)
    rereads: int = 2
    provenance: Provenance = field(default_factory=Provenance)
    lock: Lock | None = None
    worth: StoreWorth = field(default_factory=StoreWorth)

    def info(
        self,
        upload: PlannedUpload,
        mtime_ns: int,
        checksum: Checksum | None = None,
        info: ObjectInfo | None = None,
    ) -> ObjectInfo:
        """Return what is stored with a file's bytes: what `provenance` says, and the lock."""
        found = self.provenance.info(upload, mtime_ns, checksum, info)
        return found if self.lock is None else found._replace(lock=self.lock)

    @property
    def create_only(self) -> bool:
        """Whether an existing object must not be replaced."""
        return self.existing != "overwrite"

    @property
    def crc(self) -> Crc:
        """The CRC that is computed of each file."""
        return CRC32 if self.checksum == "crc32" else CRC64NVME

    @property
    def sent_algorithm(self) -> str:
        """The algorithm of the checksums that are sent, in S3's spelling."""
        return "MD5" if self.checksum == "md5" else self.crc.name

    def accepts(self, algorithm: str) -> bool:
        """Whether a checksum by this algorithm, returned by the store, is accepted as proof."""
        asked_for = self.checksum in ("auto", "md5") or algorithm == self.sent_algorithm
        return asked_for and self.worth.proves(algorithm)

    @property
    def wants_md5(self) -> bool:
        """Whether files are proved by their MD5s rather than by the CRC that is sent."""
        if self.checksum == "auto":
            return not (self.worth.describes and self.worth.proves(self.crc.name))
        return self.checksum == "md5"
