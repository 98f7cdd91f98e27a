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
_METRICS = {
    "wall": ("wall", ""),
    "cpu": ("CPU", ""),
    "rss_mib": ("peak RSS", " MiB"),
    "calls_per_file": ("calls per file", ""),
    "files_per_second": ("files planned", "/s"),
}


def format_results(document: dict[str, Any], ours: str) -> str:
    """Return the whole report: a table per workload, the targets, the settings."""
    parts = ["# Benchmark results\n"]
    parts += [_workload(result, ours) for result in document.values()]
    parts.append(_targets(document))
    parts.append(_settings(document))
    return "\n".join(parts)


def _workload(result: dict[str, Any], ours: str) -> str:
    machine = result["machine"]
    where = (
        f"{_capital(result['server'])} server, {result['concurrency'] or 'best'} concurrency, "
        f"{result['files']:,} files, {result['bytes']:,} bytes. {machine['cores']} cores of "
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
    for tool, one in sorted(medians.items(), key=lambda item: item[1]["wall"]):
        wall = cpu = ""
        if own and tool != ours:
            wall = f"{own['wall'] / one['wall']:.2f}"
            cpu = f"{own['cpu'] / one['cpu']:.2f}" if one["cpu"] else ""
        name = f"**{tool}**" if tool == ours else tool
        lines.append(
            f"| {name} | {_seconds(one['wall'])} "
            f"| {_seconds(one['wall_least'])}-{_seconds(one['wall_most'])} "
            f"| {_seconds(one['cpu'])} | {one['rss_mib']:.0f} | {_calls(one)} "
            f"| {_seconds(one['server_cpu'])} | {wall} | {cpu} |"
        )
    lines += [
        f"\nNot measured, {tool}: {reason.strip().splitlines()[-1]}"
        for tool, reason in result["failed"].items()
    ]
    runs = {one["runs"] for one in medians.values()}
    if runs:
        lines.append(
            f"\nMedians of {max(runs)} interleaved runs (peak RSS: the highest). Verified before: "
            f"{'; '.join(f'{tool}: {what}' for tool, what in _merged(result['verified']))}.\n"
        )
    return "\n".join(lines)


def _targets(document: dict[str, Any]) -> str:
    lines = [
        "## Targets\n",
        "| workload | figure | against | bound | reached | |",
        "|---|---|---|---|---|---|",
    ]
    for result in document.values():
        for target in result["targets"]:
            name, unit = _METRICS[target["metric"]]
            unit = "\N{MULTIPLICATION SIGN}" if target["peer"] else unit
            sign = "≥" if target["metric"] == "files_per_second" else "≤"
            lines.append(
                f"| {_capital(result['title'])} | {name} | {target['peer'] or ''} "
                f"| {sign} {target['bound']:,.6g}{unit} | {_short(target['reached'])}{unit} "
                f"| {'met' if target['met'] else '**not met**'} |"
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


def _merged(verified: dict[str, str]) -> list[tuple[str, str]]:
    """Put the tools of which the same was verified together."""
    by_text: dict[str, list[str]] = {}
    for tool, text in verified.items():
        by_text.setdefault(text, []).append(tool)
    return [(", ".join(tools), text) for text, tools in by_text.items()]


def _calls(one: dict[str, Any]) -> str:
    if one["calls"] is None:
        return ""
    lists = f" ({one['lists']:,.0f} lists)" if one["lists"] else ""
    return f"{one['calls']:,.0f}{lists}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
