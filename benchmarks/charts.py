"""The results as a chart in SVG, for the README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_TIMES = "\N{MULTIPLICATION SIGN}"
_OURS_COLOUR = "#0b6e4f"
_PEER_COLOUR = "#b8c4cc"
_WIDTH = 8.5
_ROW = 0.24
_GAP = 0.75
# A row with less than a hundredth of the files can't be scaled to all files.
_FEWEST_SHARE = 100


def draw_chart(document: dict[str, Any], ours: str, path: Path) -> bool:
    """Draw one bar of wall time per row and one panel per workload; return whether anything was
    drawn.

    Workloads without another tool are omitted. The bar of a row with fewer files is scaled to all
    files, and its label starts with ≈; a row with very few files is omitted.
    """
    # Imported late: it is needed only at the end, and if it isn't installed there is no chart.
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    panels = [
        result | {"medians": _comparable(result)}
        for result in document.values()
        if len(result["medians"]) > 1
    ]
    if not panels:
        return False
    # The same figures must give the same file.
    mpl.rcParams["svg.hashsalt"] = "asyncload"
    mpl.rcParams["svg.fonttype"] = "none"
    rows = [len(panel["medians"]) for panel in panels]
    figure = Figure(
        figsize=(_WIDTH, sum(_ROW * count + _GAP for count in rows)),
        # Fonts differ between viewers: leave room for wider names.
        layout=ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.08),
    )
    figure.patch.set_facecolor("white")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[c + 1.2 for c in rows])
    for axis, panel in zip(axes[:, 0], panels, strict=True):
        _draw_panel(axis, panel, ours)
    figure.suptitle(
        f"Wall time of the whole process, and how many times ours it is ({ours} is green)",
        fontsize=9,
    )
    figure.savefig(path, format="svg", metadata={"Date": None})
    return True


def _comparable(result: dict[str, Any]) -> dict[str, Any]:
    """Return the wall time of each row for all files, and whether it was scaled."""
    return {
        row: {
            "wall": one["wall"] * (result["bytes"] or 1) / (one["size"] or 1),
            "reckoned": one["size"] != result["bytes"],
        }
        for row, one in result["medians"].items()
        if one["size"] * _FEWEST_SHARE >= result["bytes"]
    }


def _draw_panel(axis: Any, panel: dict[str, Any], ours: str) -> None:
    medians = sorted(panel["medians"].items(), key=lambda item: item[1]["wall"], reverse=True)
    names = [name for name, _ in medians]
    walls = [one["wall"] for _, one in medians]
    colours = [_OURS_COLOUR if name == ours else _PEER_COLOUR for name in names]
    bars = axis.barh(names, walls, color=colours, height=0.72)
    own = panel["medians"].get(ours, {}).get("wall")
    labels = [
        f" {'≈' if one['reckoned'] else ''}{wall:.2f} s"
        + (f"  ({wall / own:.2g}{_TIMES})" if own and name != ours else "")
        for (name, one), wall in zip(medians, walls, strict=True)
    ]
    axis.bar_label(bars, labels, fontsize=8)
    axis.set_title(panel["title"], loc="left", fontsize=9, fontweight="bold")
    axis.set_xlim(0, max(walls) * 1.18)
    axis.tick_params(axis="y", length=0, labelsize=8)
    axis.xaxis.set_visible(False)
    for side in ("top", "right", "bottom", "left"):
        axis.spines[side].set_visible(False)
