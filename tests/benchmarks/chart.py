"""The figures that have a bar to reach, drawn as plain SVG.

Each column shows how far a figure is past its bar, on a logarithmic scale from 1/LIMIT to LIMIT.
Right of the line is better than the bar, for both directions.
"""

import math
import re
from html import escape

from tests.benchmarks.figure import Figure

LIMIT = 16.0
MARKS = (1 / 16, 1 / 4, 1 / 2, 1, 2, 4, 16)
WIDTH, MARGIN, TOP, ROW, THICK = 800, 16, 44, 46, 12

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.mark { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0 }
.bar { stroke: #1f2328; stroke-width: 2 }
.reached { fill: #2da44e }
.missed { fill: #cf5b13 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .mark { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .bar { stroke: #e6edf3 }
  .reached { fill: #3fb950 }
  .missed { fill: #f0883e }
}"""


def chart(figures: list[Figure]) -> str:
    drawn = [figure for figure in figures if figure.bar is not None]
    height = TOP + ROW * len(drawn) + MARGIN
    rows = "".join(row(figure, TOP + ROW * number) for number, figure in enumerate(drawn))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" role="img" aria-label="Each figure beside its bar">\n'
        f"<style>\n{STYLE}\n</style>\n{scale(height)}{rows}</svg>\n"
    )


def scale(height: int) -> str:
    """The line at the bar, and lines at some multiples of it."""
    drawn = []
    for mark in MARKS:
        times = f"{mark:.0f} ×" if mark > 1 else f"1/{1 / mark:.0f}"
        name, kind = ("the bar", "bar") if mark == 1 else (times, "grid")
        drawn.append(
            f'<text class="mark" x="{x(mark)}" y="{TOP - 24}" text-anchor="middle">{name}</text>\n'
            f'<line class="{kind}" x1="{x(mark)}" y1="{TOP - 16}" x2="{x(mark)}"'
            f' y2="{height - MARGIN}"/>\n'
        )
    return "".join(drawn)


def row(figure: Figure, top: int) -> str:
    """The label, and below it a bar from the line to where the figure is."""
    assert figure.bar is not None
    seen, asked = figure.amount(figure.value), figure.amount(figure.bar)
    name = escape(re.sub("`", "", figure.what))
    kind = "reached" if figure.reached else "missed"
    ends = sorted((x(1), x(past_its_bar(figure))))
    return (
        f'<text x="{MARGIN}" y="{top + 12}">{name}</text>\n'
        f'<text x="{WIDTH - MARGIN}" y="{top + 12}" text-anchor="end">'
        f"{seen}, {kind}: {figure.direction} {asked}</text>\n"
        f'<rect class="{kind}" x="{ends[0]}" y="{top + 19}" width="{ends[1] - ends[0]:.1f}"'
        f' height="{THICK}"/>\n'
    )


def past_its_bar(figure: Figure) -> float:
    """How many times as good as was asked for."""
    assert figure.bar is not None
    times = figure.value / figure.bar
    return times if figure.direction == "at least" else 1 / times


def x(times: float) -> float:
    """Where on the scale, in pixels."""
    clipped = min(LIMIT, max(1 / LIMIT, times))
    share = (math.log(clipped) / math.log(LIMIT) + 1) / 2
    return round(MARGIN * 3 + share * (WIDTH - MARGIN * 6), 1)
