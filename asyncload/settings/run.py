"""The settings of a run: frozen and validated. They don't depend on environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path

from asyncload.errors import InvalidKey, UsageError
from asyncload.model.names import to_text
from asyncload.model.reserved import METADATA_NAMES, SHARDS, UPLOADS
from asyncload.model.suggestions import nearest, with_guess
from asyncload.model.values import LimitReason, Lock, ObjectKey
from asyncload.planning.dates import ArrivalDates, Dates, ModificationDates, PathDates
from asyncload.planning.keys import LAYOUTS, KeyLayout
from asyncload.planning.plan import MIB
from asyncload.planning.shards import Shard, parse_shard
from asyncload.settings.container import connections_in, memory_left
from asyncload.settings.descriptors import requests_allowed
from asyncload.settings.endpoints import check_acceleration, check_endpoint
from asyncload.settings.objects import (
    ACLS,
    ADDRESSING_STYLES,
    CHECKSUMS,
    check_encryption,
    check_metadata,
    check_owner,
    check_storage_class,
    check_tags,
    choose,
    parse_duration,
)
from asyncload.settings.options import SETTINGS
from asyncload.settings.parsing import AUTO_NUMBER, split_then
from asyncload.source.archives.rules import DEFAULT_LIMIT, check_encoding
from asyncload.source.file_state import TRUST

MAX_AUTO_CONCURRENCY = 768
AUTO_START = 64
DEFAULT_MEMORY = 256 * MIB
MIN_MEMORY = 16 * MIB
AUTO = -1
"""Means that the amount of memory is chosen automatically."""
MIN_LIMIT_RATE = 64 * 1024
"""Bytes per second. Deadlines of requests assume this rate, so a lower limit would exceed them."""
MIN_DEADLINE = 31
"""Seconds. Nothing new is started in the last 30 seconds before a deadline."""
MAX_LIMIT_RATE = 1024 * 1024 * MIB

RELATIVE_DATES = {"today": 0, "yesterday": 1}
"""Names for dates, with the number of days before today."""
MTIME = "mtime"
"""The date of a run in which each file has the day of its last modification."""
ARRIVAL = "arrival"
"""The date of a run in which each file has the day on which it appeared; of `watch` only."""

NO_BUCKET = "no-bucket"
"""The name in place of a bucket's for operations that use none."""

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)

# The same rule as botocore: dots, dashes and, for old buckets, capitals and underscores.
_BUCKET = re.compile(r"[a-zA-Z0-9._-]{3,255}|arn:[!-.0-~]+(/[!-~]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of one run; the documents describe each one under the name of its flag.

    This class defines types and defaults; the rest of an option is in
    `asyncload.settings.options`.

    `volume` is the folder to load. `memory` is in bytes; `AUTO` means the container's remaining
    memory, up to 256 MiB. `min_age` and `max_age` are in seconds, as is `deadline`, the time within
    which the run must end, None for no limit. `concurrency` is a number of requests, or `auto`;
    `processes` is a number of processes, or `auto`; `dask` is the address of a scheduler.
    `limit_rate` is in bytes per second, None for no limit. `date` is an ISO date, `today`,
    `yesterday` or `mtime`, in `timezone`; so is `modified_since`, which may also have a time, or be
    a duration before the start of the run. `files_from` is a file, or `-` for standard input.
    `datasets` are pairs of a path pattern and a dataset name. `traces` asks for an event for each
    request. `lock_until` is a time as `modified_since`, or a duration after the start of the run.
    `shard` is `K/N`, the part of the volume to load; `run` is the name of the run that the
    shards belong to. Several volumes become a tuple of absolute paths.

    Values may also be given in the form that users write: a path as text, a size as `64MiB`, a
    duration as `15m` or as a timedelta, a date object, a single pattern instead of several.

    Raises:
        UsageError: an option is invalid; the message names its flag.
    """

    volume: Path | Sequence[Path]
    bucket: str
    concurrency: int | str = AUTO_NUMBER
    processes: int | str = AUTO_NUMBER
    dask: str | None = None
    limit_rate: int | None = None
    memory: int = AUTO
    date: str = "today"
    date_from: str | None = None
    timezone: str = "UTC"
    layer: str = "Raw"
    origin: str = "Local"
    format: str = "CSV"
    datasets: tuple[tuple[str, str], ...] = ()
    layout: str = "default"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    files_from: Path | None = None
    null_separated: bool = False
    modified_since: str | None = None
    max_age: int | None = None
    min_age: int = 0
    allow_empty: bool = False
    follow_symlinks: bool = False
    then: str | None = None
    compressed: bool = True
    archives: bool = False
    zip_names: str | None = None
    archive_limit: int = DEFAULT_LIMIT
    trust: tuple[str, ...] = TRUST
    overwrite: bool = False
    skip_existing: bool = False
    checksum: str = "auto"
    manifest: bool = True
    manifest_prefix: str = "_asyncload"
    success_marker: bool = False
    require_create_only: bool = False
    storage_class: str | None = None
    sse: str | None = None
    sse_kms_key_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    acl: str | None = None
    lock_mode: str | None = None
    lock_until: str | None = None
    expected_bucket_owner: str | None = None
    request_payer: bool = False
    endpoint_url: str | None = None
    endpoint_accelerate: bool = False
    addressing_style: str = "auto"
    allow_http: bool = False
    ca_bundle: Path | None = None
    region: str | None = None
    profile: str | None = None
    deadline: int | None = None
    shard: str | None = None
    run: str | None = None
    unsigned_payload: bool = False
    fast_lane: bool = True
    traces: bool = False

    def __post_init__(self) -> None:
        self._convert()
        self._split_bucket()
        _check_limit_rate(self.limit_rate)
        _check_deadline(self.deadline)
        # Without a number, connections above 32 use part of `memory`; see `max_requests`.
        fixed = requests_allowed(self.concurrency) if isinstance(self.concurrency, int) else 1
        processes = self.processes if isinstance(self.processes, int) else 1
        if self.dask is not None:
            if processes == 1 and isinstance(self.processes, int):
                raise UsageError(
                    "--dask can't be combined with --processes 1",
                    hint="omit one of them: --processes counts this process, too",
                )
            # The others use the memory of their machines.
            processes = 1
        left = memory_left(fixed, encrypted=self.encrypted, processes=processes)
        object.__setattr__(self, "memory", checked_memory(self.memory, left))
        if self.endpoint_url is not None:
            check_endpoint(self.endpoint_url, allow_http=self.allow_http)
        style = choose("--addressing-style", self.addressing_style, ADDRESSING_STYLES)
        object.__setattr__(self, "addressing_style", style)
        if self.endpoint_accelerate:
            check_acceleration(self.bucket, self.endpoint_url, style)
        if self.overwrite and self.skip_existing:
            raise UsageError(
                "--overwrite and --skip-existing can't be combined",
                hint="use one of them; without both, a conflict makes its file fail",
            )
        if self.require_create_only and not self.manifest:
            raise UsageError(
                "--require-create-only can't be combined with --no-manifest: it writes test keys "
                "below --manifest-prefix",
                hint="omit --no-manifest",
            )
        if self.shard is not None and not self.manifest:
            raise UsageError(
                "--shard can't be combined with --no-manifest: the manifests of all shards show "
                "whether the run is complete",
                hint="omit --no-manifest",
            )
        self._check_selection()
        if self.zip_names is not None:
            check_encoding("--zip-names", self.zip_names)
        self._check_objects()
        # Any time can be used to validate date, time zone and layout.
        layout = layout_of(self, _ANY_TIME)
        _check_dates(self, layout)
        if self.manifest:
            _check_manifest_prefix(self.manifest_prefix, layout.common_prefix())

    def _convert(self) -> None:
        """Convert each value to its annotated type."""
        for name, option in SETTINGS.items():
            value = option.kind.convert(option.flag, getattr(self, name))
            object.__setattr__(self, name, value)

    def _split_bucket(self) -> None:
        """Separate the bucket's name from a prefix, which comes before all keys."""
        bucket, _, below = self.bucket.removeprefix("s3://").partition("/")
        prefix = below.strip("/")
        if not self.bucket.startswith("s3://") or bucket.startswith("arn:") or not prefix:
            object.__setattr__(self, "bucket", _checked_bucket(self.bucket))
            return
        object.__setattr__(self, "bucket", _checked_bucket(bucket))
        try:
            ObjectKey(prefix)
        except InvalidKey as error:
            raise UsageError(
                f"--bucket: {prefix!r} can't be the start of a key: {error}"
            ) from error
        if not {"{", "}"}.isdisjoint(prefix):
            raise UsageError(f"--bucket: the prefix {prefix!r} must not have braces")
        template = LAYOUTS.get(self.layout, self.layout)
        object.__setattr__(self, "layout", f"{prefix}/{template}")
        object.__setattr__(self, "manifest_prefix", f"{prefix}/{self.manifest_prefix}")

    def _check_selection(self) -> None:
        if self.then is not None and self.follow_symlinks:
            raise UsageError(
                "--then can't be combined with --follow-symlinks: a file may have several paths",
                hint="omit one of them",
            )
        if self.null_separated and self.files_from is None:
            raise UsageError(
                "--null has no effect without --files-from", hint="omit it, or give a list of files"
            )
        # Any time can be used to validate it.
        modified_after(self, _ANY_TIME)
        if self.max_age is not None and self.max_age < self.min_age:
            raise UsageError(
                "--max-age is shorter than --min-age, so that no file can be loaded",
                hint="swap the two, or omit one",
            )

    def _check_objects(self) -> None:
        object.__setattr__(self, "checksum", choose("--checksum", self.checksum, CHECKSUMS))
        object.__setattr__(self, "sse", check_encryption(self.sse, self.sse_kms_key_id))
        if self.acl is not None:
            object.__setattr__(self, "acl", choose("--acl", self.acl, ACLS))
        check_storage_class(self.storage_class)
        check_owner(self.expected_bucket_owner)
        check_tags(self.tags)
        check_metadata(self.metadata, METADATA_NAMES)
        if self.lock_mode is not None or self.lock_until is not None:
            # Late: most runs lock nothing.
            from asyncload.settings.locks import check_lock

            mode = check_lock(self.lock_mode, self.lock_until, _ANY_TIME)
            object.__setattr__(self, "lock_mode", mode)

    @property
    def volumes(self) -> tuple[Path, ...]:
        """The folders to load."""
        return (self.volume,) if isinstance(self.volume, Path) else tuple(self.volume)

    @property
    def volume_names(self) -> frozenset[str]:
        """The volumes with which the paths of files begin; none if there is only one."""
        if isinstance(self.volume, Path):
            return frozenset()
        return frozenset(to_text(os.fsencode(volume)) for volume in self.volume)

    @property
    def move_to(self) -> Path | None:
        """The folder that `then` moves loaded files to; None if it does not move them."""
        action, folder = split_then(self.then or "")
        return Path(folder) if action == "move" else None

    @property
    def shard_of(self) -> Shard | None:
        """The shard to load; None for the whole volume."""
        return None if self.shard is None else parse_shard(self.shard)

    @property
    def selects(self) -> bool:
        """Whether only some of the volume's current files are meant, by a list or by their age."""
        return any(
            option is not None for option in (self.files_from, self.modified_since, self.max_age)
        )

    @property
    def encrypted(self) -> bool:
        """Whether the store is reached over TLS."""
        return self.endpoint_url is None or not self.endpoint_url.lower().startswith("http:")

    @property
    def max_requests(self) -> int:
        """The maximum number of concurrent requests."""
        return self.ceiling[0]

    @property
    def ceiling(self) -> tuple[int, LimitReason]:
        """The maximum number of concurrent requests, and the reason for it."""
        if isinstance(self.concurrency, int):
            allowed = requests_allowed(self.concurrency)
            return allowed, "open files" if allowed < self.concurrency else "asked for"
        in_memory = connections_in(self.memory, encrypted=self.encrypted)
        most = min(MAX_AUTO_CONCURRENCY, in_memory)
        allowed = requests_allowed(most)
        if allowed < most:
            return allowed, "open files"
        return most, "memory" if most == in_memory else "ceiling"


def layout_of(settings: Settings, now: datetime) -> KeyLayout:
    """Return the key layout of a run that starts at `now`, in any time zone.

    Raises:
        UsageError: date, layout or a name is invalid.
    """
    zone = find_timezone(settings.timezone)
    of_each = settings.date_from is not None or settings.date.lower() in (MTIME, ARRIVAL)
    return KeyLayout(
        template=settings.layout,
        layer=settings.layer,
        origin=settings.origin,
        format=settings.format,
        date=None if of_each else resolve_date(settings.date, now.astimezone(zone)),
        datasets=settings.datasets,
        volumes=settings.volume_names,
    )


def dates_of(settings: Settings) -> Dates | None:
    """Return how the date of each file is determined; None if all have the run's.

    Raises:
        UsageError: the pattern or the time zone is invalid.
    """
    if settings.date_from is not None:
        return PathDates(settings.date_from, settings.volume_names)
    if settings.date.lower() == MTIME:
        return ModificationDates(find_timezone(settings.timezone))
    if settings.date.lower() == ARRIVAL:
        return ArrivalDates(find_timezone(settings.timezone))
    return None


def _check_dates(settings: Settings, layout: KeyLayout) -> None:
    if settings.date_from is not None and settings.date.lower() != "today":
        raise UsageError(
            "--date and --date-from can't be combined", hint="omit one: both say the date"
        )
    if dates_of(settings) is not None and not layout.has_date:
        option = "--date mtime" if settings.date_from is None else "--date-from"
        raise UsageError(
            f"{option} has no effect: the layout {settings.layout!r} has no date",
            hint="add {date:%Y/%m/%d} to --layout, or omit the option",
        )


def modified_after(settings: Settings, now: datetime) -> float | None:
    """Return the earliest time of modification of the files of a run that starts at `now`.

    Returns:
        Seconds since 1970; None if files of any age are loaded.

    Raises:
        UsageError: `modified_since` is not a point in time.
    """
    times = []
    if settings.modified_since is not None:
        times.append(resolve_moment(settings.modified_since, now, find_timezone(settings.timezone)))
    if settings.max_age is not None:
        times.append(now.timestamp() - settings.max_age)
    return max(times, default=None)


def lock_of(settings: Settings, now: datetime) -> Lock | None:
    """Return how the objects of a run that starts at `now` are locked; None if they are not.

    Raises:
        UsageError: `lock_until` is in the past, or more than a hundred years ahead.
    """
    if settings.lock_mode is None or settings.lock_until is None:
        return None
    from asyncload.settings.locks import lock_until

    zone = find_timezone(settings.timezone)
    return Lock(settings.lock_mode, lock_until(settings.lock_until, now.astimezone(zone)))


def resolve_moment(text: str, now: datetime, zone: tzinfo, flag: str = "--modified-since") -> float:
    """Return the seconds since 1970 of a date, a date with a time, or a duration before `now`.

    `flag` is the option in messages.

    Raises:
        UsageError: the text has another form.
    """
    words = re.sub(r"\s+ago$", "", text.strip(), flags=re.IGNORECASE)
    if (days_back := RELATIVE_DATES.get(words.lower())) is not None:
        words = (now.astimezone(zone).date() - timedelta(days=days_back)).isoformat()
    with suppress(ValueError):
        time = datetime.fromisoformat(words)
        return (time if time.tzinfo else time.replace(tzinfo=zone)).timestamp()
    try:
        return now.timestamp() - parse_duration(flag, words)
    except UsageError:
        raise UsageError(
            f"{flag}: {text!r} is not a valid time",
            hint=with_guess(
                text,
                RELATIVE_DATES,
                "use 2022-05-02, '2022-05-02 18:30', 2022-05-02T18:30:00Z, yesterday, or a "
                "duration such as 24h or 7d",
            ),
        ) from None


def find_timezone(name: str) -> tzinfo:
    """Return the time zone with an IANA name, such as `America/Sao_Paulo`.

    Raises:
        UsageError: the name is unknown.
    """
    if name == "UTC":
        return UTC
    # Late: see `parsing.as_zone`.
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(
            f"--timezone: unknown time zone {name!r}",
            hint=_zone_hint(name),
        ) from None


def _zone_hint(name: str) -> str:
    from zoneinfo import available_timezones

    hint = "use an IANA name, such as UTC or America/Sao_Paulo"
    zones = sorted(available_timezones())
    if any(map(str.isdigit, name)) or any(zone.startswith(f"{name}/") for zone in zones):
        # An offset, such as GMT-3, or an area: the name of any zone would mislead.
        return hint
    cities = {zone.rpartition("/")[2]: zone for zone in zones}
    near = nearest(name, zones) or cities.get(nearest(name, cities) or "")
    return f"did you mean {near}? {hint}" if near else hint


def resolve_date(text: str, now: datetime) -> date:
    """Resolve `YYYY-MM-DD`, `today` or `yesterday` to a date, at the time `now`.

    Raises:
        UsageError: the text has another form, or the date does not exist.
    """
    if not text.strip():
        raise UsageError(
            "--date is empty",
            hint="set the variable that it comes from, or omit the option for today",
        )
    days_back = RELATIVE_DATES.get(text.lower())
    if days_back is not None:
        return now.date() - timedelta(days=days_back)
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError("expected the form YYYY-MM-DD")
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--date: {text!r} is not a valid date: {error}",
            hint=with_guess(
                text,
                (*RELATIVE_DATES, MTIME),
                "use YYYY-MM-DD (2022-05-02), today, yesterday or mtime",
            ),
        ) from None


def _check_limit_rate(rate: int | None) -> None:
    if rate is not None and not MIN_LIMIT_RATE <= rate <= MAX_LIMIT_RATE:
        raise UsageError(
            f"--limit-rate: {rate:,} bytes per second is not between 64 KiB and 1 TiB",
            hint="with a lower rate requests would exceed their deadlines; omit the option for no "
            "limit"
            if rate < MIN_LIMIT_RATE
            else "omit the option for no limit",
        )


def _check_deadline(seconds: int | None) -> None:
    if seconds is not None and seconds < MIN_DEADLINE:
        raise UsageError(
            f"--deadline: {seconds} s is too short; the minimum is {MIN_DEADLINE} s",
            hint="no file is started in the last 30 s; use a longer time, or omit the option for "
            "no limit",
        )


def _checked_bucket(bucket: str) -> str:
    name = bucket.removeprefix("s3://").removesuffix("/")
    if not _BUCKET.fullmatch(name):
        raise UsageError(
            f"--bucket: {bucket!r} is not a valid bucket name",
            hint="give only the name, which has 3 to 63 letters, digits, dots and hyphens, such as "
            "my-lake; s3://my-lake/landing puts a prefix before all keys",
        )
    return name


def checked_memory(memory: int, left: int | None, place: str = "this container") -> int:
    """Return the memory for file data: as requested, or what the limit of a place leaves.

    Raises:
        UsageError: it is too small, or the limit leaves less.
    """
    if memory == AUTO:
        return max(MIN_MEMORY, min(DEFAULT_MEMORY, DEFAULT_MEMORY if left is None else left))
    if memory < MIN_MEMORY:
        raise UsageError(
            f"--memory: {memory:,} bytes is too small; the minimum is {MIN_MEMORY // MIB} MiB",
            hint=f"the default is {DEFAULT_MEMORY // MIB}MiB, or less in a small container",
        )
    if left is not None and memory > max(left, MIN_MEMORY):
        fits = max(left, MIN_MEMORY) // MIB
        raise UsageError(
            f"--memory: {memory // MIB} MiB is too large: the limit of {place} leaves "
            f"{fits} MiB for file data",
            hint=f"use --memory {fits}MiB, omit the option, or raise the limit of {place}",
        )
    return memory


def _check_manifest_prefix(prefix: str, data: str) -> None:
    try:
        # The longest key below the prefix.
        ObjectKey(f"{prefix}/{UPLOADS}/{'0' * 32}.json")
    except InvalidKey as error:
        raise UsageError(f"--manifest-prefix: {prefix!r} can't be used in an object key") from error
    folder = f"{prefix}/"
    if data.startswith((f"{folder}{UPLOADS}/", f"{folder}{SHARDS}/")) or data == folder:
        raise UsageError(
            f"--layout: the data prefix {data!r} is one of asyncload's own records",
            hint="use another prefix for data, or another --manifest-prefix",
        )
    inside = data and folder.startswith(data)
    # Crawlers ignore names that begin so.
    if inside and not prefix.removeprefix(data).startswith(("_", ".")):
        raise UsageError(
            f"--manifest-prefix: {prefix!r} is inside the data prefix {data!r}",
            hint="use a prefix outside the data, such as _asyncload; crawlers would read manifests "
            "as data",
        )
