"""Prove that an object holds a file's bytes, by checksums that the store returned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from asyncload.checksums import md5_checksum, md5_of_etag
from asyncload.errors import AccessDenied, ChecksumMismatch, NotVerified
from asyncload.model import Checksum, PlannedUpload
from asyncload.plan import decide_taken_key
from asyncload.store import Body, ObjectStore, Receipt, RemoteObject
from asyncload.transfer.policy import TransferPolicy

LocalChecksum = Callable[[str], Awaitable[Checksum | None]]
"""Computes the file's checksum by the algorithm named; None where that can't be."""


class LocalFile(NamedTuple):
    """A file to compare with an object: its size in bytes, and how to get its checksums."""

    upload: PlannedUpload
    size: int
    mtime_ns: int
    checksum: LocalChecksum


def find_proof(
    receipt: Receipt, sent: Checksum, body: Body, policy: TransferPolicy
) -> Checksum | None:
    """Return the checksum by which a receipt proves that `body` arrived, None if by none.

    The checksum that was sent, returned by the store, is proof; so is an ETag that is the
    body's MD5, where the policy takes it. An ETag of another form, or another value, proves
    nothing.

    Raises:
        ChecksumMismatch: the store returned another checksum than the one sent.
    """
    if receipt.checksum == sent:
        return sent
    if receipt.checksum is not None:
        raise ChecksumMismatch(
            f"the store returned the {receipt.checksum.algorithm} {receipt.checksum.digest} for "
            f"bytes whose {sent.algorithm} is {sent.digest}",
            hint="run again with --overwrite; if it recurs, distrust the memory or the network",
        )
    md5 = md5_of_etag(receipt.etag)
    if md5 is None or md5.algorithm != "MD5" or not policy.accepts("MD5"):
        return None
    ours = sent if sent.algorithm == "MD5" else md5_checksum(body)
    return md5 if md5 == ours else None


async def prove_by_head(store: ObjectStore, file: LocalFile, policy: TransferPolicy) -> Checksum:
    """Return the checksum by which the store's description of the object proves its bytes.

    Raises:
        NotVerified: it proves nothing, or that other bytes are there.
    """
    try:
        remote = await store.head(file.upload.key)
    except AccessDenied as error:
        raise NotVerified(
            f"the store returned no checksum for it, and may not be asked: {error.message}",
            hint="permit s3:GetObject on the key",
        ) from error
    checksum = None
    if remote is not None and remote.checksum and policy.accepts(remote.checksum.algorithm):
        # What its metadata says is our own word, and no proof.
        checksum = await find_equality(RemoteObject(remote.size, remote.checksum), file)
    if checksum is None:
        asked = "" if policy.checksum == "auto" else f" by --checksum {policy.checksum}"
        raise NotVerified(
            f"it was sent, but the store's answers don't prove{asked} that it holds these bytes",
            hint="the store may lack such checksums; try another --checksum, or read it back"
            if asked
            else "the store may lack CRC64NVME checksums; try --checksum md5, or read it back",
        )
    return checksum


async def find_equality(remote: RemoteObject, file: LocalFile) -> Checksum | None:
    """Return the checksum that proves object and file equal, None where they differ or may."""
    if remote.size != file.size:
        return None
    for theirs in (remote.checksum, remote.recorded):
        if theirs is None:
            continue
        ours = await file.checksum(theirs.algorithm)
        if decide_taken_key(file.size, ours, remote.size, theirs) == "unchanged":
            return ours
        if theirs.algorithm not in ("MD5", "MD5 of parts"):
            # The store vouches that it differs; an ETag may be anything.
            return None
    return None
