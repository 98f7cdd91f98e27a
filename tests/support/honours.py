"""What a store honours of what it is asked: measured behind asyncload's back, by boto3."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from functools import partial

from botocore.config import Config
from botocore.exceptions import ClientError

from asyncload.model.checksums import crc64nvme, crc64nvme_checksum

_BODY = b"id|titulo\n1|A\n"
_WRONG_MD5 = base64.b64encode(bytes(16)).decode()
_NOBODY = "999999999999"


@dataclass(frozen=True)
class Honours:
    """What a store does with each demand: True where it does what it is asked.

    `create_only_put` and `create_only_complete`: it keeps an object that is there.
    `wrong_crc64nvme`, `wrong_md5`: it refuses bytes of another checksum. `returns_crc64nvme`: it
    returns the checksum, at once or on HEAD. `etag_is_md5`: of a put. `sse`: its answer names the
    encryption. `tags_put`, `tags_multipart`: the tags are there. `owner`: it refuses a request
    that expects another owner.
    """

    create_only_put: bool
    create_only_complete: bool
    wrong_crc64nvme: bool
    wrong_md5: bool
    returns_crc64nvme: bool
    etag_is_md5: bool
    sse: bool
    tags_put: bool
    tags_multipart: bool
    owner: bool


def measure(server) -> Honours:
    """Ask a server for each of them."""
    return _Measuring(server).all()


class _Measuring:
    def __init__(self, server):
        # A refusal is the answer: asked again it would be the same.
        once = {"total_max_attempts": 1}
        config = Config(request_checksum_calculation="when_required", retries=once)
        self._client = server.client(config)
        self._bucket = server.bucket

    def all(self) -> Honours:
        return Honours(
            create_only_put=self._create_only_put(),
            create_only_complete=self._create_only_complete(),
            wrong_crc64nvme=self._refused(ChecksumCRC64NVME=_checksum(b"other")),
            wrong_md5=self._refused(ContentMD5=_WRONG_MD5),
            returns_crc64nvme=self._returns_crc64nvme(),
            etag_is_md5=self._etag_is_md5(),
            sse=self._sse(),
            tags_put=self._tags_put(),
            tags_multipart=self._tags_multipart(),
            owner=self._refused(ExpectedBucketOwner=_NOBODY),
        )

    def _key(self) -> str:
        return f"honours/{uuid.uuid4().hex}"

    def _put(self, key, body=_BODY, **options):
        return self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **options)

    def _refused(self, **options) -> bool:
        return _refuses(partial(self._put, self._key(), **options))

    def _body_of(self, key) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def _create_only_put(self) -> bool:
        key = self._key()
        self._put(key)
        refused = _refuses(partial(self._put, key, b"other", IfNoneMatch="*"))
        return refused and self._body_of(key) == _BODY

    def _create_only_complete(self) -> bool:
        key = self._key()
        upload_id, parts = self._upload(key, b"other")
        self._put(key)
        refused = _refuses(partial(self._complete, key, upload_id, parts, IfNoneMatch="*"))
        if refused:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        return refused and self._body_of(key) == _BODY

    def _upload(self, key, body, **options):
        where = {"Bucket": self._bucket, "Key": key}
        upload_id = self._client.create_multipart_upload(**where, **options)["UploadId"]
        part = self._client.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=body)
        return upload_id, [{"PartNumber": 1, "ETag": part["ETag"]}]

    def _complete(self, key, upload_id, parts, **options):
        return self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
            **options,
        )

    def _returns_crc64nvme(self) -> bool:
        key, sent = self._key(), _checksum(_BODY)
        put = self._put(key, ChecksumAlgorithm="CRC64NVME", ChecksumCRC64NVME=sent)
        head = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        return sent in (put.get("ChecksumCRC64NVME"), head.get("ChecksumCRC64NVME"))

    def _etag_is_md5(self) -> bool:
        import hashlib

        return self._put(self._key())["ETag"].strip('"') == hashlib.md5(_BODY).hexdigest()

    def _sse(self) -> bool:
        try:
            return "ServerSideEncryption" in self._put(self._key(), ServerSideEncryption="AES256")
        except ClientError:
            # Said at once that it can't be had: as honest as having it.
            return True

    def _tags_of(self, key) -> bool:
        try:
            answer = self._client.get_object_tagging(Bucket=self._bucket, Key=key)
        except ClientError:
            return False
        return answer.get("TagSet") == [{"Key": "team", "Value": "films"}]

    def _tags_put(self) -> bool:
        key = self._key()
        try:
            self._put(key, Tagging="team=films")
        except ClientError:
            return True
        return self._tags_of(key)

    def _tags_multipart(self) -> bool:
        key = self._key()
        try:
            upload_id, parts = self._upload(key, _BODY, Tagging="team=films")
        except ClientError:
            return True
        self._complete(key, upload_id, parts)
        return self._tags_of(key)


def _checksum(body: bytes) -> str:
    return crc64nvme_checksum(crc64nvme(body)).digest


def _refuses(ask) -> bool:
    try:
        ask()
    except ClientError:
        return True
    return False


STORES = {
    "moto": Honours(
        create_only_put=True,
        create_only_complete=True,
        wrong_crc64nvme=False,
        wrong_md5=False,
        returns_crc64nvme=True,
        etag_is_md5=True,
        sse=True,
        tags_put=True,
        tags_multipart=True,
        owner=False,
    ),
    "seaweedfs": Honours(
        create_only_put=True,
        create_only_complete=True,
        wrong_crc64nvme=True,
        wrong_md5=True,
        returns_crc64nvme=True,
        etag_is_md5=True,
        sse=True,
        tags_put=True,
        tags_multipart=True,
        owner=False,
    ),
    "rclone": Honours(
        create_only_put=False,
        create_only_complete=False,
        wrong_crc64nvme=False,
        wrong_md5=True,
        returns_crc64nvme=True,
        etag_is_md5=True,
        sse=False,
        tags_put=False,
        tags_multipart=False,
        owner=False,
    ),
    "ceph": Honours(
        create_only_put=True,
        create_only_complete=False,
        wrong_crc64nvme=False,
        wrong_md5=True,
        returns_crc64nvme=False,
        etag_is_md5=True,
        sse=True,
        tags_put=True,
        tags_multipart=False,
        owner=False,
    ),
}
"""What the documents' table of stores says, and what tests measure again."""
