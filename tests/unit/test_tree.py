"""The objects of a bucket as a tree."""

from __future__ import annotations

from asyncload.model.values import Checksum, FileFinished, ObjectKey, Unchanged, Uploaded
from asyncload.reporting.tree import MAX_OBJECTS, RunTree, tree_lines

SUM = Checksum("CRC64NVME", "AAAAAAAAAAE=")


def test_the_lake_is_a_tree_of_folders():
    """In key order; names are shown as they are, and an object may have the name of a folder."""
    objects = [("Raw/[b]x/1.csv", 1), ("2.csv", 2), ("Raw", 0), ("Raw/a/\x1b.csv", 1), ("o//x", 3)]
    assert [*tree_lines("lake", objects)] == [
        "s3://lake",
        "├── 2.csv  2 B",
        "├── Raw  0 B",
        "├── Raw",
        "│   ├── [b]x",
        "│   │   └── 1.csv  1 B",
        "│   └── a",
        "│       └── \\x1b.csv  1 B",
        "└── o",
        "    └── ",
        "        └── x  3 B",
    ]


def test_the_tree_of_a_run_has_an_end():
    """A large run has the same number of lines, and says how many objects are missing."""
    tree = RunTree()
    for number in range(MAX_OBJECTS + 2):
        kind = Uploaded if number % 2 else Unchanged
        tree.observe(FileFinished(kind(f"{number}.csv", ObjectKey(f"k/{number}.csv"), 1, SUM)))
    lines = [*tree.lines("lake")]
    assert len(lines) == MAX_OBJECTS + 3
    assert lines[-1] == "and 2 more objects; see --json or the manifest"
