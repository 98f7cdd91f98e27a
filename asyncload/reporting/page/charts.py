"""Charts as inline SVG; their labels are HTML, so that they stay readable at any width. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

WIDTH, HEIGHT = 600, 100
_OPEN = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img"'


def area_chart(
    title: str,
    values: Sequence[float],
    seconds: float,
    form: Callable[[float], str],
) -> str:
    """Return a chart of values, of which each covers `seconds`; `form` formats a value."""
    top = max(values, default=0.0) or 1.0
    step = WIDTH / max(1, len(values))
    points = [f"M0 {HEIGHT}"]
    for at, value in enumerate(values):
        height = HEIGHT * (1 - value / top)
        points.append(f"L{at * step:.1f} {height:.1f}H{(at + 1) * step:.1f}")
    points.append(f"L{WIDTH} {HEIGHT}Z")
    shape = f'<path class="area" d="{"".join(points)}"/>'
    return _figure(title, shape, form(top), len(values) * seconds)


def step_chart(
    title: str,
    changes: Sequence[tuple[float, int, bool]],
    seconds: float,
    form: Callable[[float], str],
) -> str:
    """Return a chart of a level that changes at times, with a mark at each change that is marked.

    `seconds` is the length of the whole time.
    """
    top = max((level for _, level, _ in changes), default=0) or 1
    length = seconds or 1.0
    points: list[str] = []
    marks: list[str] = []
    for time, level, marked in changes:
        x = WIDTH * min(1.0, max(0.0, time) / length)
        y = HEIGHT * (1 - level / top)
        points.append(f"H{x:.1f}V{y:.1f}" if points else f"M0 {y:.1f}")
        if marked:
            marks.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}"/>')
    shape = f'<path class="step" d="{"".join(points)}H{WIDTH}"/>{"".join(marks)}'
    return _figure(title, shape, form(top), seconds)


def _figure(title: str, shape: str, top: str, seconds: float) -> str:
    label = escape(f"{title}; maximum {top}, over {duration(seconds)}")
    return (
        f"<figure><figcaption>{escape(title)}: up to {escape(top)}</figcaption>"
        f'{_OPEN} aria-label="{label}">{shape}</svg>'
        f'<div class="ends"><span>0 s</span><span>{duration(seconds)}</span></div></figure>'
    )


def bar(share: float) -> str:
    """Return a horizontal bar that covers a share of its cell; it repeats a number beside it."""
    width = f"{100 * share:.1f}%"
    return f'<svg aria-hidden="true"><rect width="{width}" height="100%"/></svg>'


def duration(seconds: float) -> str:
    """Format a duration: `0.4 s`, `12 s`, `4 min`, `3 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 180:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3 * 3600 else f"{seconds / 3600:.1f} h"
