"""Records of the multipart uploads that runs create, so that a later run can tell which are ours.

A listing of open uploads shows key, initiator and storage class, but not the content type, ACL,
metadata, tags or encryption of the future object. Anyone allowed to create uploads could make a run
complete an object with other settings. So a small object next to the manifests records who created
an upload and with which settings; only recorded uploads are resumed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from asyncload.errors import (
    AccessDenied,
    EndpointRefused,
    RequestRejected,
    ServerError,
    StoreError,
)
from asyncload.model import reserved
from asyncload.model.checksums import checksum_of
from asyncload.model.values import Event, ObjectKey, Warned
from asyncload.planning.plan import PartLayout
from asyncload.store.protocol import ObjectInfo, ObjectStore
from asyncload.transfer.policy import TransferPolicy

T = TypeVar("T", str, int)

INFO = ObjectInfo(content_type="application/json", bookkeeping=True)

MAX_RECORD = 64 * 1024
"""In bytes; a longer object is not a record. Keys and upload ids are a few KiB at most."""

# Fields that differ between runs for the same file.
_OF_THE_RUN = (reserved.RUN, reserved.VERSION)


def record_key(prefix: str, upload_id: str) -> ObjectKey:
    """Return the key of an upload's record, below the prefix of manifests."""
    digest = hashlib.sha256(upload_id.encode("utf-8", "surrogatepass")).hexdigest()
    return ObjectKey(f"{prefix}/{reserved.UPLOADS}/{digest[:32]}.json")


def fingerprint(settings: Mapping[str, Any], algorithm: str) -> str:
    """Return a hash of all settings that an upload is created with, except run and version.

    Args:
        settings: as `ObjectStore.object_settings` returns them.
        algorithm: of the checksums of parts and object.
    """
    metadata = settings.get("Metadata") or {}
    lasting = {name: value for name, value in metadata.items() if name not in _OF_THE_RUN}
    created = {**settings, "Metadata": lasting, "ChecksumAlgorithm": algorithm}
    text = json.dumps(created, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class UploadRecord(NamedTuple):
    """The record of an upload: its file, part layout and settings."""

    key: str
    upload_id: str
    layout: PartLayout
    fingerprint: str

    def encode(self, run_id: str, started: datetime) -> bytes:
        """Return the record in its stored form."""
        record = {
            "version": 1,
            "key": self.key,
            "upload_id": self.upload_id,
            "run_id": run_id,
            "started": started.isoformat(timespec="milliseconds"),
            "size": self.layout.size,
            "part_size": self.layout.part_size,
            "fingerprint": self.fingerprint,
        }
        return json.dumps(record, separators=(",", ":")).encode()


def decode_record(body: bytes) -> UploadRecord | None:
    """Parse a stored record; None if the bytes are not a record."""
    try:
        record = json.loads(body)
    # RecursionError comes from nested brackets.
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("version") != 1:
        return None
    text, number = partial(_typed, record, str), partial(_typed, record, int)
    try:
        layout = PartLayout(number("size"), number("part_size"))
        found = UploadRecord(text("key"), text("upload_id"), layout, text("fingerprint"))
    except TypeError:
        return None
    return found if layout.size > 0 and layout.part_size > 0 else None


def _typed(record: Mapping[str, Any], kind: type[T], name: str) -> T:
    """Return a field of a record. Raises TypeError if it has another type."""
    value = record.get(name)
    # A bool is an int, too.
    if type(value) is not kind:
        raise TypeError(name)
    return value


class UploadRecords:
    """Writes and reads the upload records of a bucket for one run.

    Args:
        store: the store that holds them.
        prefix: the prefix of the manifests.
        policy: the checksum to send, and the run named in the records.
        emit: called once if records can't be written.
        now: returns the time in UTC.
    """

    def __init__(
        self,
        store: ObjectStore,
        prefix: str,
        policy: TransferPolicy,
        emit: Callable[[Event], None],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._policy = policy
        self._emit = emit
        self._now = now
        self._warned = False

    async def write(self, record: UploadRecord) -> bool:
        """Record an upload of this run; return whether it can be resumed later."""
        body = record.encode(self._policy.provenance.run_id, self._now())
        checksum = checksum_of(body, self._policy.sent_algorithm)
        assert checksum is not None, "a checksum that a policy sends can be computed"
        key = record_key(self._prefix, record.upload_id)
        try:
            await self._store.put(key, body, checksum, create_only=False, info=INFO)
        except StoreError as error:
            if not self._warned:
                self._warned = True
                self._emit(
                    Warned(
                        f"an upload in progress could not be recorded as {key}: {error.message}",
                        "files are uploaded nevertheless, but if this run is killed, the next one "
                        f"can't resume them: permit s3:PutObject on {self._prefix}/*",
                    )
                )
            return False
        return True

    async def find(self, key: ObjectKey, upload_id: str) -> UploadRecord | None:
        """Return the record of an open upload; None if there is none, or it can't be read.

        Raises:
            StoreError: the store can't be used at all.
        """
        try:
            body = await self._store.read(record_key(self._prefix, upload_id), 0, MAX_RECORD + 1)
        except (AccessDenied, EndpointRefused, RequestRejected, ServerError):
            return None
        record = decode_record(body) if len(body) <= MAX_RECORD else None
        if record is None or (record.key, record.upload_id) != (key, upload_id):
            return None
        return record
