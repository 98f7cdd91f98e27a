"""A large file to an object, in parts: completed or aborted on every exit."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from asyncload.buffers import BufferPool
from asyncload.checksums import combine_crc64nvme, crc64nvme_checksum, md5_digest
from asyncload.errors import (
    AccessDenied,
    NoSuchUpload,
    ObjectConflict,
    PreconditionFailed,
    StoreError,
    first_error,
)
from asyncload.model import (
    Checksum,
    PartSent,
    PlannedUpload,
    Unchanged,
    Uploaded,
    UploadLeftOpen,
)
from asyncload.plan import PartLayout, lay_out_parts
from asyncload.readers import Readers
from asyncload.shielding import run_to_end
from asyncload.store import ObjectStore, Part, RemoteObject
from asyncload.transfer.policy import TransferPolicy
from asyncload.transfer.verify import (
    compare_with,
    find_proof,
    prove_by_head,
    settle_taken_key,
)
from asyncload.transfer.window import PartWindow
from asyncload.volume import FileState, OpenFile


@dataclass(frozen=True, slots=True)
class MultipartTools:
    """What multipart uploads share, and who hears of parts."""

    store: ObjectStore
    readers: Readers
    buffers: BufferPool
    window: PartWindow
    policy: TransferPolicy
    observe: Callable[[PartSent | UploadLeftOpen], None]


async def upload_multipart(upload: PlannedUpload, tools: MultipartTools) -> Uploaded | Unchanged:
    """Store a large file in parts, and prove it.

    Raises:
        SourceChanged, SourceUnreadable, SourceTooLarge: the file's fault; nothing is completed.
        ObjectConflict: the key is taken by other bytes, and the policy is to create only.
        NotVerified: the store's answers don't prove that it holds the bytes.
        StoreError: the store did not take it.
    """
    async with tools.readers.opened(upload.source.path) as (file, state):
        layout = lay_out_parts(
            state.size, least=tools.policy.part_size, most=tools.buffers.capacity
        )
        return await _Transfer(upload, tools, file, state, layout).run()


@dataclass(slots=True)
class _Transfer:
    upload: PlannedUpload
    tools: MultipartTools
    file: OpenFile
    state: FileState
    layout: PartLayout
    _crcs: dict[int, tuple[int, int]] = field(default_factory=dict)

    async def run(self) -> Uploaded | Unchanged:
        store, key = self.tools.store, self.upload.key
        if self.tools.policy.create_only and (remote := await self._head()) is not None:
            # Known before the first part: a taken key costs no upload.
            return await compare_with(remote, self.upload, self.layout.size, self._checksum)
        try:
            async with self._opened_upload() as upload_id:
                parts = await self._send_parts(upload_id)
                await self.tools.readers.check_in_place(self.file, self.state)
                whole = await self._checksum("CRC64NVME")
                receipt = await store.complete_multipart(
                    key, upload_id, parts, whole, create_only=self.tools.policy.create_only
                )
        except PreconditionFailed:
            return await settle_taken_key(store, self.upload, self.layout.size, self._checksum)
        except NoSuchUpload as error:
            return await self._settle_lost_upload(error)
        # A receipt without a checksum proves nothing here: the ETag is of the parts.
        if receipt.checksum is None:
            whole = await prove_by_head(store, self.upload, self.layout.size, self._checksum)
        else:
            find_proof(receipt, whole, b"")
        return Uploaded(self.upload.source.path, key, self.layout.size, whole)

    async def _head(self) -> RemoteObject | None:
        try:
            return await self.tools.store.head(self.upload.key)
        except AccessDenied:
            # Neither "there" nor "not there": the conditional Complete will tell.
            return None

    async def _settle_lost_upload(self, lost: NoSuchUpload) -> Uploaded:
        """The answer to an earlier Complete may have been lost: then the object is there."""
        try:
            found = await settle_taken_key(
                self.tools.store, self.upload, self.layout.size, self._checksum
            )
        except ObjectConflict:
            raise lost from None
        return Uploaded(found.path, found.key, found.size, found.checksum)

    @asynccontextmanager
    async def _opened_upload(self) -> AsyncIterator[str]:
        """Open a multipart upload that the body completes, or that is aborted."""
        upload_id, cancelled = await run_to_end(
            self.tools.store.create_multipart(self.upload.key),
            grace=self.tools.policy.abort_grace,
        )
        try:
            if cancelled:
                raise asyncio.CancelledError
            yield upload_id
        except BaseException:
            await self._abort(upload_id)
            raise

    async def _abort(self, upload_id: str) -> None:
        grace = self.tools.policy.abort_grace
        abort = self.tools.store.abort_multipart(self.upload.key, upload_id)
        try:
            await run_to_end(asyncio.wait_for(abort, grace), grace=grace)
        except (StoreError, TimeoutError, asyncio.CancelledError) as error:
            # What made the upload fail matters more than that it could not be tidied away.
            self.tools.observe(
                UploadLeftOpen(self.upload.source.path, self.upload.key, upload_id, str(error))
            )

    async def _send_parts(self, upload_id: str) -> list[Part]:
        sending: list[asyncio.Task[Part]] = []
        try:
            async with asyncio.TaskGroup() as group:
                for number, offset, length in self.layout.parts():
                    buffer = await self._take_buffer(length)
                    task = group.create_task(
                        self._send_part(upload_id, number, offset, memoryview(buffer)[:length])
                    )
                    # A callback, because a task cancelled before it starts runs no `finally`.
                    task.add_done_callback(partial(self._give_back, buffer))
                    sending.append(task)
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None
        return [task.result() for task in sending]

    async def _take_buffer(self, length: int) -> bytearray:
        await self.tools.window.enter()
        try:
            return await self.tools.buffers.acquire(length)
        except asyncio.CancelledError:
            self.tools.window.leave()
            raise

    def _give_back(self, buffer: bytearray, task: asyncio.Task[Part]) -> None:
        self.tools.window.leave()
        if task.cancelled() or task.exception() is not None:
            # A broken-off request may still be writing from it.
            self.tools.buffers.discard(buffer)
        else:
            self.tools.buffers.release(buffer)

    async def _send_part(self, upload_id: str, number: int, offset: int, view: memoryview) -> Part:
        # Hashed where it is read, while it is in the cache and off the loop.
        digest = hashlib.sha256() if self.tools.store.signs_payloads else None
        crc = await self.tools.readers.read_part(self.file, view, offset, self.state, digest)
        self._crcs[number] = crc, len(view)
        sent = crc64nvme_checksum(crc)
        clock = asyncio.get_running_loop().time
        begun = clock()
        receipt = await self.tools.store.upload_part(
            self.upload.key,
            upload_id,
            number,
            view,
            sent,
            sha256=None if digest is None else digest.hexdigest(),
        )
        self.tools.window.learn(clock() - begun)
        # The full object's checksum is the proof; a part's only finds a fault sooner.
        if receipt.checksum is not None:
            find_proof(receipt, sent, view)
        self.tools.observe(PartSent(self.upload.source.path, len(view)))
        return Part(number, receipt.etag, sent)

    async def _checksum(self, algorithm: str) -> Checksum:
        """Compute the file's checksum: from its parts' where they were read, else by reading."""
        if algorithm == "CRC64NVME" and len(self._crcs) == self.layout.count:
            return crc64nvme_checksum(
                combine_crc64nvme(self._crcs[number] for number in sorted(self._crcs))
            )
        md5 = hashlib.md5(usedforsecurity=False)
        crcs = []
        buffer = await self.tools.buffers.acquire(self.layout.part_size)
        try:
            for _, offset, length in self.layout.parts():
                view = memoryview(buffer)[:length]
                crc = await self.tools.readers.read_part(
                    self.file, view, offset, self.state, md5 if algorithm == "MD5" else None
                )
                crcs.append((crc, length))
        finally:
            self.tools.buffers.release(buffer)
        if algorithm == "MD5":
            return md5_digest(md5.digest())
        return crc64nvme_checksum(combine_crc64nvme(crcs))
