"""A small file to an object, in one request."""

from __future__ import annotations

from asyncload.checksums import crc64nvme_checksum, md5_checksum
from asyncload.errors import PreconditionFailed
from asyncload.model import Checksum, Unchanged, Uploaded
from asyncload.store import ObjectStore
from asyncload.transfer.policy import TransferPolicy
from asyncload.transfer.verify import find_proof, prove_by_head, settle_taken_key
from asyncload.volume import LoadedFile


async def put_file(
    loaded: LoadedFile, *, store: ObjectStore, policy: TransferPolicy
) -> Uploaded | Unchanged:
    """Store a file that was read whole, and prove it.

    Raises:
        ObjectConflict: the key is taken by other bytes, and the policy is to create only.
        NotVerified: the store's answers don't prove that it holds the bytes.
        StoreError: the store did not take it.
    """
    upload, body, crc, sha256 = loaded
    sent = crc64nvme_checksum(crc)

    async def local(algorithm: str) -> Checksum:
        return sent if algorithm == sent.algorithm else md5_checksum(body)

    try:
        receipt = await store.put(
            upload.key, body, sent, create_only=policy.create_only, sha256=sha256
        )
    except PreconditionFailed:
        return await settle_taken_key(store, upload, len(body), local)
    checksum = find_proof(receipt, sent, body)
    if checksum is None:
        checksum = await prove_by_head(store, upload, len(body), local)
    return Uploaded(upload.source.path, upload.key, len(body), checksum)
