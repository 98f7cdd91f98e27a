"""Check permissions by the requests that a run makes, with test keys."""

from __future__ import annotations

from asyncload.errors import AccessDenied, NotVerified, ProtectionIgnored
from asyncload.model.checksums import checksum_of
from asyncload.model.values import Checksum, ObjectKey
from asyncload.operations.bucket import no_object_lock
from asyncload.operations.doctor.examination import Examination, Finding, finding_of, in_spite_of
from asyncload.operations.doctor.traces import TracingStore
from asyncload.settings.run import Settings
from asyncload.store.protocol import CSV, Part
from asyncload.transfer import TransferPolicy

MULTIPART = ("create_multipart", "upload_part", "complete_multipart")
_BODY = b"asyncload doctor\n"
_NOT_NEEDED = "a run with --no-manifest does not need it, but further checks do"


class Permissions:
    """The requests of a run, each made once.

    Test objects are stored as CSVs are, with all options for objects except a lock: they are
    deleted again.

    Args:
        examination: the checks made so far.
        store: the bucket.
        settings: those of a run.
        policy: determines the checksum.
        prefix: that of the run's keys.
        folder: the prefix of test objects.

    Attributes:
        key: the object of the single put.
        parts_key: the object of the multipart upload.
    """

    def __init__(
        self,
        examination: Examination,
        store: TracingStore,
        settings: Settings,
        policy: TransferPolicy,
        *,
        prefix: str,
        folder: str,
    ) -> None:
        self._examination = examination
        self._store = store
        self._settings = settings
        self._algorithm = policy.sent_algorithm
        self._lock = policy.lock
        self._prefix = prefix
        self._folder = folder
        self._upload_id = ""
        self._part: Part | None = None
        self._unprotected: ProtectionIgnored | None = None
        self.key = ObjectKey(f"{folder}/put")
        self.parts_key = ObjectKey(f"{folder}/multipart")

    async def check(self) -> None:
        """Make the checks."""
        check, bucket = self._examination.check, ("bucket",)
        await check("list", self._list, needs=bucket)
        if self._lock is not None:
            await check("object_lock", self._object_lock, needs=bucket)
        await check("put", self._put, needs=bucket)
        if self._settings.sse is not None:
            await check("encryption", self._encryption, needs=("put",))
        await check("head", self._head, needs=("put",))
        await check("create_multipart", self._create, needs=("put", "encryption"))
        await check("upload_part", self._upload_part, needs=MULTIPART[:1])
        await check("list_parts", self._list_parts, needs=MULTIPART[:2])
        await check("complete_multipart", self._complete, needs=MULTIPART[:2])
        await check("list_uploads", self._list_uploads, needs=bucket)
        needs = (*bucket, "encryption", "object_lock")
        await check("data_prefix", self._start_below_prefix, needs=needs)
        await check("abort_multipart", self._abort, needs=("data_prefix",))

    async def _list(self) -> Finding:
        try:
            await self._store.list_objects(self._prefix, max_keys=1)
        except AccessDenied as error:
            return in_spite_of(error, "a run asks for each key by itself, which takes longer")
        return Finding(f"permitted below {self._prefix or 'the whole bucket'}")

    async def _object_lock(self) -> Finding:
        enabled = await self._store.has_object_lock()
        if enabled is None:
            reason = "asking whether the bucket has Object Lock enabled is denied"
            fix = "permit s3:GetBucketObjectLockConfiguration; otherwise the first upload shows it"
            return Finding(reason, fix, "warning")
        if not enabled:
            raise no_object_lock(self._settings.bucket)
        return Finding("the bucket has Object Lock enabled; test objects are not locked")

    async def _put(self) -> Finding:
        try:
            await self._store.put(self.key, _BODY, self._checksum(), create_only=False)
        except ProtectionIgnored as error:
            # The object was stored.
            self._unprotected = error
        except AccessDenied as error:
            if self._settings.manifest:
                raise
            found = finding_of(error, "skipped")
            return found._replace(stops=True, reason=f"{_NOT_NEEDED}: {found.reason}")
        return Finding(f"permitted below {self._settings.manifest_prefix}/")

    async def _encryption(self) -> Finding:
        if self._unprotected is not None:
            raise self._unprotected
        return Finding(f"the store confirms {self._settings.sse}")

    async def _head(self) -> Finding:
        try:
            remote = await self._store.head(self.key)
        except AccessDenied as error:
            found = in_spite_of(error, "existing objects can't be compared with their files")
            return found._replace(stops=True)
        if remote is None:
            raise NotVerified(
                "the store says that an object does not exist right after its put",
                hint="use a store that is consistent after writes",
            )
        return Finding("permitted")

    async def _create(self) -> Finding:
        self._upload_id = await self._store.create_multipart(
            self.parts_key, algorithm=self._algorithm
        )
        return Finding("permitted")

    async def _upload_part(self) -> Finding:
        checksum = self._checksum()
        result = await self._store.upload_part(self.parts_key, self._upload_id, 1, _BODY, checksum)
        self._part = Part(1, result.etag, checksum)
        return Finding("permitted")

    async def _list_parts(self) -> Finding:
        try:
            await self._store.list_parts(self.parts_key, self._upload_id)
        except AccessDenied as error:
            return in_spite_of(error, "an interrupted upload of a large file can't be resumed")
        return Finding("permitted")

    async def _complete(self) -> Finding:
        assert self._part is not None
        whole = None if self._algorithm == "MD5" else self._part.checksum
        await self._store.complete_multipart(
            self.parts_key, self._upload_id, [self._part], whole, create_only=False
        )
        return Finding("permitted")

    async def _list_uploads(self) -> Finding:
        try:
            await self._store.list_uploads(self._prefix)
        except AccessDenied as error:
            return in_spite_of(error, "an interrupted upload of a large file can't be resumed")
        return Finding(f"permitted below {self._prefix or 'the whole bucket'}")

    async def _start_below_prefix(self) -> Finding:
        # An upload needs the same permission as an object, and leaves none.
        name = self._folder.rpartition("/")[2]
        self._data_key = ObjectKey(f"{self._prefix}asyncload-{name}")
        self._data_upload = await self._store.create_multipart(
            self._data_key, algorithm=self._algorithm, info=CSV._replace(lock=self._lock)
        )
        locked = (
            "" if self._lock is None else f" for an object locked until {self._lock.until_text}"
        )
        where = self._prefix or "the whole bucket"
        return Finding(f"an upload can be created below {where}{locked}")

    async def _abort(self) -> Finding:
        try:
            await self._store.abort_multipart(self._data_key, self._data_upload)
        except AccessDenied as error:
            return in_spite_of(error, "an upload that fails stays open, and its parts are billed")
        return Finding("permitted")

    def _checksum(self) -> Checksum:
        checksum = checksum_of(_BODY, self._algorithm)
        assert checksum is not None, "the algorithm of a policy is always available"
        return checksum
