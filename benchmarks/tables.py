"""The results as Markdown."""

from __future__ import annotations

from typing import Any

_COLUMNS = (
    "tool",
    "wall s",
    "range",
    "CPU s",
    "peak RSS MiB",
    "API calls",
    "server CPU s",
    "our wall / theirs",
    "our CPU / theirs",
)
# Title of a figure, its unit, and the title of its ratio.
_TIMES = "\N{MULTIPLICATION SIGN}"
_METRICS = {
    "wall": ("wall", " s"),
    "cpu": ("CPU", " s"),
    "rss_mib": ("peak RSS", " MiB"),
    "calls_per_file": ("calls per file, without listings", ""),
    "requests_per_file": ("requests per file", ""),
    "files_per_second": ("files a second", "/s"),
    "cpu_us_per_file": ("CPU per file beyond", " µs"),
    "body_bytes": ("body bytes", " B"),
}


def format_results(document: dict[str, Any], ours: str) -> str:
    """Return the complete report: a table per workload, the targets, the settings."""
    parts = ["# Benchmark results\n"]
    parts += [_workload(result, ours) for result in document.values()]
    parts.append(_targets(document))
    parts.append(_settings(document))
    return "\n".join(parts)


def _workload(result: dict[str, Any], ours: str) -> str:
    machine = result["machine"]
    where = (
        f"{_capital(result['server'])} server, {result['files']:,} files, "
        f"{result['bytes']:,} bytes. {machine['cores']} cores of "
        f"{machine['processor']}, {machine['memory_gib']} GiB, {machine['system']}, Python "
        f"{machine['python']}, OpenSSL {machine['openssl']}."
    )
    lines = [
        f"## {_capital(result['title'])}\n\n{where}\n",
        f"| {' | '.join(_COLUMNS)} |",
        "|---" * len(_COLUMNS) + "|",
    ]
    medians = result["medians"]
    own = medians.get(ours)
    for row, one in sorted(medians.items(), key=lambda item: _per_byte(item[1], "wall")):
        wall = cpu = ""
        if own and row != ours:
            wall = f"{_per_byte(own, 'wall') / _per_byte(one, 'wall'):.2f}"
            cpu = f"{_per_byte(own, 'cpu') / _per_byte(one, 'cpu'):.2f}" if one["cpu"] else ""
        name = f"**{row}**" if row == ours else row
        lines.append(
            f"| {name} | {_seconds(one['wall'])} "
            f"| {_seconds(one['wall_least'])}-{_seconds(one['wall_most'])} "
            f"| {_seconds(one['cpu'])} | {one['rss_mib']:.0f} | {_calls(one)} "
            f"| {_seconds(one['server_cpu'])} | {wall} | {cpu} |"
        )
    lines += [
        f"\nNot measured, {row}: {_last_words(reason)}."
        for row, reason in (result["failed"] | result["excluded"]).items()
    ]
    if medians:
        lines.append(f"\n{_rounds(medians)} {_less_work(result)}")
        lines.append(
            "Verified before: "
            f"{'; '.join(f'{rows}: {what}' for rows, what in _merged(result['verified']))}.\n"
        )
    return "\n".join(lines)


def _rounds(medians: dict[str, Any]) -> str:
    most = max(one["runs"] for one in medians.values())
    fewer: dict[int, list[str]] = {}
    for row, one in medians.items():
        if one["runs"] < most:
            fewer.setdefault(one["runs"], []).append(row)
    others = "".join(f"; of {count} only: {', '.join(rows)}" for count, rows in fewer.items())
    return f"Medians of {most} interleaved runs (peak RSS: the highest){others}."


def _less_work(result: dict[str, Any]) -> str:
    if all(one["size"] == result["bytes"] for one in result["medians"].values()):
        return ""
    return (
        "Seconds are of the files that the row names, and ratios per byte: with few of them, "
        "a tool's start-up counts for more."
    )


def _targets(document: dict[str, Any]) -> str:
    lines = [
        "## Targets\n",
        "With a Python before 3.13 times may be a quarter above their bounds, and are shown so.\n",
        "| workload | of | figure | against | bound | reached | |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in document.values():
        for target in result["targets"]:
            name, unit = _METRICS[target["metric"]]
            unit = _TIMES if target["is_ratio"] else unit
            sign = "≥" if target["metric"] == "files_per_second" else "≤"
            peers = target["peers"]
            against = f"the best of {'; '.join(peers)}" if len(peers) > 1 else "".join(peers)
            reached = "" if target["reached"] is None else f"{_short(target['reached'])}{unit}"
            verdict = {True: "met", False: "**not met**", None: "not measured"}[target["met"]]
            lines.append(
                f"| {_capital(result['title'])} | {target['ours']} | {name} | {against} "
                f"| {sign} {_short(target['bound'])}{unit} | {reached} | {verdict} |"
            )
    return "\n".join(lines) + "\n"


def _settings(document: dict[str, Any]) -> str:
    lines = ["## Settings\n", "| tool | version | settings |", "|---|---|---|"]
    tools = {
        tool: (one["version"], one["settings"])
        for result in document.values()
        for tool, one in result["tools"].items()
    }
    lines += [f"| {tool} | {version} | {text} |" for tool, (version, text) in tools.items()]
    return "\n".join(lines) + "\n"


def _last_words(reason: str) -> str:
    """Return the last meaningful line of a tool's output, which describes the error.

    Indented lines are details.
    """
    lines = [line for line in reason.strip().splitlines() if line[:1].strip() and ": " in line]
    return (lines or reason.strip().splitlines())[-1].removesuffix(".")


def _merged(verified: dict[str, str]) -> list[tuple[str, str]]:
    """Combine tools with the same verification."""
    by_text: dict[str, list[str]] = {}
    for tool, text in verified.items():
        by_text.setdefault(text, []).append(tool)
    return [(", ".join(tools), text) for text, tools in by_text.items()]


def _per_byte(one: dict[str, Any], figure: str) -> float:
    value: float = one[figure] / (one["size"] or 1)
    return value


def _calls(one: dict[str, Any]) -> str:
    if one["calls"] is None:
        return ""
    lists = f" ({one['lists']:,.0f} lists)" if one["lists"] else ""
    return f"{one['calls']:,.0f}{lists}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or not value else f"{value:.3g}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
