"""The strict judge: what S3 checks and forgiving servers don't, and what asyncload promises."""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64encode
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from awscrt import checksums as crt

from tests.faults.proxy.call import Call
from tests.faults.proxy.faults import Reply, s3_error

MIN_PART = 5 * 1024 * 1024
BOOKKEEPING = "_asyncload"
"""What keys of manifests and records begin with; they do not hold files."""
PROBES = re.compile(rf"{BOOKKEEPING}[^/]*/probe/")
"""Keys of requests that are wrong on purpose, to find out whether the store notices."""
_DIGESTS = {
    "content-md5": lambda body: hashlib.md5(body).digest(),
    "x-amz-checksum-crc32": lambda body: crt.crc32(body).to_bytes(4),
    "x-amz-checksum-crc32c": lambda body: crt.crc32c(body).to_bytes(4),
    "x-amz-checksum-crc64nvme": lambda body: crt.crc64nvme(body).to_bytes(8),
    "x-amz-checksum-sha1": lambda body: hashlib.sha1(body).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
}


@dataclass
class Oracle:
    """Judges requests as they left the client; a violation is the client's fault.

    Args:
        owner: the account that the bucket belongs to. Requests that expect another owner are
            refused, as S3 does.
        owner_expected: whether every request must say which owner it expects.
    """

    owner: str | None = None
    owner_expected: bool = False
    violations: list[str] = field(default_factory=list)
    _versions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _parts: dict[str, dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))
    _settled: set[str] = field(default_factory=set)

    def register(self, folder: Path) -> None:
        """Let what each file below the folder now holds be a version of it.

        Once there is any version, an object that is none of its file's is a violation.
        """
        for path in folder.rglob("*"):
            if path.is_file() and os.access(path, os.R_OK):
                self.register_version(path.name, path.read_bytes())

    def register_version(self, path: str, body: bytes) -> None:
        """Let these bytes be a version of the file of this name."""
        self._versions[_last(path)].add(hashlib.sha256(body).hexdigest())

    def is_version(self, path: str, body: bytes) -> bool:
        """Whether the bytes are one whole version of the file, or nothing is known of files."""
        digest = hashlib.sha256(body).hexdigest()
        return not self._versions or digest in self._versions.get(_last(path), ())

    def judge(self, call: Call, body: bytes) -> Reply | None:
        """Note what is wrong with a request; returns what `refusal` does."""
        wrong = self._find_wrong(call, body)
        if not PROBES.match(call.key):
            self._note(call, body, wrong)
        return self._refuse(call, wrong)

    def _note(self, call: Call, body: bytes, wrong: str | None) -> None:
        if wrong is not None:
            self._blame(call, wrong)
        fields = call.head.fields
        if "expect" in fields:
            self._blame(call, "it expects 100 Continue")
        if call.operation in ("PutObject", "UploadPart") and not fields.keys() & _DIGESTS.keys():
            self._blame(call, "its body has no checksum")
        if self.owner_expected and "x-amz-expected-bucket-owner" not in fields:
            self._blame(call, "it does not say which owner it expects")
        if call.operation == "DeleteObject":
            self._blame(call, "an object is deleted")
        if call.operation == "PutObject":
            self._check_version(call, body)
        if call.operation == "UploadPart":
            self._parts[call.upload_id][call.part] = body
        if call.operation == "CompleteMultipartUpload" and call.upload_id not in self._settled:
            parts = self._parts[call.upload_id]
            missing = [number for number in _numbers(body) if number not in parts]
            if missing:
                self._blame(call, f"parts {missing} were never sent")
            else:
                self._check_version(call, b"".join(parts[number] for number in _numbers(body)))

    def settled(self, call: Call) -> None:
        """Forget the parts of an upload that has ended."""
        if call.operation in ("CompleteMultipartUpload", "AbortMultipartUpload"):
            self._parts.pop(call.upload_id, None)
            self._settled.add(call.upload_id)

    def refusal(self, call: Call, body: bytes) -> Reply | None:
        """What S3 would answer instead of doing it; None where it would do it."""
        return self._refuse(call, self._find_wrong(call, body))

    def _refuse(self, call: Call, wrong: str | None) -> Reply | None:
        expected = call.head.fields.get("x-amz-expected-bucket-owner")
        if self.owner is not None and expected not in (None, self.owner):
            return s3_error(403, "AccessDenied", "Access Denied")
        return None if wrong is None else s3_error(400, wrong)

    def _find_wrong(self, call: Call, body: bytes) -> str | None:
        if len(call.key.encode("utf-8", "surrogateescape")) > 1024:
            return "KeyTooLongError"
        if call.operation == "UploadPart" and not 1 <= call.part <= 10_000:
            return "InvalidArgument"
        if call.operation in ("PutObject", "UploadPart"):
            return _find_damage(call.head.fields, body)
        if call.operation == "CompleteMultipartUpload":
            return self._find_disorder(call, _numbers(body))
        return None

    def _find_disorder(self, call: Call, numbers: list[int]) -> str | None:
        if not numbers or numbers != sorted(set(numbers)):
            return "InvalidPartOrder"
        parts = self._parts.get(call.upload_id, {})
        if any(len(parts[n]) < MIN_PART for n in numbers[:-1] if n in parts):
            return "EntityTooSmall"
        return None

    def _check_version(self, call: Call, body: bytes) -> None:
        if not call.key.startswith(BOOKKEEPING) and not self.is_version(call.key, body):
            self._blame(call, f"its {len(body):,} bytes are no whole version of a file")

    def _blame(self, call: Call, what: str) -> None:
        part = f" part {call.part}" if call.part else ""
        self.violations.append(f"{call.operation} {call.key}{part}: {what}")


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _find_damage(fields: dict[str, str], body: bytes) -> str | None:
    for name, digest in _DIGESTS.items():
        if name in fields and fields[name] != b64encode(digest(body)).decode():
            return "BadDigest"
    signed = fields.get("x-amz-content-sha256", "")
    if re.fullmatch("[0-9a-f]{64}", signed) and signed != hashlib.sha256(body).hexdigest():
        return "XAmzContentSHA256Mismatch"
    return None


def _numbers(body: bytes) -> list[int]:
    document = ET.fromstring(body)
    return [int(found.text or 0) for found in document.iter() if found.tag.endswith("PartNumber")]
