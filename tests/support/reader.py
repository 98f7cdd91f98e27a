"""A reader who gives the commands of a page, in a folder and a bucket of their own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.commands import Command, calls_of
from tests.support.documents import REPOSITORY
from tests.support.loads import write_files
from tests.support.processes import uncovered
from tests.support.servers import S3Server

SAMPLE = {
    path.relative_to(REPOSITORY / "data").as_posix(): path.read_bytes()
    for path in sorted((REPOSITORY / "data").rglob("*"))
    if path.suffix.lower() == ".csv"
}
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Guide:
    """What the commands of a page need, and how they end. Commands are named by a part of them.

    landed: the number of CSVs' objects at the end.
    volumes: what is in the folders that the page loads, before the first command, "", and those
        named; by default the sample.
    before: what the reader has done before the first command, "", and what the page leaves out.
    codes: the exit codes that are not 0, of commands with the same name one after the other.
    unlike: commands whose output on the page has values that can't be had again, and why.
    locks: whether the bucket has Object Lock enabled.
    """

    landed: int
    volumes: Mapping[str, Mapping[str, Files]] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    unlike: Mapping[str, str] = field(default_factory=dict)
    locks: bool = False


_FOLDERS = re.compile(r"(?<![\w.}/-])/(?=(?:data|srv|mnt|loaded|exports|tmp|var/lib|usr/local)\b)")
_ADDRESS = re.compile(r"https?://(?:127\.0\.0\.1:\d+|[\w.-]*\bexample\b[\w.]*(?::\d+)?)")
_RUN_ID = re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{8}\b")
_RUN_NAME = re.compile(r"\b\d{4}-\d\d-\d\d-\d+-[0-9a-f]{8}\b")
# What differs from run to run in an output.
_VARYING = (
    (_RUN_ID, "RUN"),
    (_RUN_NAME, "NAME"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"in [\d.]+ s(, [\d.,]+ \w+/s)?"), "in TIME"),
    # Only of AWS a price is known.
    (re.compile(r", less than 0\.01 USD"), ""),
)


def comparable(output: str) -> str:
    """An output without what differs from run to run."""
    for pattern, name in _VARYING:
        output = pattern.sub(name, output)
    return output


def is_shown(shown: str, output: str) -> bool:
    """Whether an output has the lines that a page shows, and, without a line `...`, no others.

    Some commands print files in the order in which they are done.
    """
    expected = Counter(comparable(shown).splitlines())
    others = expected.pop("...", 0)
    printed = Counter(comparable(output).splitlines())
    return expected <= printed if others else expected == printed


class Reader:
    """Follows a page, in a folder and a bucket of its own, with a profile in the home folder."""

    def __init__(self, folder: Path, server: S3Server, page: str, guide: Guide) -> None:
        self._folder, self._server, self._guide = folder, server, guide
        self._bucket = "my-lake-" + re.sub(r"\W", "-", Path(page).stem.lower())
        server.client().create_bucket(Bucket=self._bucket, ObjectLockEnabledForBucket=guide.locks)
        self._codes = {name: list(codes) for name, codes in guide.codes.items()}
        self._before = dict(guide.before)
        self._volumes = {"": dict.fromkeys(("exports", "data", "srv/exports"), SAMPLE)}
        self._volumes |= guide.volumes
        self._printed = ""
        # Today and yesterday stay the same days for hours.
        zone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
        self._today = f"{datetime.now(ZoneInfo(zone)):%Y/%m/%d}"
        self._variables = {
            "HOME": str(folder / "home"),
            # rclone, and SeaweedFS, are beside this Python.
            "PATH": os.pathsep.join(
                [f"{folder}/usr/local/bin", os.environ["PATH"], sysconfig.get_path("scripts")]
            ),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            "LOGICAL_DATE": "2022-05-02",
            "ASYNCLOAD_TIMEZONE": zone,
        }
        keys = server.environment
        profile = f"""region = us-east-1
endpoint_url = {server.endpoint_url}
aws_access_key_id = {keys["AWS_ACCESS_KEY_ID"]}
aws_secret_access_key = {keys["AWS_SECRET_ACCESS_KEY"]}
"""
        remote = f"""[lake]
type = s3
provider = SeaweedFS
endpoint = {server.endpoint_url}
access_key_id = {keys["AWS_ACCESS_KEY_ID"]}
secret_access_key = {keys["AWS_SECRET_ACCESS_KEY"]}
"""
        profiles = f"[default]\n{profile}[profile lake-writer]\n{profile}"
        program = f"""#!/bin/sh
PYTHONPATH={shlex.quote(str(REPOSITORY))} exec {shlex.quote(sys.executable)} -m asyncload "$@"
"""
        write_files(
            folder,
            {
                "home/.aws/config": profiles.encode(),
                "home/.config/rclone/rclone.conf": remote.encode(),
                "usr/local/bin/asyncload": program.encode(),
                "usr/local/bin/mail": b"#!/bin/sh\ncat > /dev/null\n",
                "tmp/.keep": b"",
                "var/lib/node_exporter/.keep": b"",
                "mnt/loaded/.keep": b"",
                "loaded/.keep": b"",
            },
        )
        for name in ("asyncload", "mail"):
            (folder / "usr/local/bin" / name).chmod(0o755)

    def follow(self, command: Command) -> None:
        """Give a command; check its exit code, and its output if the page shows one."""
        for name in [name for name in self._volumes if name in command.text]:
            self._write_volumes(self._volumes.pop(name))
        for name in [name for name in self._before if name in command.text]:
            for line in self._before.pop(name).splitlines():
                code, _, errors = self._give(line)
                assert code in (0, 3), errors
        expected = 0
        for name, codes in self._codes.items():
            if name in command.text:
                expected = codes.pop(0)
        code, output, errors = self._give(command.text)
        assert code == expected, f"{command.text}: exit code {code}\n{output}{errors}"
        if command.output and not any(name in command.text for name in self._guide.unlike):
            shown = self._as_on_the_page(output)
            assert is_shown(command.output, shown), f"{command.text}:\n{shown}"

    def end(self) -> None:
        """Check that all that the guide names was found, and what has landed."""
        assert not self._before
        assert not self._volumes
        assert not any(self._codes.values())
        assert len(self.landed()) == self._guide.landed, self.landed()

    def landed(self) -> list[str]:
        """The keys of CSVs."""
        pages = self._server.client().get_paginator("list_objects_v2")
        keys = [
            e["Key"] for p in pages.paginate(Bucket=self._bucket) for e in p.get("Contents", ())
        ]
        return [key for key in keys if "_asyncload/" not in key and "_SUCCESS" not in key]

    def _write_volumes(self, volumes: Mapping[str, Files]) -> None:
        for name, files in volumes.items():
            shutil.rmtree(self._folder / name, ignore_errors=True)
            write_files(self._folder / name, files)

    def placed(self, text: str) -> str:
        """A command with the reader's folders, address, bucket and runs in place of the page's."""
        text = _FOLDERS.sub(f"{self._folder}/", text)
        text = _ADDRESS.sub(self._server.endpoint_url, text)
        text = re.sub(r"\bmy-lake\b", self._bucket, text)
        text = _RUN_ID.sub(lambda _: self._newest_run(), text)
        return _RUN_NAME.sub(lambda _: _RUN_NAME.findall(self._printed)[-1], text)

    def _as_on_the_page(self, output: str) -> str:
        text = output.replace(f"{self._folder}/", "/").replace(self._bucket, "my-lake")
        return text.replace(self._today, "2022/05/02")

    def _newest_run(self) -> str:
        entries = self._server.client().list_objects_v2(Bucket=self._bucket, Prefix="_asyncload/")[
            "Contents"
        ]
        return max(run for entry in entries for run in _RUN_ID.findall(entry["Key"]))

    def _give(self, text: str) -> tuple[int, str, str]:
        text = self.placed(text)
        watches = any(call[:1] == ["watch"] for call in calls_of(text))
        # A shell for each command; the next one has its variables.
        state = self._folder / "tmp" / "variables"
        script = f"exec {text}" if watches else f"trap 'env -0 > {state}' EXIT\n{text}"
        with (
            uncovered(),
            subprocess.Popen(
                ["bash", "-c", script],
                cwd=self._folder,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as shell,
        ):
            if watches:
                self._end_watch(shell)
            output, errors = shell.communicate(timeout=120)
        if state.exists():
            variables = state.read_text().rstrip("\0").split("\0")
            self._variables = dict(variable.split("=", 1) for variable in variables)
        self._printed += errors + output
        return shell.returncode, output, errors

    def _end_watch(self, shell: subprocess.Popen[str]) -> None:
        """Let a watch load all files, and end it."""
        assert shell.stderr
        shell.stderr.readline()  # from now on it takes signals
        while len(self.landed()) < self._guide.landed and shell.poll() is None:
            time.sleep(0.1)
        shell.send_signal(signal.SIGTERM)
