"""Prove that an object holds a file's bytes, by checksums that the store returned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncload.checksums import md5_checksum, md5_of_etag
from asyncload.errors import AccessDenied, NotVerified, ObjectConflict
from asyncload.model import Checksum, PlannedUpload, Unchanged
from asyncload.plan import decide_taken_key
from asyncload.store import Body, ObjectStore, Receipt, RemoteObject

LocalChecksum = Callable[[str], Awaitable[Checksum]]
"""Computes the file's checksum by the algorithm named: `CRC64NVME` or `MD5`."""


def find_proof(receipt: Receipt, sent: Checksum, body: Body) -> Checksum | None:
    """Return the checksum by which a receipt proves that `body` arrived, None if by none.

    The checksum that was sent, returned by the store, is proof; so is an ETag that is the
    body's MD5. An ETag of another form, or another value, proves nothing.

    Raises:
        NotVerified: the store returned another checksum than the one sent.
    """
    if receipt.checksum == sent:
        return sent
    if receipt.checksum is not None:
        raise NotVerified(
            f"the store returned the {receipt.checksum.algorithm} {receipt.checksum.digest} for "
            f"bytes whose {sent.algorithm} is {sent.digest}",
            hint="run again with --overwrite; if it recurs, distrust the memory or the network",
        )
    md5 = md5_of_etag(receipt.etag)
    return md5 if md5 is not None and md5 == md5_checksum(body) else None


async def prove_by_head(
    store: ObjectStore, upload: PlannedUpload, size: int, local: LocalChecksum
) -> Checksum:
    """Return the checksum by which the store's description of the object proves its bytes.

    Raises:
        NotVerified: it proves nothing, or that other bytes are there.
    """
    try:
        remote = await store.head(upload.key)
    except AccessDenied as error:
        raise NotVerified(
            f"the store returned no checksum for it, and may not be asked: {error.message}",
            hint="permit s3:GetObject on the key",
        ) from error
    checksum = None if remote is None else await find_equality(remote, size, local)
    if checksum is None:
        raise NotVerified(
            "it was sent, but the store's answers don't prove that it holds these bytes",
            hint="the store may lack CRC64NVME checksums; read the object back and compare",
        )
    return checksum


async def find_equality(remote: RemoteObject, size: int, local: LocalChecksum) -> Checksum | None:
    """Return the checksum that proves object and file equal, None where they differ or may."""
    if remote.size != size or remote.checksum is None:
        return None
    ours = await local(remote.checksum.algorithm)
    decision = decide_taken_key(size, ours, remote.size, remote.checksum)
    return ours if decision == "unchanged" else None


async def settle_taken_key(
    store: ObjectStore, upload: PlannedUpload, size: int, local: LocalChecksum
) -> Unchanged:
    """Decide what it means that the key is taken: the same bytes are success.

    Raises:
        ObjectConflict: other bytes are there, or it can't be told.
    """
    try:
        remote = await store.head(upload.key)
    except AccessDenied as error:
        raise ObjectConflict(
            f"the key is taken, and its object may not be compared: {error.message}",
            hint="permit s3:GetObject on the key, or replace the object with --overwrite",
        ) from error
    if remote is None:
        raise ObjectConflict(
            "the key was taken, and then it was not: something else writes and deletes there",
            hint="run again",
        )
    return await compare_with(remote, upload, size, local)


async def compare_with(
    remote: RemoteObject, upload: PlannedUpload, size: int, local: LocalChecksum
) -> Unchanged:
    """Return `Unchanged` where the object is known to hold the file's bytes.

    Raises:
        ObjectConflict: it is not.
    """
    checksum = await find_equality(remote, size, local)
    if checksum is not None:
        return Unchanged(upload.source.path, upload.key, size, checksum)
    what = (
        f"an object of {remote.size:,} bytes, and the file has {size:,}"
        if remote.size != size
        else "an object of the same size whose bytes differ, or can't be compared"
    )
    raise ObjectConflict(
        f"the key is taken by {what}",
        hint="replace it with --overwrite, or load under another --date",
    )
