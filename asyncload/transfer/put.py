"""Upload a small file in one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from asyncload.bucket.key_index import Known
from asyncload.errors import BodyDamaged, ChecksumMismatch, PreconditionFailed, SourceChanged
from asyncload.model.checksums import (
    MD5_OF_PARTS,
    by_algorithm,
    checksum_of,
    count_of_parts,
    find_md5_of_parts,
    md5_digest,
)
from asyncload.model.values import Checksum, Skipped, Unchanged, Uploaded
from asyncload.planning.plan import plausible_part_sizes
from asyncload.source.batches import Digests, LoadedFile, UnloadedFile
from asyncload.transfer.context import PutTools
from asyncload.transfer.existing import compare_with_existing, may_prove, resolve_existing
from asyncload.transfer.policy import TransferPolicy
from asyncload.transfer.verify import LocalFile, find_proof, prove_by_head


def wanted_digests(tools: PutTools, known: Mapping[str, Known]) -> Digests:
    """Return the digests to compute while small files are read for `put_file`.

    `known` is the listing's information about each file's key, by the file's path.
    """
    policy = tools.policy
    # The MD5 in a listing may already show that the object equals the file.
    listed = {path: key.size for path, key in known.items() if key.md5 and policy.accepts("MD5")}
    return Digests(policy.crc, tools.store.wanted_digest, policy.wants_md5, listed)


def is_listed(loaded: LoadedFile, known: Known, policy: TransferPolicy) -> bool:
    """Return whether the listing proves that the object has the bytes of a file."""
    return (
        loaded.md5 is not None
        and known.md5 == loaded.md5
        and may_prove(known, len(loaded.body), policy)
    )


async def put_file(
    loaded: LoadedFile, known: Known, tools: PutTools
) -> Uploaded | Unchanged | Skipped:
    """Upload a file that was loaded whole, and prove that the object holds its bytes.

    If the store finds the bytes damaged, `tools.readers` loads the file again, to the same place in
    memory.

    Raises:
        ObjectConflict: the key holds an object with other bytes, and the policy is to fail.
        NotVerified: the store's answers don't prove that the object holds the bytes.
        SourceUnreadable, SourceChanged: the file could not be read again.
        StoreError: the store did not accept it.
    """
    return await _Put(loaded, known, tools).run()


@dataclass(slots=True)
class _Put:
    """The upload of one file. `summed` and `local` describe it as it was last read."""

    loaded: LoadedFile
    known: Known
    tools: PutTools
    summed: Checksum = field(init=False)
    local: LocalFile = field(init=False)

    def __post_init__(self) -> None:
        self._take(self.loaded)

    async def run(self) -> Uploaded | Unchanged | Skipped:
        tools, policy, upload = self.tools, self.tools.policy, self.loaded.upload
        finding = await compare_with_existing(
            tools.store, self.local, self.known, policy, protected=policy.worth.create_only_put
        )
        if finding.outcome is not None:
            return finding.outcome
        await tools.before_change(upload.partition)
        try:
            proof = await self._put(policy.create_only)
        except PreconditionFailed as error:
            return await resolve_existing(tools.store, self.local, policy, error.found)
        except ChecksumMismatch:
            # The key was free. It now holds a damaged object of ours, which may be replaced.
            proof = await self._put(create_only=False)
        local = self.local
        if proof is None:
            proof = await prove_by_head(tools.store, local, policy)
        path, replaces = upload.source.path, finding.replaces
        checksums = by_algorithm(proof, *local.known.values())
        return Uploaded(
            path,
            upload.key,
            local.size,
            proof,
            local.mtime_ns,
            replaces,
            checksums,
            local.version,
        )

    def _take(self, loaded: LoadedFile) -> None:
        self.loaded = loaded
        self.summed = self.tools.policy.crc.checksum(loaded.crc)
        known = [self.summed] if loaded.md5 is None else [self.summed, md5_digest(loaded.md5)]
        upload, size, mtime_ns = loaded.upload, len(loaded.body), loaded.mtime_ns
        self.local = LocalFile(upload, size, mtime_ns, self._like, known, loaded.version)

    async def _like(self, theirs: Checksum) -> Checksum | None:
        body = self.loaded.body
        if theirs.algorithm != MD5_OF_PARTS:
            return checksum_of(body, theirs.algorithm)
        sizes = plausible_part_sizes(len(body), count_of_parts(theirs), self.tools.policy.part_size)
        return find_md5_of_parts(body, sizes, theirs)

    async def _put(self, create_only: bool) -> Checksum | None:
        for _ in range(self.tools.policy.rereads):
            try:
                return await self._put_once(create_only)
            except BodyDamaged:
                self._take(await self._read_again())
        return await self._put_once(create_only)

    async def _put_once(self, create_only: bool) -> Checksum | None:
        policy = self.tools.policy
        upload, body, _, digest, md5, mtime_ns, info, _ = self.loaded
        summed = self.summed
        sent = md5_digest(md5) if md5 is not None and policy.checksum == "md5" else summed
        result = await self.tools.store.put(
            upload.key,
            body,
            sent,
            create_only=create_only,
            digest=digest,
            info=policy.info(upload, mtime_ns, summed, info),
        )
        return find_proof(result, sent, body, policy)

    async def _read_again(self) -> LoadedFile:
        upload, body = self.loaded.upload, self.loaded.body
        digests = wanted_digests(self.tools, {upload.source.path: self.known})
        read = await self.tools.readers.read_batch([upload], body, digests)
        (item,) = read.items
        if isinstance(item, LoadedFile):
            return item
        if isinstance(item, UnloadedFile):
            raise item.error
        raise SourceChanged(
            f"the file grew to {item.size:,} bytes while it was being uploaded", hint="run again"
        )
