"""Data sets generated from a seed: `python -m benchmarks.datasets NAME FOLDER` creates one."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

_SEED = 7
_FILES_PER_FOLDER = 1000
_MAKE_FILMS = Path(__file__).parents[1] / "data" / "make_films.py"

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

Kind = Literal["films", "flat", "empty", "sparse"]


@dataclass(frozen=True, slots=True)
class DataSet:
    """A volume of `files` CSVs of about `size` bytes each.

    `films` are film CSVs, 100 to a folder; `flat` are the same at the volume's top; `empty` files
    have no bytes, for planning; `sparse` files contain zeros that use no disk space, for very large
    sizes.
    """

    kind: Kind
    files: int
    size: int = 0

    @property
    def name(self) -> str:
        """A name that is unique among data sets."""
        return f"{self.kind}-{self.files}x{self.size}"

    def make(self, folder: Path) -> Path:
        """Create it below `folder` if it doesn't exist, and return its volume."""
        volume = folder / self.name
        if volume.is_dir():
            return volume
        unfinished = folder / f"{self.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _MAKERS[self.kind](unfinished, self.files, self.size)
        # Renamed when complete: an interrupted one is created again.
        unfinished.rename(volume)
        return volume


DATA_SETS: dict[str, DataSet] = {
    "small": DataSet("films", 20_000, 17_000),
    "flat": DataSet("flat", 20_000, 17_000),
    "large": DataSet("films", 1, 4 * GIB),
    "four": DataSet("films", 4, GIB),
    "pair": DataSet("films", 2, 17_000),
    "few": DataSet("films", 200, 17_000),
    "million": DataSet("empty", 1_000_000),
}


def sparse(size: int) -> DataSet:
    """Return the data set of one sparse file."""
    return DataSet("sparse", 1, size)


def totals(volume: Path) -> tuple[int, int]:
    """Return the number of files below a folder and their bytes, in constant memory."""
    files = size = 0
    for folder, _, names in os.walk(volume):
        handle = os.open(folder, os.O_RDONLY)
        try:
            files += len(names)
            size += sum(os.stat(name, dir_fd=handle).st_size for name in names)
        finally:
            os.close(handle)
    return files, size


def _films(root: Path, files: int, size: int) -> None:
    films = _make_films()
    if files <= 2:  # at the volume's top, as exports arrive
        for number, name in zip(range(files), ("movies.csv", "series.csv"), strict=False):
            films.write_films(root / name, size, _SEED + number, series=number == 1)
    else:
        films.write_volume(root, files, size, _SEED)


def _flat(root: Path, files: int, size: int) -> None:
    _films(root, files, size)
    for folder in sorted(root.iterdir()):
        if folder.is_dir():
            for path in folder.iterdir():
                path.rename(root / path.name)
            folder.rmdir()


def _empty(root: Path, files: int, size: int) -> None:
    del size
    for first in range(0, files, _FILES_PER_FOLDER):
        folder = root / f"batch-{first // _FILES_PER_FOLDER:04}"
        folder.mkdir()
        handle = os.open(folder, os.O_RDONLY)
        try:
            for number in range(first, min(first + _FILES_PER_FOLDER, files)):
                name = f"part-{number:07}.csv"
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=handle))
        finally:
            os.close(handle)


def _sparse(root: Path, files: int, size: int) -> None:
    for number in range(files):
        with (root / f"sparse-{number:03}.csv").open("wb") as file:
            file.truncate(size)


def _make_films() -> ModuleType:
    """Load the script that creates film CSVs; it is not part of a package."""
    spec = importlib.util.spec_from_file_location("make_films", _MAKE_FILMS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_MAKERS = {"films": _films, "flat": _flat, "empty": _empty, "sparse": _sparse}


def main() -> None:
    """Create one data set, named as in `DATA_SETS` or as `KIND-FILESxSIZE`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datasets", description=__doc__)
    parser.add_argument("name", help=f"{', '.join(DATA_SETS)}, or such as sparse-1x21474836480")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    data = DATA_SETS.get(options.name) or _parse(options.name)
    if data is None:
        parser.error(f"there is no data set {options.name}")
    print(data.make(options.folder))


def _parse(name: str) -> DataSet | None:
    kind, _, shape = name.partition("-")
    files, _, size = shape.partition("x")
    if kind in _MAKERS and files.isdecimal() and size.isdecimal():
        return DataSet(kind, int(files), int(size))  # type: ignore[arg-type]  # it is one of them
    return None


if __name__ == "__main__":
    main()
