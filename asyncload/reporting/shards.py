"""The records of a run of several shards, and their keys: the parts, and who loads them. Pure.

Below the prefix of manifests there is a folder for each such run. Its `run.json` describes the run.
Each attempt at a shard has a claim, which is renewed while it runs, and at its end a manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, Self

from asyncload.errors import UsageError
from asyncload.model.reserved import SHARDS
from asyncload.model.values import ObjectKey
from asyncload.model.version import VERSION
from asyncload.planning.shards import Shard
from asyncload.reporting.manifest import describe_settings
from asyncload.reporting.recorded import PastRun
from asyncload.reporting.records import VERSION as RECORD_VERSION
from asyncload.reporting.records import format_day, format_time
from asyncload.reporting.text import format_count
from asyncload.settings.options import HOW, SETTINGS, STORE
from asyncload.settings.run import Settings

MAX_RECORD = 1024 * 1024
"""In bytes; a longer object is not a record."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=@+-]{0,99}")
_ATTEMPT = re.compile(r"(\d{5})/(\d{6})(\.claim)?\.json")
# How a shard works and which way it takes to the store may differ, and it has its own number.
_OF_EACH = {"shard", "run", "manifest"} | {
    name for name, option in SETTINGS.items() if option.panel in (HOW, STORE)
}


class OddShardsError(ValueError):
    """An object is not a record of a run of shards; the text says why."""


class Folder(NamedTuple):
    """The folder of a run of shards in the bucket, below a prefix."""

    prefix: str
    name: str

    @property
    def path(self) -> str:
        """The common prefix of its keys."""
        return f"{self.prefix}/{SHARDS}/{self.name}/"

    @property
    def run(self) -> ObjectKey:
        """The key of the record of the run."""
        return ObjectKey(f"{self.path}run.json")

    def of(self, number: int) -> str:
        """Return the common prefix of the keys of a shard."""
        return f"{self.path}{number:05}/"

    def claim(self, number: int, attempt: int) -> ObjectKey:
        """Return the key of the claim of an attempt."""
        return ObjectKey(f"{self.of(number)}{attempt:06}.claim.json")

    def manifest(self, number: int, attempt: int) -> ObjectKey:
        """Return the key of the manifest of an attempt."""
        return ObjectKey(f"{self.of(number)}{attempt:06}.json")


class Attempt(NamedTuple):
    """The latest attempt at a shard, from 1; `recorded`: its manifest exists, so it has ended."""

    number: int
    recorded: bool


def latest_attempts(folder: Folder, keys: Iterable[str]) -> dict[int, Attempt]:
    """Return the latest attempt of each shard in a listing of a run's folder."""
    latest: dict[int, Attempt] = {}
    for key in keys:
        match = _ATTEMPT.fullmatch(key.removeprefix(folder.path))
        if match is not None:
            number, attempt = int(match[1]), Attempt(int(match[2]), match[3] is None)
            latest[number] = max(attempt, latest.get(number, attempt))
    return latest


@dataclass(frozen=True, slots=True)
class ShardedRun:
    """A run of several shards, as the first of them has described it.

    `run_id` is that of the run as a whole. `settings` are those that all shards must share.
    """

    name: str
    run_id: str
    bucket: str
    day: date | None
    shards: int
    started: datetime
    settings: Mapping[str, Any]

    def encode(self) -> bytes:
        """Return the record in its stored form."""
        return _encode(
            {
                "version": RECORD_VERSION,
                "type": "shards",
                "run": self.name,
                "run_id": self.run_id,
                "bucket": self.bucket,
                "date": format_day(self.day),
                "shards": self.shards,
                "started": format_time(self.started),
                "asyncload": VERSION,
                "settings": self.settings,
            }
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the run of a stored record.

        Raises:
            OddShardsError: the bytes are not such a record.
        """
        record = _decode(body, "shards")
        try:
            day = record["date"]
            return cls(
                str(record["run"]),
                str(record["run_id"]),
                str(record["bucket"]),
                None if day is None else date.fromisoformat(day),
                int(record["shards"]),
                datetime.fromisoformat(record["started"]),
                dict(record["settings"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OddShardsError(f"{type(error).__name__}: {error}") from error

    def differences(self, ours: ShardedRun) -> list[str]:
        """Describe how the run differs from the description of a shard that would join it."""
        found = []
        if self.shards != ours.shards:
            found.append(f"the run has {self.shards:,} shards, not {ours.shards:,}")
        if self.day != ours.day:
            found.append(f"the date of the run is {_shown(self.day)}, not {_shown(ours.day)}")
        for name in sorted({*self.settings, *ours.settings}):
            theirs, own = self.settings.get(name), ours.settings.get(name)
            if theirs != own:
                flag = SETTINGS[name].flag if name in SETTINGS else name
                found.append(f"{flag} is {_in_words(theirs)} in the run, and {_in_words(own)} here")
        return found


def _in_words(value: object) -> str:
    """Return the value of a setting in words of the command line, not of Python."""
    if value is None or value == []:
        return "not given"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        # Of several values, such as pairs of a pattern and a name.
        each = ("=".join(map(str, item)) if isinstance(item, list) else str(item) for item in value)
        return ", ".join(map(repr, each))
    return repr(value)


def describe_shard(settings: Settings, day: date | None, run_id: str, now: datetime) -> ShardedRun:
    """Return the description of the run that a shard would begin.

    `day` is its date, None if each file has its own. Without `--run`, the name of the run is made
    of all that its shards must share, so that they find each other.

    Raises:
        UsageError: the name can't be part of a key.
    """
    shard = settings.shard_of
    assert shard is not None, "only shards have such a run"
    shared = {
        name: value for name, value in describe_settings(settings).items() if name not in _OF_EACH
    }
    # Relative dates were resolved, and a relative path means another folder elsewhere.
    shared.pop("date")
    volumes = [os.path.abspath(volume) for volume in settings.volumes]  # noqa: PTH100  # links stay
    shared["volume"] = volumes[0] if len(volumes) == 1 else volumes
    # As JSON, in which the run is stored: lists instead of tuples.
    text = json.dumps(shared, sort_keys=True)
    if settings.run is None:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        name = f"{day or 'dates'}-{shard.total}-{digest}"
    else:
        name = settings.run
    if not is_name(name):
        raise UsageError(
            f"--run: {name!r} can't name a run of shards",
            hint="use 1 to 100 letters, digits and . _ - : = @ +, beginning with a letter or digit",
        )
    return ShardedRun(name, run_id, settings.bucket, day, shard.total, now, json.loads(text))


def is_name(text: str) -> bool:
    """Return whether a text may be the name of a run of shards."""
    return _NAME.fullmatch(text) is not None


class Claim(NamedTuple):
    """Who loads a shard: the id of the run, its host and start; `beat` grows while it runs."""

    run_id: str
    host: str
    started: datetime
    beat: int = 0

    def encode(self) -> bytes:
        """Return the claim in its stored form."""
        return _encode(
            {
                "version": RECORD_VERSION,
                "type": "claim",
                "run_id": self.run_id,
                "host": self.host,
                "started": format_time(self.started),
                "beat": self.beat,
            }
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the claim of a stored record.

        Raises:
            OddShardsError: the bytes are not such a record.
        """
        record = _decode(body, "claim")
        try:
            started = datetime.fromisoformat(record["started"])
            return cls(str(record["run_id"]), str(record["host"]), started, int(record["beat"]))
        except (KeyError, TypeError, ValueError) as error:
            raise OddShardsError(f"{type(error).__name__}: {error}") from error

    def __str__(self) -> str:
        return f"run {self.run_id} on {self.host}, since {self.started:%Y-%m-%d %H:%M:%S} UTC"


Standing = Literal["complete", "failed", "unfinished", "missing"]
"""How a shard stands: all of its files are in the raw zone; its latest attempt ended without that;
that runs, or was killed; or it was never started.
"""


class ShardState(NamedTuple):
    """How a shard stands; `reason` says why it is not complete.

    `attempt` is the latest one, 0 if there is none. `past` is what it recorded, if anything.
    """

    shard: Shard
    standing: Standing
    attempt: int = 0
    reason: str = ""
    past: PastRun | None = None


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of a run, in their order."""

    run: ShardedRun
    states: Sequence[ShardState]

    @property
    def complete(self) -> bool:
        """Whether each shard is."""
        return all(state.standing == "complete" for state in self.states)

    def counts(self) -> dict[Standing, int]:
        """Return the number of shards by how they stand."""
        counts: dict[Standing, int] = {"complete": 0, "failed": 0, "unfinished": 0, "missing": 0}
        for state in self.states:
            counts[state.standing] += 1
        return counts


def judge(shard: Shard, attempt: Attempt, past: PastRun) -> ShardState:
    """Return how a shard stands whose latest attempt has recorded its end."""
    if past.exit_code == 0:
        return ShardState(shard, "complete", attempt.number, past=past)
    reason = f"exit code {past.exit_code}"
    if past.error is not None:
        reason += f": {past.error.lines[0]}"
    elif past.report.counts["failed"]:
        reason += f": {format_count(past.report.counts['failed'], 'file')} failed"
    return ShardState(shard, "failed", attempt.number, reason, past)


def _encode(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def _decode(body: bytes, kind: str) -> Mapping[str, Any]:
    try:
        record = json.loads(body)
    # RecursionError comes from nested brackets.
    except (ValueError, RecursionError) as error:
        raise OddShardsError(f"it is not valid JSON: {error}") from error
    if not isinstance(record, dict) or record.get("type") != kind:
        raise OddShardsError(f"it is not a record of type {kind!r}")
    if (version := record.get("version")) != RECORD_VERSION:
        raise OddShardsError(
            f"its version is {version!r}, and this asyncload reads {RECORD_VERSION}"
        )
    return record


def _shown(day: date | None) -> str:
    return "that of each file" if day is None else day.isoformat()
