"""Existing objects: equal bytes count as uploaded, other bytes are never lost."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from asyncload.bucket.key_index import Known
from asyncload.errors import (
    AccessDenied,
    InvalidKey,
    ObjectConflict,
    PreconditionFailed,
    RequestRejected,
    StoreError,
)
from asyncload.model.checksums import by_algorithm, md5_digest
from asyncload.model.values import Checksum, ObjectKey, Skipped, Unchanged
from asyncload.store.protocol import ObjectStore, RemoteObject
from asyncload.transfer.policy import TransferPolicy
from asyncload.transfer.verify import LocalFile, compare


class Finding(NamedTuple):
    """The outcome of a file that need not be sent; None if it must be sent.

    `replaces`: sending it replaces an object with other bytes. `undecided`: why it is not known
    whether the key is free, "" if it is; the conditional request decides.
    """

    outcome: Unchanged | Skipped | None
    replaces: bool = False
    undecided: str = ""


_SEND = Finding(None)


async def compare_with_existing(
    store: ObjectStore,
    file: LocalFile,
    known: Known,
    policy: TransferPolicy,
    *,
    protected: bool = True,
) -> Finding:
    """Decide whether a file has to be sent, before any of its bytes are.

    | known    | size   | listed MD5 | object by HEAD    | finding                              |
    |----------|--------|------------|-------------------|--------------------------------------|
    | free     |        |            |                   | send                                 |
    | existing | equal  | equal      |                   | unchanged, if an MD5 is accepted     |
    | existing | differ |            |                   | conflict, skipped or send to replace |
    | any other                     || none              | send                                 |
    |                               || equal by checksum | unchanged                            |
    |                               || other, or unknown | conflict, skipped or send to replace |
    | unknown  |        |            | denied, rejected  | send: create-only decides            |
    | existing |        |            | denied, rejected  | as for an object with other bytes    |

    If the store ignores `If-None-Match`, existing objects are not `protected`: a HEAD is then made
    for a free key, too, and an unknown key whose HEAD is denied counts as existing.

    Raises:
        InvalidKey: the store would store the object under another key, or may do so.
        ObjectConflict: the object has other bytes, and the policy is to fail.
        StoreError: the HEAD failed.
    """
    _check_key(file.upload.key, policy)
    protected = protected or not policy.create_only
    if known.state == "free" and protected:
        return _SEND
    if may_prove(known, file.size, policy):
        listed = md5_digest(known.md5)
        if await file.like(listed) == listed:
            return Finding(_unchanged(file, listed))
    if known.state == "existing" and known.size != file.size:
        # Their sizes differ, so a request for checksums would add nothing.
        return _other_bytes(file, policy, _sizes(known.size, file), _ANOTHER_DATE)
    try:
        remote = await store.head(file.upload.key)
    except (AccessDenied, RequestRejected) as error:
        if known.state == "free" or (known.state == "unknown" and protected):
            # The conditional request decides. If the set-up is wrong, its answer says how; an
            # answer to HEAD has no body.
            return Finding(None, undecided=error.message)
        return _other_bytes(file, policy, _denied(error), "permit s3:GetObject on the key")
    if remote is None:
        return _SEND
    return await compare_with(remote, file, policy)


def may_prove(known: Known, size: int, policy: TransferPolicy) -> bool:
    """Return whether the MD5 in a listing, if equal, proves that a file of `size` is unchanged."""
    return bool(known.md5) and known.size == size and policy.accepts("MD5")


def _check_key(key: ObjectKey, policy: TransferPolicy) -> None:
    if policy.worth.keeps_backslashes is not False or "\\" not in key:
        return
    raise InvalidKey(
        "the key has a backslash, and the store is not known to keep it: it may write the object "
        "under another key",
        hint="rename the file or folder, or use another store",
    )


async def compare_again(store: ObjectStore, key: ObjectKey, policy: TransferPolicy) -> None:
    """Check right before Complete that a key is still free, if the store does not check it.

    Raises:
        PreconditionFailed: the key holds an object.
    """
    if policy.worth.create_only_complete or not policy.create_only:
        return
    with suppress(AccessDenied, RequestRejected):
        if await store.head(key) is not None:
            raise PreconditionFailed("the key already holds an object")


async def resolve_existing(
    store: ObjectStore,
    file: LocalFile,
    policy: TransferPolicy,
    found: RemoteObject | None = None,
) -> Unchanged | Skipped:
    """Return the outcome of a create-only request whose key already holds an object.

    `found` describes that object, if it is known; else it is asked for.

    Raises:
        ObjectConflict: it has other bytes, or can't be compared, and the policy is to fail.
    """
    try:
        remote = found or await store.head(file.upload.key)
    except (AccessDenied, RequestRejected) as error:
        finding = _other_bytes(file, policy, _denied(error), "permit s3:GetObject on the key")
    else:
        if remote is None:
            raise ObjectConflict(
                "the object existed a moment ago and is now gone: another process is writing to "
                "this key",
                hint="run again",
            )
        finding = await compare_with(remote, file, policy)
    assert finding.outcome is not None, "a create-only policy replaces nothing"
    return finding.outcome


async def compare_with(remote: RemoteObject, file: LocalFile, policy: TransferPolicy) -> Finding:
    """Compare a file with the existing object.

    Raises:
        ObjectConflict: they are not known to be equal, and the policy is to fail.
    """
    verdict = await compare(remote, file, policy)
    if verdict.checksum is not None:
        return Finding(_unchanged(file, verdict.checksum))
    what = (
        _sizes(remote.size, file)
        if remote.size != file.size
        else f"an object of the same size: {verdict.detail}"
    )
    return _other_bytes(file, policy, what, _ANOTHER_DATE)


_ANOTHER_DATE = "load under another --date"


def _sizes(size: int, file: LocalFile) -> str:
    return f"an object of {size:,} bytes, and the file has {file.size:,}"


def _denied(error: StoreError) -> str:
    return f"an object that can't be compared: {error.message}"


def _other_bytes(file: LocalFile, policy: TransferPolicy, what: str, otherwise: str) -> Finding:
    if policy.existing == "overwrite":
        return Finding(None, replaces=True)
    message = f"the key already holds {what}"
    if policy.existing == "skip":
        path, key = file.upload.source.path, file.upload.key
        return Finding(Skipped(path, key, file.size, message))
    raise ObjectConflict(
        message,
        hint=f"replace it with --overwrite, keep it with --skip-existing, or {otherwise}",
    )


def _unchanged(file: LocalFile, checksum: Checksum) -> Unchanged:
    path, key = file.upload.source.path, file.upload.key
    checksums = by_algorithm(checksum, *file.known.values())
    return Unchanged(path, key, file.size, checksum, file.mtime_ns, checksums, file.version)
