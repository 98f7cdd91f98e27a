"""A small file to an object, in one request."""

from __future__ import annotations

from asyncload.batches import LoadedFile
from asyncload.checksums import checksum_of, md5_digest
from asyncload.errors import ChecksumMismatch, PreconditionFailed
from asyncload.model import Checksum, Skipped, Unchanged, Uploaded
from asyncload.transfer.taken import look_before_sending, settle_taken_key
from asyncload.transfer.tools import TransferTools
from asyncload.transfer.verify import LocalFile, find_proof, prove_by_head


async def put_file(loaded: LoadedFile, tools: TransferTools) -> Uploaded | Unchanged | Skipped:
    """Store a file that was read whole, and prove it.

    Raises:
        ObjectConflict: the key is taken by other bytes, and the policy is to fail.
        NotVerified: the store's answers don't prove that it holds the bytes.
        StoreError: the store did not take it.
    """
    upload, body, crc, sha256, md5, mtime_ns = loaded
    store, policy = tools.store, tools.policy
    summed = policy.crc.checksum(crc)

    async def checksum(algorithm: str) -> Checksum | None:
        if algorithm == summed.algorithm:
            return summed
        if algorithm == "MD5" and md5 is not None:
            return md5_digest(md5)
        return checksum_of(body, algorithm)

    file = LocalFile(upload, len(body), mtime_ns, checksum)
    finding = await look_before_sending(store, file, tools.inventory.find(upload), policy)
    if finding.outcome is not None:
        return finding.outcome
    sent = summed if md5 is None or policy.checksum != "md5" else md5_digest(md5)
    info = policy.provenance.info(upload, mtime_ns, summed)

    async def put(create_only: bool) -> Checksum | None:
        receipt = await store.put(
            upload.key, body, sent, create_only=create_only, sha256=sha256, info=info
        )
        return find_proof(receipt, sent, body, policy)

    try:
        proof = await put(policy.create_only)
    except PreconditionFailed:
        return await settle_taken_key(store, file, policy)
    except ChecksumMismatch:
        # The key was free, and now holds something damaged that is ours to replace.
        proof = await put(create_only=False)
    if proof is None:
        proof = await prove_by_head(store, file, policy)
    return Uploaded(upload.source.path, upload.key, len(body), proof, mtime_ns, finding.replaces)
