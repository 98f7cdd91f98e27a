"""Remember what was written to a store, and remove it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asyncload.aio.shielding import run_to_end
from asyncload.errors import (
    AsyncloadError,
    BodyDamaged,
    FileFailed,
    PreconditionFailed,
    StoreRefused,
)
from asyncload.model.values import Checksum, ObjectKey
from asyncload.reporting.diagnosis import Remnant
from asyncload.store.protocol import CSV, Body, ObjectInfo, Part, PutResult
from asyncload.store.retries import RetryingStore

_REFUSALS = (StoreRefused, FileFailed, BodyDamaged, PreconditionFailed)
_GRACE_SECONDS = 5.0


class TracingStore(RetryingStore):
    """A store that remembers the objects and uploads made through it, and can remove them."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]  # as they are
        self._objects: dict[ObjectKey, None] = {}
        self._uploads: dict[tuple[ObjectKey, str], None] = {}

    async def put(
        self,
        key: ObjectKey,
        body: Body,
        checksum: Checksum,
        *,
        create_only: bool,
        digest: str | None = None,
        info: ObjectInfo = CSV,
    ) -> PutResult:
        with self._writing(key):
            return await super().put(
                key, body, checksum, create_only=create_only, digest=digest, info=info
            )

    async def create_multipart(
        self, key: ObjectKey, *, algorithm: str = "CRC64NVME", info: ObjectInfo = CSV
    ) -> str:
        creating = super().create_multipart(key, algorithm=algorithm, info=info)

        async def create() -> str:
            upload_id = await creating
            self._uploads[key, upload_id] = None
            return upload_id

        # Its id must not be lost.
        return await run_to_end(create(), grace=_GRACE_SECONDS)

    async def complete_multipart(
        self,
        key: ObjectKey,
        upload_id: str,
        parts: Sequence[Part],
        checksum: Checksum | None,
        *,
        create_only: bool,
    ) -> PutResult:
        with self._writing(key):
            result = await super().complete_multipart(
                key, upload_id, parts, checksum, create_only=create_only
            )
        self._uploads.pop((key, upload_id), None)
        return result

    async def abort_multipart(self, key: ObjectKey, upload_id: str) -> None:
        await super().abort_multipart(key, upload_id)
        self._uploads.pop((key, upload_id), None)

    async def delete(self, key: ObjectKey) -> None:
        await super().delete(key)
        self._objects.pop(key, None)

    @contextmanager
    def _writing(self, key: ObjectKey) -> Iterator[None]:
        """Remember an object before its request: without an answer, it may be there."""
        was_there = key in self._objects
        self._objects[key] = None
        try:
            yield
        except _REFUSALS:
            if not was_there:
                del self._objects[key]
            raise

    @property
    def remnants(self) -> tuple[Remnant, ...]:
        """What was made and not removed."""
        return (
            *(Remnant(key, upload_id) for key, upload_id in self._uploads),
            *(Remnant(key) for key in self._objects),
        )

    async def remove_all(self) -> AsyncloadError | None:
        """Abort the uploads and delete the objects; return the first error, if any."""
        errors = []
        for key, upload_id in [*self._uploads]:
            try:
                await self.abort_multipart(key, upload_id)
            except AsyncloadError as error:
                errors.append(error)
        for key in [*self._objects]:
            try:
                await self.delete(key)
            except AsyncloadError as error:
                errors.append(error)
        return errors[0] if errors else None
