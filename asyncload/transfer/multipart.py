"""Upload a large file in parts; the upload is completed or aborted on every exit."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from asyncload.aio.buffers import Buffer
from asyncload.aio.groups import Group
from asyncload.aio.shielding import run_to_end
from asyncload.bucket.key_index import UNKNOWN
from asyncload.errors import (
    BodyDamaged,
    ChecksumMismatch,
    DeadlineReached,
    NoSuchUpload,
    ObjectConflict,
    PreconditionFailed,
    Refused,
    RequestRejected,
    SourceChanged,
    StoreUnavailable,
    UploadBroken,
)
from asyncload.model.checksums import MD5_OF_PARTS, by_algorithm, md5_digest
from asyncload.model.values import (
    Checksum,
    PartKept,
    PartSent,
    PlannedUpload,
    Skipped,
    Unchanged,
    Uploaded,
    UploadLeftOpen,
)
from asyncload.planning.plan import PartLayout, lay_out_parts
from asyncload.source.file_state import FileState, changed_again
from asyncload.source.readers import Readable
from asyncload.store.protocol import ObjectInfo, Part, PutResult
from asyncload.transfer.aborting import abort_upload
from asyncload.transfer.context import TransferTools
from asyncload.transfer.existing import compare_again, compare_with_existing, resolve_existing
from asyncload.transfer.local_sums import LocalSums
from asyncload.transfer.resume import (
    OtherParts,
    Resumable,
    abort_stale,
    find_resumable,
    is_there,
)
from asyncload.transfer.upload_records import UploadRecord, UploadRecords, fingerprint
from asyncload.transfer.verify import LocalFile, find_proof, prove_completed


async def upload_multipart(
    upload: PlannedUpload, tools: TransferTools
) -> Uploaded | Unchanged | Skipped:
    """Upload a large file in parts, and prove that the object holds its bytes.

    The upload is started again once if the file changed, if the store lost the upload, or if the
    object does not hold the bytes sent.

    Raises:
        SourceUnreadable, SourceChanged, SourceTooLarge: the file can't be uploaded as it is.
        ObjectConflict: the key holds an object with other bytes, and the policy is to fail.
        NotVerified: the store's answers don't prove that the object holds the bytes.
        StoreError: the store did not accept it.
        DeadlineReached: there is no time for the rest of the file; the next run resumes it.
    """
    try:
        return await _attempt(upload, tools)
    except SourceChanged as first:
        try:
            return await _attempt(upload, tools, resume=False)
        except SourceChanged as again:
            raise changed_again(first, again) from again
    except (NoSuchUpload, UploadBroken):
        return await _attempt(upload, tools, resume=False)
    except ChecksumMismatch:
        # The key was free. It now holds a damaged object of ours, which may be replaced.
        return await _attempt(upload, tools, resume=False, replace=True)


async def _attempt(
    upload: PlannedUpload, tools: TransferTools, *, resume: bool = True, replace: bool = False
) -> Uploaded | Unchanged | Skipped:
    async with tools.readers.opened(upload.source) as (file, state):
        layout = lay_out_parts(
            state.size, min_size=tools.policy.part_size, max_size=tools.part_memory
        )
        sums = LocalSums(file, state, layout, tools.policy.crc, tools.readers, tools.buffers)
        version = state if upload.source.member is None else None
        local = LocalFile(upload, state.size, state.mtime_ns, sums.like, version=version)
        multipart = _MultipartUpload(upload, tools, file, state, layout, sums, local)
        return await multipart.run(resume=resume, replace=replace)


@dataclass(slots=True)
class _MultipartUpload:
    """One attempt at one file.

    `summed_md5`: whether the MD5 of each part is computed as well. `recorded`: whether a later run
    can resume the upload.
    """

    upload: PlannedUpload
    tools: TransferTools
    file: Readable
    state: FileState
    layout: PartLayout
    sums: LocalSums
    local: LocalFile
    summed_md5: bool = field(init=False)
    recorded: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.summed_md5 = self.tools.policy.wants_md5

    async def run(self, *, resume: bool, replace: bool) -> Uploaded | Unchanged | Skipped:
        tools, key, policy = self.tools, self.upload.key, self.tools.policy
        replaces = replace
        if not replace:
            # The MD5 of the listing is not compared: a large file is read for its checksum only
            # once, by the best algorithm that HEAD returns.
            known = tools.key_index.find(self.upload)._replace(md5=b"") if resume else UNKNOWN
            protected = policy.worth.create_only_complete
            finding = await compare_with_existing(
                tools.store, self.local, known, policy, protected=protected
            )
            if finding.outcome is not None:
                await abort_stale(key, tools)
                return finding.outcome
            replaces = finding.replaces
        left_open = None
        if resume:
            left_open = await find_resumable(key, self.layout.size, self._fingerprint(), tools)
        if left_open is not None:
            self.layout, self.recorded = left_open.layout, True
            self.sums.cut(self.layout)
        try:
            async with self._opened_upload(left_open) as opened:
                parts = await self._send_parts(opened)
                await tools.readers.check_in_place(self.file, self.state)
                whole = await self._sum_up()
                await tools.before_change(self.upload.partition)
                if not replace:
                    await compare_again(tools.store, key, policy)
                result = await tools.store.complete_multipart(
                    key,
                    opened.upload_id,
                    parts,
                    whole,
                    create_only=policy.create_only and not replace,
                )
                # Inside the block, so that an upload whose answer is wrong is not taken for
                # completed.
                proof = await prove_completed(tools.store, result, whole, self.local, policy)
        except PreconditionFailed:
            return await resolve_existing(tools.store, self.local, policy)
        except NoSuchUpload as error:
            proof = await self._resolve_lost_upload(error)
        except RequestRejected as error:
            if left_open is None:
                raise
            # The upload may have been created with other settings than this run's, such as a
            # checksum.
            raise UploadBroken(error.message, hint=error.hint) from error
        path, size = self.upload.source.path, self.layout.size
        checksums = by_algorithm(proof, *self.local.known.values())
        local = self.local
        return Uploaded(path, key, size, proof, local.mtime_ns, replaces, checksums, local.version)

    async def _sum_up(self) -> Checksum | None:
        """Store the known checksums of the file; return the one that Complete is to check."""
        policy, known = self.tools.policy, self.local.known
        whole = await self.sums.checksum(policy.crc.name)
        known |= by_algorithm(whole)
        if len(self.sums.md5s) == self.layout.count:
            known |= by_algorithm(await self.sums.checksum(MD5_OF_PARTS))
        return None if policy.checksum == "md5" else whole

    async def _resolve_lost_upload(self, lost: NoSuchUpload) -> Checksum:
        """Return the proof for an upload that is gone: an earlier Complete may have succeeded.

        Its answer may have been lost; the object exists then.
        """
        try:
            found = await resolve_existing(self.tools.store, self.local, self.tools.policy)
        except ObjectConflict:
            raise lost from None
        if not isinstance(found, Unchanged):
            raise lost
        return found.checksum

    def _info(self) -> ObjectInfo:
        return self.tools.policy.info(self.upload, self.state.mtime_ns)

    def _fingerprint(self) -> str:
        settings = self.tools.store.object_settings(self._info())
        return fingerprint(settings, self.tools.policy.sent_algorithm)

    @asynccontextmanager
    async def _opened_upload(self, left_open: Resumable | None) -> AsyncIterator[Resumable]:
        """Create a multipart upload, or resume one; the body completes it, or it is aborted.

        A resumed upload that holds another file's bytes is left open: another process may be
        sending them. So is one that the deadline interrupts, if the next run can resume it.
        """
        if left_open is None:
            policy = self.tools.policy
            creating = self.tools.store.create_multipart(
                self.upload.key,
                algorithm=policy.sent_algorithm,
                info=self._info(),
            )
            upload_id = await run_to_end(creating, grace=policy.grace, undo=self._abort)
            left_open = Resumable(upload_id, {}, self.layout)
        try:
            yield left_open
        except OtherParts:
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError | Refused | StoreUnavailable):
                # The run is about to end.
                self.tools.policy.grace.begin()
            if self.recorded and self._is_out_of_time(error):
                self._emit_left_open(left_open.upload_id, "the next run resumes it")
            else:
                await self._abort(left_open.upload_id)
            raise

    def _is_out_of_time(self, error: BaseException) -> bool:
        cancelled = isinstance(error, asyncio.CancelledError) and self.tools.deadline.expired
        return cancelled or isinstance(error, DeadlineReached)

    def _emit_left_open(self, upload_id: str, reason: str) -> None:
        path, key = self.upload.source.path, self.upload.key
        self.tools.observe(UploadLeftOpen(path, key, upload_id, reason))

    async def _abort(self, upload_id: str) -> None:
        tools, emit = self.tools, partial(self._emit_left_open, upload_id)
        grace = tools.policy.grace
        await abort_upload(tools.store, self.upload.key, upload_id, grace=grace, left_open=emit)

    async def _record(self, records: UploadRecords, upload_id: str) -> None:
        record = UploadRecord(self.upload.key, upload_id, self.layout, self._fingerprint())
        self.recorded = await records.write(record)

    async def _send_parts(self, opened: Resumable) -> list[Part]:
        sending: list[asyncio.Task[Part]] = []
        async with Group() as group:
            if self.tools.records is not None and not self.recorded:
                group.create_task(self._record(self.tools.records, opened.upload_id))
            for number, offset, length in self.layout.parts():
                if self.tools.deadline.reached():
                    break
                buffer = await self._take_buffer(length)
                view = memoryview(buffer)[:length]
                task = group.create_task(self._send_part(opened, number, offset, view))
                # A callback, because a task cancelled before it starts runs no `finally`.
                task.add_done_callback(partial(self._give_back, buffer))
                sending.append(task)
        if len(sending) < self.layout.count:
            # The parts that were being sent are kept.
            raise DeadlineReached
        return [task.result() for task in sending]

    async def _take_buffer(self, length: int) -> Buffer:
        await self.tools.window.enter()
        try:
            return await self.tools.buffers.acquire(length)
        except BaseException:
            self.tools.window.leave()
            raise

    def _give_back(self, buffer: Buffer, task: asyncio.Task[Part]) -> None:
        self.tools.window.leave()
        if task.cancelled() or task.exception() is not None:
            # An aborted request may still be reading from it.
            self.tools.buffers.discard(buffer)
        else:
            self.tools.buffers.release(buffer)

    async def _send_part(
        self, opened: Resumable, number: int, offset: int, view: memoryview
    ) -> Part:
        for _ in range(self.tools.policy.rereads):
            # The bytes may have been damaged in memory: read them from the disk again.
            with suppress(BodyDamaged):
                return await self._read_and_send(opened, number, offset, view)
        return await self._read_and_send(opened, number, offset, view)

    async def _read_and_send(
        self, opened: Resumable, number: int, offset: int, view: memoryview
    ) -> Part:
        tools, policy = self.tools, self.tools.policy
        path, planned = self.upload.source.path, self.upload.source.size
        stored = opened.parts.get(number)
        # Hash while reading: the bytes are in the cache, and the event loop is not blocked.
        wanted = tools.store.wanted_digest
        signed = hashlib.new(wanted) if wanted is not None and stored is None else None
        wants_md5 = self.summed_md5 or (stored is not None and stored.checksum is None)
        md5 = hashlib.md5(usedforsecurity=False) if wants_md5 else None
        digests = [digest for digest in (signed, md5) if digest is not None]
        crc = await tools.readers.read_part(
            self.file, view, offset, self.state, digests, policy.crc
        )
        self.sums.crcs[number] = crc, len(view)
        if md5 is not None:
            self.sums.md5s[number] = md5.digest()
        summed = policy.crc.checksum(crc)
        sent = summed if policy.checksum != "md5" else md5_digest(self.sums.md5s[number])
        if stored is not None and is_there(stored, summed, self.sums.md5s.get(number)):
            tools.observe(PartKept(path, len(view), number, planned))
            return Part(number, stored.etag, sent)
        result = await self._send(
            opened, number, view, sent, None if signed is None else signed.hexdigest()
        )
        tools.observe(PartSent(path, len(view), number, planned))
        return Part(number, result.etag, sent)

    async def _send(
        self,
        opened: Resumable,
        number: int,
        view: memoryview,
        sent: Checksum,
        digest: str | None,
    ) -> PutResult:
        clock, tools = asyncio.get_running_loop().time, self.tools

        async def once() -> PutResult:
            begun = clock()
            result = await tools.store.upload_part(
                self.upload.key, opened.upload_id, number, view, sent, digest=digest
            )
            tools.window.learn(len(view), clock() - begun)
            find_proof(result, sent, view, tools.policy)
            return result

        try:
            result = await once()
        except ChecksumMismatch:
            result = await once()
        if result.checksum is None and not self.summed_md5:
            # The store returns no checksum, so the parts' ETags may have to be the proof.
            self.summed_md5 = True
        if result.checksum is None and number not in self.sums.md5s:
            self.sums.md5s[number] = hashlib.md5(view, usedforsecurity=False).digest()
        # The full object's checksum is the proof; a part's checksum only reveals an error earlier.
        return result
