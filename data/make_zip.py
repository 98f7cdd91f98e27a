"""Pack `movies.csv` and `series.csv` as they are handed over: `Filmes+e+Series.zip`.

    python data/make_zip.py [OUT.zip]

The same files give the same archive.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

NAME = "Filmes+e+Series.zip"
MEMBERS = ("movies.csv", "series.csv")
_DATE = (2022, 5, 2, 12, 0, 0)


def write_zip(path: Path) -> None:
    """Write the archive to `path`, replacing what is there.

    Raises:
        OSError: a file can't be read or written.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name in MEMBERS:
            content = (Path(__file__).parent / name).read_bytes()
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, 1 for an error, 2 for bad arguments."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) > 1 or given[:1] in (["-h"], ["--help"]):
        print("usage: make_zip.py [OUT.zip]", file=sys.stderr)
        return 2
    path = Path(given[0] if given else NAME)
    try:
        write_zip(path)
    except OSError as error:
        print(f"make_zip.py: error: {error}", file=sys.stderr)
        return 1
    print(f"{path}: {', '.join(MEMBERS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
