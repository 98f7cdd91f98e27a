"""Make object keys from source paths and the run's date. Pure.

The default layout is `{layer}/{origin}/{format}/{dataset}/{date:%Y/%m/%d}/{path}`: the file
`movies.csv` becomes `Raw/Local/CSV/Movies/2022/05/02/movies.csv`, and `ratings/eu/1.csv` becomes
`Raw/Local/CSV/Ratings/2022/05/02/eu/1.csv`. A member of an archive has the key that it would have
beside the archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import takewhile
from string import Formatter

from asyncload.errors import InvalidKey, UsageError
from asyncload.model.names import MEMBER, split_volume, without_archive
from asyncload.model.suggestions import with_guess
from asyncload.model.values import ObjectKey
from asyncload.source.globs import Glob
from asyncload.source.name_kinds import compressed_csv

LAYOUTS = {
    "default": "{layer}/{origin}/{format}/{dataset}/{date:%Y/%m/%d}/{path}",
    "hive": "{layer}/{origin}/{format}/{dataset}/{date:year=%Y/month=%m/day=%d}/{path}",
}
Day = date
"""The type's name in `KeyLayout`, which has a field named `date`."""
FIELDS = ("layer", "origin", "format", "dataset", "date", "path")


def dataset_and_path(path: str) -> tuple[str, str]:
    """Split a relative path into the name of its dataset and the rest of the key.

    The dataset is the first folder, or the stem of a file at the top; its first letter is
    upper-cased. The rest keeps its sub-folders, so that different files have different keys.
    """
    folder, slash, rest = path.partition("/")
    if not slash:
        ending = compressed_csv(path)
        stem = path[: -len(ending)] if ending else path.rpartition(".")[0]
        folder, rest = stem or path, path
    return folder[:1].upper() + folder[1:], rest


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """The layout of a run's keys: the template with the run's fixed values filled in.

    Args:
        template: a name of `LAYOUTS`, or a template with the fields of `FIELDS`. `{path}` is
            required; `{date}` accepts a strftime format, and is ISO (`2022-05-02`) without one.
        layer, origin, format: the key's segments of those names.
        date: the run's processing date; None if each file has its own.
        datasets: pairs of a path pattern (see `globs`) and the name of the dataset that the files
            it matches belong to; the first match counts.
        volumes: the volumes of a run that has several: paths begin with them. Keys do not.

    Raises:
        UsageError: the template or a name can't be used; the message says why.
    """

    template: str
    layer: str
    origin: str
    format: str
    date: date | None
    datasets: Sequence[tuple[str, str]] = ()
    volumes: frozenset[str] = frozenset()
    _pieces: tuple[str, ...] = field(init=False)
    # Each file at the top of a volume has a dataset of its own, so filling one in must be cheap.
    _around: tuple[list[str], list[str]] = field(init=False, repr=False, compare=False)
    _rules: tuple[tuple[Glob, str], ...] = field(init=False)
    _used: set[Glob] = field(init=False, repr=False, compare=False)
    _heads: dict[object, tuple[str, str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("layer", "origin", "format"):
            _check_segment(f"--{name}", getattr(self, name))
        for _, name in self.datasets:
            _check_segment("--dataset", name)
        rules = tuple((Glob(pattern), name) for pattern, name in self.datasets)
        object.__setattr__(self, "_pieces", tuple(self._fill()))
        object.__setattr__(self, "_around", self._around_path(None))
        object.__setattr__(self, "_rules", rules)
        object.__setattr__(self, "_used", set())
        object.__setattr__(self, "_heads", {})

    def key_for(self, path: str, day: Day | None = None) -> ObjectKey:
        """Return the key of the file at `path`.

        `day` is its date, if each file has its own.

        Raises:
            InvalidKey: the path does not give a valid key.
        """
        return self.locate(path, day)[0]

    def locate(self, path: str, day: Day | None = None) -> tuple[ObjectKey, str, str]:
        """Return key, partition and dataset of the file at `path`. Arguments as for `key_for`.

        The partition is the common prefix of a dataset's keys of one date, up to a `/`. Raises as
        `key_for` does.
        """
        if self.volumes:
            path = split_volume(path, self.volumes)[1]
        if MEMBER in path:
            path = without_archive(path)
        dataset, rest = dataset_and_path(path)
        for glob, name in self._rules:
            if glob.matches(path):
                self._used.add(glob)
                dataset = name
                break
        # Many files at the top have a dataset of their own, and the run's date: no tuple for each.
        cached = self._heads.get(dataset if day is None else (dataset, day))
        head, tail, partition = cached or self._fill_dataset(dataset, day)
        return ObjectKey(f"{head}{rest}{tail}"), partition, dataset

    def partition_of(self, path: str) -> str:
        """Return the partition of the file at `path` on the run's date, even of an invalid key."""
        path = without_archive(self.below(path))
        dataset = dataset_and_path(path)[0]
        dataset = next((name for glob, name in self._rules if glob.matches(path)), dataset)
        return self._fill_dataset(dataset, None)[2]

    def below(self, path: str) -> str:
        """Return a path relative to its volume."""
        return split_volume(path, self.volumes)[1]

    def partition_for(self, dataset: str) -> str:
        """Return the partition of a dataset on the run's date."""
        return self._fill_dataset(dataset, None)[2]

    def partitions_below(self, folder: str) -> set[str]:
        """Return the partitions that files below a folder may belong to, on the run's date.

        These are its own dataset's and those of all rules.
        """
        below = self.below(folder)
        names = {name for _, name in self._rules} | {dataset_and_path(f"{below}/")[0]}
        return {self._fill_dataset(name, None)[2] for name in names}

    @property
    def has_date(self) -> bool:
        """Whether the template has a date."""
        template = LAYOUTS.get(self.template, self.template)
        return any(name == "date" for _, name, _ in _parse_template(template))

    @property
    def date_is_segment(self) -> bool:
        """Whether the date, if there is one, fills one or more segments of the key."""
        text = "".join(_DATE if isinstance(piece, _DateFormat) else piece for piece in self._pieces)
        # So that the ends of the key count as ends of a segment.
        pieces = f"/{text}/".split(_DATE)
        return all(before.endswith("/") for before in pieces[:-1]) and all(
            after.startswith("/") for after in pieces[1:]
        )

    @property
    def separates_datasets(self) -> bool:
        """Whether files of different datasets have different keys, on one date.

        So it is if a slash stands between the dataset and the path behind it.
        """
        head = "".join(map(str, takewhile(lambda piece: piece != _PATH, self._pieces)))
        return _DATASET in head and "/" in head[head.index(_DATASET) :]

    @property
    def unused_rules(self) -> list[str]:
        """The rules for datasets that have not applied to any file so far, each with its option."""
        return [
            f"--dataset {f'{glob.pattern}={name}'!r}"
            for glob, name in self._rules
            if glob not in self._used
        ]

    def common_prefix(self) -> str:
        """Return the common prefix of all keys of the run, up to a `/`."""
        head = "".join(takewhile(lambda piece: not _is_of_file(piece), self._pieces))
        return head[: head.rfind("/") + 1]

    def folder_of(self, dataset: str) -> tuple[str, str | None, str]:
        """Return the folder of a dataset's keys: before the date, the date's format, and behind it.

        The format is None, and the rest "", if the folder has no date. For a layout without a date
        of its own, see `without_date`.

        Raises:
            UsageError: the date is not in whole segments, so no folder has the keys of one date.
        """
        before, date_format, rest = "", None, ""
        for piece in self._pieces:
            if piece == _PATH:
                break
            if isinstance(piece, _DateFormat):
                # A second part of the date continues the first.
                joined = "" if date_format is None else date_format + rest.replace("%", "%%")
                date_format, rest = joined + (str(piece) or "%Y-%m-%d"), ""
            else:
                text = dataset if piece == _DATASET else piece
                before, rest = (before, rest + text) if date_format else (before + text, rest)
        if date_format is None:
            return before[: before.rfind("/") + 1], None, ""
        if (before and not before.endswith("/")) or not rest.startswith("/"):
            raise UsageError(
                f"--layout: the date of {self.template!r} is not in segments of its own",
                hint="table definitions need a layout such as default or hive",
            )
        return before, date_format, rest[: rest.rfind("/") + 1]

    def without_date(self) -> KeyLayout:
        """Return the same layout for files that each have a date."""
        return replace(self, date=None)

    def fixed_prefix(self) -> str:
        """Return the common prefix of the keys of all dates and datasets, up to a `/`."""
        pieces = []
        fields = iter(_parse_template(LAYOUTS.get(self.template, self.template)))
        literal, name, _ = next(fields)
        while name in ("layer", "origin", "format"):
            pieces += [literal, getattr(self, name)]
            # There is always one more segment: the path.
            literal, name, _ = next(fields)
        pieces.append(literal)
        head = "".join(pieces)
        return head[: head.rfind("/") + 1]

    def _fill_dataset(self, dataset: str, day: Day | None) -> tuple[str, str, str]:
        """Fill in dataset and date once; a volume has few of them and many files."""
        around = self._around if day is None else self._around_path(day)
        head, tail = (dataset.join(texts) for texts in around)
        filled = head, tail, head[: head.rfind("/") + 1]
        if len(self._heads) < _MANY_DATASETS:
            self._heads[dataset if day is None else (dataset, day)] = filled
        return filled

    def _around_path(self, day: Day | None) -> tuple[list[str], list[str]]:
        """Return the texts before and after the path, each cut at the places of the dataset."""
        text = "".join(
            _format_date(day, piece) if isinstance(piece, _DateFormat) and day else piece
            for piece in self._pieces
        )
        head, tail = text.split(_PATH)
        return head.split(_DATASET), tail.split(_DATASET)

    def _fill(self) -> list[str]:
        pieces: list[str] = []
        seen = []
        for literal, name, spec in _parse_template(LAYOUTS.get(self.template, self.template)):
            pieces.append(literal)
            if name is None:
                continue
            seen.append(name)
            if name == "date":
                # An invalid format is reported in any case.
                text = _format_date(self.date or _ANY_DAY, spec)
                pieces.append(text if self.date else _DateFormat(spec))
            elif name == "dataset":
                pieces.append(_DATASET)
            elif name == "path":
                pieces.append(_PATH)
            else:
                pieces.append(getattr(self, name))
        if seen.count("path") != 1:
            raise UsageError(
                "--layout: the template must hold {path} exactly once, or files would collide",
                hint=f"the default is {LAYOUTS['default']}",
            )
        example = "".join("x" if _is_of_file(piece) else piece for piece in pieces)
        if example.startswith("/"):
            raise UsageError("--layout: an object key must not start with '/'")
        try:
            ObjectKey(example)
        except InvalidKey as error:
            raise UsageError(
                f"--layout: no valid key can be made from {self.template!r}: {error}",
                hint="see 'Naming Amazon S3 objects' in the S3 user guide",
            ) from error
        return pieces


# Placeholders for values that are filled in per file. NUL can't occur in an option or a file name.
_DATASET = "\0dataset\0"
_PATH = "\0path\0"
_DATE = "\0date\0"
_ANY_DAY = date(2000, 1, 1)
# Each file at the top is a dataset; only so many are cached.
_MANY_DATASETS = 10_000


class _DateFormat(str):
    """The format of a date that is filled in per file."""

    __slots__ = ()


def _is_of_file(piece: str) -> bool:
    """Return whether a piece of a template is filled in per file."""
    return piece in (_DATASET, _PATH) or isinstance(piece, _DateFormat)


def _parse_template(template: str) -> list[tuple[str, str | None, str]]:
    known = ", ".join("{" + name + "}" for name in FIELDS)
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageError(
            f"--layout: {template!r} is not a valid template: {error}",
            hint=f"use 'default', 'hive', or a template with the fields {known}",
        ) from None
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if name not in FIELDS:
            hint = with_guess(f"{{{name}}}", known.split(", "), f"the known fields are {known}")
            raise UsageError(f"--layout: unknown field {{{name}}}", hint=hint)
        if conversion or (spec and (name != "date" or "{" in spec)):
            raise UsageError(
                f"--layout: {{{name}}} does not take a format",
                hint="only {date} does, for example {date:%Y/%m/%d}",
            )
    if not any(name for _, name, _, _ in parsed):
        raise UsageError(
            f"--layout: {template!r} is neither a known layout nor a template with a field",
            hint=with_guess(
                template,
                LAYOUTS,
                f"use 'default', 'hive', or a template with the fields {known}",
            ),
        )
    return [(literal, name, spec or "") for literal, name, spec, _ in parsed]


def _format_date(day: date, spec: str) -> str:
    # The C library does not pad years before 1000.
    try:
        text = format(day, (spec or "%Y-%m-%d").replace("%Y", f"{day.year:04}"))
    except UnicodeEncodeError:
        text = ""
    if not text or "%" in text:
        raise UsageError(
            f"--layout: {{date:{spec}}} is not a valid date format",
            hint="use for example {date:%Y/%m/%d}",
        )
    return text


def _check_segment(option: str, value: str) -> None:
    if "/" in value:
        raise UsageError(
            f"{option}: {value!r} must be one segment, without '/'",
            hint="use --layout for more levels",
        )
    try:
        ObjectKey(value)
    except InvalidKey as error:
        raise UsageError(f"{option}: {value!r} can't be part of an object key") from error
