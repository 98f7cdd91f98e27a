"""Which checksums prove that an object holds a file's bytes: one rule for every comparison. Pure.

The same question is asked before a file is sent, after a 412, at the end of an upload and in
`verify`: which of the store's checksums decides, and how?
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from asyncload.model.checksums import MD5_OF_PARTS
from asyncload.model.values import Checksum
from asyncload.transfer.policy import TransferPolicy

Standing = Literal["same", "different", "unknown"]

# The algorithms that can be computed of a file. A checksum that the store computed comes before an
# ETag, and a fast algorithm before a slow one.
PREFERENCE = ("CRC64NVME", "CRC32C", "CRC32", "SHA256", "MD5", MD5_OF_PARTS)


class Verdict(NamedTuple):
    """The result of comparing a file and an object.

    `checksum` is the file's checksum that proves them equal; None for other verdicts. `detail` says
    why they are not known to be equal, as a clause about the object.
    """

    standing: Standing
    checksum: Checksum | None = None
    detail: str = ""


def in_order(checksums: Iterable[Checksum], policy: TransferPolicy) -> list[Checksum]:
    """Return the checksums that may decide under a policy, the best one first."""
    usable = [c for c in checksums if c.algorithm in PREFERENCE and policy.accepts(c.algorithm)]
    return sorted(usable, key=lambda checksum: PREFERENCE.index(checksum.algorithm))


def weigh(ours: Checksum | None, theirs: Checksum, policy: TransferPolicy) -> Standing:
    """Compare a store's checksum of an object with that of a file of the same size.

    `ours` is the file's checksum by the same algorithm; None if it can't be computed.

    | accepted | ours    | values | algorithm                | verdict   |
    |----------|---------|--------|--------------------------|-----------|
    | no       |         |        |                          | unknown   |
    | yes      | none    |        |                          | unknown   |
    | yes      | is there| equal  |                          | same      |
    | yes      | is there| differ | CRC or SHA-256           | different |
    | yes      | is there| differ | MD5, ETags known as MD5s | different |
    | yes      | is there| differ | MD5 otherwise            | unknown   |
    | yes      | is there| differ | MD5 of parts             | unknown   |

    An ETag in the form of an MD5 may be another value, for example of an encrypted object. An MD5
    of parts depends on the part size.
    """
    if ours is None or ours.algorithm != theirs.algorithm or not policy.accepts(theirs.algorithm):
        return "unknown"
    if ours == theirs:
        return "same"
    if theirs.algorithm == MD5_OF_PARTS:
        return "unknown"
    if theirs.algorithm == "MD5" and not policy.worth.etags_are_md5:
        return "unknown"
    return "different"


def other_size(remote: int, file: int) -> Verdict:
    """Return the verdict on an object of another size; sizes are in bytes."""
    return Verdict("different", None, f"the object has {remote:,} bytes, the file {file:,}")


def other_bytes(ours: Checksum, theirs: Checksum) -> Verdict:
    """Return the verdict on an object with another checksum."""
    name = theirs.algorithm
    detail = f"the bytes differ: the object's {name} is {theirs.digest}, the file's {ours.digest}"
    return Verdict("different", None, detail)


def not_comparable(checksums: Mapping[str, Checksum], policy: TransferPolicy) -> Verdict:
    """Return the verdict on an object that none of its checksums decides, with the reason."""
    usable = in_order(checksums.values(), policy)
    if not checksums:
        why = "the store has no checksum of it"
    elif policy.sent_algorithm in checksums and not policy.worth.proves(policy.sent_algorithm):
        why = f"the store accepts wrong {policy.sent_algorithm}s, so its checksum proves nothing"
    elif not usable and policy.checksum in ("crc64nvme", "crc32"):
        why = f"the store has only its {_names(checksums)}, and --checksum {policy.checksum} is set"
    elif not usable:
        why = f"the store has only its {_names(checksums)}, which proves nothing here"
    elif MD5_OF_PARTS in checksums:
        why = "its ETag is not an MD5 of parts of any usual size"
    else:
        why = "its ETag is not the file's MD5, and need not be"
    return Verdict("unknown", None, f"the object can't be compared: {why}")


def compare_recorded(
    recorded: Mapping[str, Checksum], theirs: Mapping[str, Checksum], policy: TransferPolicy
) -> Verdict:
    """Compare recorded checksums of a file, by algorithm, with those of an object.

    Any algorithm that both have is compared.
    """
    for remote in in_order(theirs.values(), policy):
        ours = recorded.get(remote.algorithm)
        standing = weigh(ours, remote, policy)
        if standing == "same":
            return Verdict(standing, ours)
        if ours is not None and standing == "different":
            return other_bytes(ours, remote)
    if recorded.keys() & theirs.keys():
        return not_comparable(theirs, policy)
    known, said = _names(recorded) or "no checksum", _names(theirs) or "none"
    detail = f"the object can't be compared: {known} of the file is known, and the store has {said}"
    return Verdict("unknown", None, detail)


def _names(checksums: Iterable[str]) -> str:
    return " and ".join(sorted(checksums))
