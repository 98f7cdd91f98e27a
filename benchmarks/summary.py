"""The table of published results: `python -m benchmarks.summary [--short] [--write FILE]`.

Replaces the table between the two comments that mark it. README has the short one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.peers.every import OURS
from benchmarks.results import load_results

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_RESULTS = Path(__file__).parent / "results" / "full.json"
_SHORT_PEERS = ("s5cmd", "obstore", "aioboto3", "aws cli", "boto3")
_PEERS = ("s5cmd", "obstore", "awscrt", "opendal", "aioboto3", "aws cli", "boto3")
# The title of a row, the workload, and the earlier content of the bucket.
_ROWS = (
    ("20,000 CSVs of about 17 kB at the top of the volume", "flat", "empty"),
    ("the same into a zone with 400 days of history", "flat", "history"),
    ("the same again, unchanged", "flat", "unchanged"),
    ("the same 20,000 in folders", "small", "empty"),
    ("in folders, TLS", "small-tls", "empty"),
    ("in folders, 5 ms per request", "latency-5", "empty"),
    ("in folders, 30 ms per request", "latency-30", "empty"),
    ("in folders, 100 ms per request", "latency-100", "empty"),
    ("2 GiB, 30 ms per request, 40 MB/s a connection", "bandwidth", "empty"),
    ("5,000 CSVs, a store that serves 500 requests/s", "capacity", "empty"),
    ("4 GiB, HTTP, payload signed", "large", "empty"),
    ("4 GiB, TLS", "large-tls", "empty"),
    ("2 small CSVs, start to end", "pair", "empty"),
)
_SHORT_ROWS = (
    ("20,000 CSVs of about 17 kB", "flat", "empty"),
    ("20,000 in folders, 30 ms per request", "latency-30", "empty"),
    ("4 GiB, HTTP, payload signed", "large", "empty"),
    ("4 GiB, TLS", "large-tls", "empty"),
    ("2 small CSVs, start to end", "pair", "empty"),
)


def format_summary(document: dict[str, Any], *, short: bool = False) -> str:
    """Return the table: wall time in seconds by tool, with default settings.

    Figures of tools with fewer files are scaled to all files, and marked ≈. `short`: only the most
    common workloads and tools.
    """
    rows, peers = (_SHORT_ROWS, _SHORT_PEERS) if short else (_ROWS, _PEERS)
    lines = [
        f"| with default settings | {' | '.join((OURS, *peers))} |",
        "|---" * (len(peers) + 2) + "|",
    ]
    for title, workload, zone in rows:
        if workload in document:
            cells = [_cell(document[workload], tool, zone) for tool in (OURS, *peers)]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(result: dict[str, Any], tool: str, zone: str) -> str:
    rows = [
        result["medians"][name]
        for name, row in result["rows"].items()
        if (row["tool"], row["zone"], row["by_default"]) == (tool, zone, True)
        and name in result["medians"]
    ]
    if not rows:
        return ""
    # The first of the rows with the most data.
    one = max(rows, key=lambda row: row["size"])
    wall = one["wall"] * result["bytes"] / one["size"]
    sign = "" if one["size"] == result["bytes"] else "≈"
    return f"{sign}{wall:.2g}" if wall < 10 else f"{sign}{wall:.0f}"


def replace_between(text: str, table: str) -> str:
    """Return a text with another table between its marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"there is no {BEGIN} with an {END} after it")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summary", description=__doc__)
    parser.add_argument("--results", type=Path, default=_RESULTS, help="the JSON file")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the file that has the table")
    parser.add_argument("--short", action="store_true", help="only the most common work and tools")
    options = parser.parse_args()
    table = format_summary(load_results(options.results), short=options.short)
    if options.write:
        options.write.write_text(replace_between(options.write.read_text(), table))
    else:
        print(table)


if __name__ == "__main__":
    main()
