"""Run a `credential_process`: a user's program that prints credentials as JSON.

Source: "Source credentials with an external process" in the AWS SDKs and Tools reference guide.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
from asyncio.subprocess import Process
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from asyncload.errors import CredentialsMissing
from asyncload.s3.auth.patience import Patience
from asyncload.s3.auth.redaction import Secrets
from asyncload.s3.auth.terminal import has_terminal

# In bytes of output; credentials take a few kB.
_MAX_OUTPUT = 1024 * 1024
_REST_SECONDS = 1.0
_KEYS = ("AccessKeyId", "SecretAccessKey")


async def ask_process(
    command: str, profile: str, *, patience: Patience, secrets: Secrets
) -> dict[str, Any]:
    """Return the credentials that a program prints, with botocore's names.

    It may wait for a person. On timeout or cancellation it is killed with all processes of its
    group.

    Args:
        command: the command, as in the AWS configuration.
        profile: the profile with the command, for messages.
        patience: the time limits.
        secrets: texts that must not be in a message; the program's secrets are added.

    Raises:
        CredentialsMissing: it prints no credentials.
    """
    whose = f"the credential_process of profile {profile!r}"
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise _failed(f"{whose} can't be run: {error} in {command!r}") from error
    if not arguments:
        raise _failed(f"{whose} is empty")
    program = arguments[0]
    async with AsyncExitStack() as stack:
        output, written = await _open_pipe(stack)
        errors, complained = await _open_pipe(stack)
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdout=written,
                stderr=complained,
                # A process group in the background can't read from the terminal.
                process_group=None if has_terminal() else 0,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise _failed(
                f"{whose} can't be run: {program!r}: {reason}",
                hint="install the program, make it executable, or give its whole path",
            ) from error
        finally:
            os.close(written)
            os.close(complained)
        try:
            async with patience.for_person(f"{whose} ({program})"):
                await process.wait()
        except BaseException:
            await _end(process)
            raise
        # A process that it left in the background, such as an agent, may keep its output open.
        await asyncio.wait([output.ended, errors.ended], timeout=_REST_SECONDS)
    if process.returncode != 0:
        how = _how_it_ended(process.returncode or 0)
        said = secrets.redact(errors.text.decode(errors="replace"))
        raise _failed(f"{whose}, {program!r}, {how}: {said or 'it printed no error'}")
    return _read(bytes(output.text), f"{whose}, {program!r},", secrets)


class _Output(asyncio.Protocol):
    """Keeps the beginning of a pipe's output."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.ended = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.text += data[: max(0, _MAX_OUTPUT - len(self.text))]

    def connection_lost(self, _: Exception | None) -> None:
        self.ended.set_result(None)


async def _open_pipe(stack: AsyncExitStack) -> tuple[_Output, int]:
    """Return a reader of a pipe, and the end to write to."""
    reading, writing = os.pipe()
    transport, output = await asyncio.get_running_loop().connect_read_pipe(
        _Output, os.fdopen(reading, "rb", 0)
    )
    stack.callback(transport.close)
    return output, writing


def _read(output: bytes, whose: str, secrets: Secrets) -> dict[str, Any]:
    if not output.strip():
        raise _failed(f"{whose} printed nothing to standard output")
    try:
        printed = json.loads(output)
    except ValueError as error:
        # The output is not repeated: it may contain secrets in any form.
        raise _failed(f"{whose} printed no JSON to standard output") from error
    if not isinstance(printed, dict):
        raise _failed(f"{whose} printed JSON that is not an object")
    for name in ("SecretAccessKey", "SessionToken"):
        secrets.add_value(printed.get(name))
    if printed.get("Version") != 1:
        raise _failed(f'{whose} printed JSON without "Version": 1')
    lacking = [key for key in _KEYS if not printed.get(key)]
    if lacking:
        raise _failed(f"{whose} printed JSON without {' and '.join(lacking)}")
    odd = [
        key
        for key in (*_KEYS, "SessionToken", "Expiration", "AccountId")
        if not isinstance(printed.get(key) or "", str)
    ]
    if odd:
        raise _failed(f"{whose} printed JSON in which {' and '.join(odd)} is not a string")
    return {
        "access_key": printed["AccessKeyId"],
        "secret_key": printed["SecretAccessKey"],
        "token": printed.get("SessionToken"),
        "expiry_time": printed.get("Expiration"),
        "account_id": printed.get("AccountId"),
    }


async def _end(process: Process) -> None:
    """Kill a process that may not have ended, and all processes it started."""
    for target in _targets(process) if process.returncode is None else ():
        with suppress(ProcessLookupError):
            os.kill(target, signal.SIGKILL)
    await process.wait()


def _targets(process: Process) -> list[int]:
    """Return the processes to kill: the group, or single ones if the group is also ours."""
    if has_terminal():
        return [*reversed([process.pid, *_descendants(process.pid)])]
    return [-process.pid]


def _descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process started, if the system has a /proc."""
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listing.read_text().split()):
            yield child
            yield from _descendants(child)


def _how_it_ended(code: int) -> str:
    return f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"


def _failed(message: str, hint: str = "") -> CredentialsMissing:
    return CredentialsMissing(
        f"no AWS credentials: {message}",
        hint=hint
        or "run the command by hand: it has to print credentials as JSON (Version, "
        "AccessKeyId, SecretAccessKey, SessionToken, Expiration)",
    )
