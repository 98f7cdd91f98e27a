"""Prove that an object holds a file's bytes, by checksums that the store returned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from asyncload.errors import AccessDenied, ChecksumMismatch, NotVerified
from asyncload.model.checksums import MD5_OF_PARTS, by_algorithm, md5_checksum, md5_of_etag
from asyncload.model.values import Checksum, FileState, PlannedUpload
from asyncload.store.protocol import Body, ObjectStore, PutResult, RemoteObject
from asyncload.transfer.policy import TransferPolicy
from asyncload.transfer.proof import (
    Verdict,
    in_order,
    not_comparable,
    other_bytes,
    other_size,
    weigh,
)

ComputeLike = Callable[[Checksum], Awaitable[Checksum | None]]
"""Computes the file's checksum to compare with an object's; None if that is impossible."""


class LocalFile:
    """A file to compare with an object: its size in bytes, and access to its checksums.

    `known` are the checksums known so far, by algorithm. It contains an MD5 of parts only if an
    object has one, because it depends on the part size. `version` is as in `Uploaded`.
    """

    def __init__(
        self,
        upload: PlannedUpload,
        size: int,
        mtime_ns: int,
        compute: ComputeLike,
        known: Iterable[Checksum] = (),
        version: FileState | None = None,
    ) -> None:
        self.version = version
        self.upload = upload
        self.size = size
        self.mtime_ns = mtime_ns
        self.known = by_algorithm(*known)
        self._compute = compute

    async def like(self, theirs: Checksum) -> Checksum | None:
        """Return the file's checksum to compare with an object's; None if that is impossible."""
        ours = self.known.get(theirs.algorithm)
        if ours is None or (ours != theirs and ours.algorithm == MD5_OF_PARTS):
            ours = await self._compute(theirs)
            if ours is not None and (ours == theirs or ours.algorithm != MD5_OF_PARTS):
                self.known[ours.algorithm] = ours
        return ours


def find_proof(
    result: PutResult, sent: Checksum, body: Body, policy: TransferPolicy
) -> Checksum | None:
    """Return the checksum by which a result proves that `body` arrived; None if it proves nothing.

    The sent checksum, returned by the store, is a proof; so is an ETag that is the body's MD5; both
    only if the policy accepts it. An ETag in another form, or with another value, proves nothing.

    Raises:
        ChecksumMismatch: the store returned another checksum than the one sent.
    """
    if result.checksum is not None and result.checksum != sent:
        raise ChecksumMismatch(
            f"the store returned the {result.checksum.algorithm} {result.checksum.digest} for "
            f"bytes whose {sent.algorithm} is {sent.digest}",
            hint="run again with --overwrite; if it recurs, check the machine's memory and the "
            "network",
        )
    if result.checksum is not None and policy.accepts(sent.algorithm):
        return sent
    md5 = md5_of_etag(result.etag)
    if md5 is None or md5.algorithm != "MD5" or not policy.accepts("MD5"):
        return None
    ours = sent if sent.algorithm == "MD5" else md5_checksum(body)
    return md5 if md5 == ours else None


async def prove_completed(
    store: ObjectStore,
    result: PutResult,
    whole: Checksum | None,
    file: LocalFile,
    policy: TransferPolicy,
) -> Checksum:
    """Return the checksum by which the answer to Complete, or else HEAD, proves the bytes.

    Args:
        store: the store to ask if the answer is not enough.
        result: the answer.
        whole: the full object's checksum that was sent, if any.
        file: the uploaded file; it knows its MD5 of parts, if that can be the proof.
        policy: says which checksums are proofs.

    Raises:
        ChecksumMismatch: the store returned another checksum than the one sent.
        NotVerified: nothing proves it.
    """
    if whole is not None:
        find_proof(PutResult("", result.checksum), whole, b"", policy)
        if result.checksum is not None and policy.accepts(whole.algorithm):
            return whole
    of_parts = md5_of_etag(result.etag)
    known = file.known.get(MD5_OF_PARTS)
    if known is None or of_parts != known or not policy.accepts(MD5_OF_PARTS):
        return await prove_by_head(store, file, policy)
    if policy.worth.etags_are_md5:
        # Some stores describe an object by another ETag than Complete returned; record that one.
        with suppress(NotVerified):
            return await prove_by_head(store, file, policy)
    return known


async def prove_by_head(store: ObjectStore, file: LocalFile, policy: TransferPolicy) -> Checksum:
    """Return the checksum by which the store's description of the object proves its bytes.

    Raises:
        NotVerified: it proves nothing, or shows that the object has other bytes.
    """
    try:
        remote = await store.head(file.upload.key)
    except AccessDenied as error:
        raise NotVerified(
            "the store returned no checksum for the file, and can't be asked for one: "
            f"{error.message}",
            hint="permit s3:GetObject on the key",
        ) from error
    verdict = Verdict("different", None, "the object does not exist")
    if remote is not None:
        verdict = await compare(remote, file, policy)
    if verdict.checksum is None:
        asked = "" if policy.checksum == "auto" else f" by --checksum {policy.checksum}"
        raise NotVerified(
            f"the file was sent, but the store's answers don't prove{asked} that it holds these "
            f"bytes: {verdict.detail}",
            hint="the store may lack such checksums: try another --checksum, or read the object "
            "back"
            if asked
            else "the store returned neither a CRC64NVME nor an ETag that is the MD5, as with a "
            "KMS key: use a store that returns CRC64NVME, or read the object back and compare",
        )
    return verdict.checksum


async def compare(remote: RemoteObject, file: LocalFile, policy: TransferPolicy) -> Verdict:
    """Compare a file with an object, by size and by the checksums that the policy accepts."""
    if remote.size != file.size:
        return other_size(remote.size, file.size)
    for theirs in in_order(remote.checksums.values(), policy):
        ours = await file.like(theirs)
        standing = weigh(ours, theirs, policy)
        if standing == "same":
            return Verdict(standing, ours)
        if ours is not None and standing == "different":
            return other_bytes(ours, theirs)
    return not_comparable(remote.checksums, policy)
