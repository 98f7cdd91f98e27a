"""Which open multipart uploads are ours: each one that a run begins is recorded in the bucket.

A listing of open uploads shows key, initiator and storage class. It does not show the content type,
ACL, metadata, tags or encryption that the object would get, so whoever may begin uploads could have
a run complete an object that is not what was asked for. A small object beside the manifests says
who began an upload, and with what; only an upload with such a record is resumed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

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
"""A longer object is not a record, in bytes: keys and upload ids are a few KiB at the most."""

# What each run says differently of the same file.
_OF_THE_RUN = (reserved.RUN, reserved.VERSION)


def record_key(prefix: str, upload_id: str) -> ObjectKey:
    """Return where the record of an upload is, below the prefix of manifests."""
    digest = hashlib.sha256(upload_id.encode("utf-8", "surrogatepass")).hexdigest()
    return ObjectKey(f"{prefix}/{reserved.UPLOADS}/{digest[:32]}.json")


def fingerprint(settings: Mapping[str, Any], algorithm: str) -> str:
    """Return a hash over all that an upload is created with, but for run and version.

    Args:
        settings: as `ObjectStore.object_settings` returns them.
        algorithm: of the checksums of parts and object.
    """
    metadata = settings.get("Metadata") or {}
    lasting = {name: value for name, value in metadata.items() if name not in _OF_THE_RUN}
    created = {**settings, "Metadata": lasting, "ChecksumAlgorithm": algorithm}
    text = json.dumps(created, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """What is recorded of an upload: of which file, cut how, and with what it was created."""

    key: str
    upload_id: str
    layout: PartLayout
    fingerprint: str

    def encode(self, run_id: str, started: datetime) -> bytes:
        """Return the record as it is stored."""
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
    """Return the record that an object's bytes are, None if they are not one."""
    try:
        record = json.loads(body)
    # RecursionError: of brackets within brackets.
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
    """Return a field of a record. Raises TypeError where it is not of this type."""
    value = record.get(name)
    # A bool is an int.
    if type(value) is not kind:
        raise TypeError(name)
    return value


class UploadRecords:
    """Writes and reads the records of a bucket for one run.

    Args:
        store: holds them.
        prefix: of the manifests.
        policy: by what checksum they are sent, and the run that is named in them.
        tell: is told, once, that records can't be written.
        now: tells the time in UTC.
    """

    def __init__(
        self,
        store: ObjectStore,
        prefix: str,
        policy: TransferPolicy,
        tell: Callable[[Event], None],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._policy = policy
        self._tell = tell
        self._now = now
        self._told = False

    async def write(self, record: UploadRecord) -> None:
        """Record an upload of this run; where that fails, it only can't be resumed."""
        body = record.encode(self._policy.provenance.run_id, self._now())
        checksum = checksum_of(body, self._policy.sent_algorithm)
        assert checksum is not None, "a checksum that a policy sends can be computed"
        key = record_key(self._prefix, record.upload_id)
        try:
            await self._store.put(key, body, checksum, create_only=False, info=INFO)
        except StoreError as error:
            if not self._told:
                self._told = True
                self._tell(
                    Warned(
                        f"an upload in progress could not be recorded as {key}: {error.message}",
                        "files are uploaded nevertheless, but if this run is killed, the next one "
                        f"can't resume them: permit s3:PutObject on {self._prefix}/*",
                    )
                )

    async def find(self, key: ObjectKey, upload_id: str) -> UploadRecord | None:
        """Return the record of an open upload; None if there is none, or none can be read.

        Raises:
            StoreError: the store can't be asked for anything.
        """
        try:
            body = await self._store.read(record_key(self._prefix, upload_id), 0, MAX_RECORD + 1)
        except (AccessDenied, EndpointRefused, RequestRejected, ServerError):
            return None
        record = decode_record(body) if len(body) <= MAX_RECORD else None
        if record is None or (record.key, record.upload_id) != (key, upload_id):
            return None
        return record
