"""Run a command for which the kernel itself fails or ends reads from some offset on.

`python -m tests.faults.syscalls OUTCOME OFFSET COMMAND...`, where the outcome of each `preadv` at
OFFSET bytes or more (under 4 GiB) is the name of an error (`EIO`), `eof`, or `kill`, which ends the
process at that call as SIGKILL would, always at the same one.

A seccomp filter stays over `exec` and needs neither root nor a tool. Source: seccomp(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

# AUDIT_ARCH and the numbers of preadv and preadv2: Python takes the one or the other.
_KERNELS = {"x86_64": (0xC000003E, 295, 327), "aarch64": (0xC00000B7, 69, 286)}
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
# Offsets in struct seccomp_data; of the fourth argument, the low half.
_NUMBER, _ARCHITECTURE, _FILE_OFFSET = 0, 4, 16 + 3 * 8
_PR_SET_SECCOMP, _MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 22, 2, 38


def _action(outcome: str) -> int:
    if outcome == "kill":
        return _KILL_PROCESS
    return _ERRNO | (0 if outcome == "eof" else getattr(errno, outcome))


def fail_reads(outcome: str, offset: int) -> None:
    """Have this process's reads at `offset` or more meet the outcome, for good.

    Raises:
        OSError: the kernel has no seccomp filters.
    """
    architecture, preadv, preadv2 = _KERNELS[platform.machine()]
    # Each line: what to do, with what, and how many lines to skip if it is so and if not.
    lines = [
        (_LOAD, _ARCHITECTURE, 0, 0),
        (_IF_EQUAL, architecture, 0, 6),
        (_LOAD, _NUMBER, 0, 0),
        (_IF_EQUAL, preadv, 1, 0),
        (_IF_EQUAL, preadv2, 0, 3),
        (_LOAD, _FILE_OFFSET, 0, 0),
        (_IF_AT_LEAST, offset, 0, 1),
        (_RETURN, _action(outcome), 0, 0),
        (_RETURN, _ALLOW, 0, 0),
    ]
    code = b"".join(struct.pack("HBBI", what, yes, no, arg) for what, arg, yes, no in lines)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(lines), ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0),
    ):
        if libc.prctl(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "seccomp")


if __name__ == "__main__":
    fail_reads(sys.argv[1], int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
