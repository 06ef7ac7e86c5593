"""What each call costs in installations of several sizes, drawn as plain SVG.

Both axes are logarithmic: a level line is a cost that does not depend on the size, a diagonal is
one that grows with it.
"""

import math
import re
from html import escape

from tests.benchmarks.figure import Figure

WIDTH, HEIGHT = 800, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 330, 16, 48
LABEL_HEIGHT = 18
LIGHT_AND_DARK = (
    ("#0969da", "#58a6ff"), ("#cf5b13", "#f0883e"), ("#1a7f37", "#3fb950"), ("#8250df", "#bc8cff"),
    ("#bf3989", "#f778ba"), ("#9a6700", "#d29922"), ("#57606a", "#b1bac4"), ("#0a7c86", "#39c5cf"),
)  # fmt: skip
STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.mark { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0 }
polyline { fill: none; stroke-width: 2 }
"""
DARK = """\
  text { fill: #e6edf3 }
  .mark { fill: #9198a1 }
  .grid { stroke: #3d444d }
"""


def growth_chart(figures: list[Figure]) -> str:
    lines = [Line(figure) for figure in figures if "sizes" in figure.details]
    sizes = lines[0].sizes
    costs = [cost for line in lines for cost in line.ms]
    across = Scale(sizes[0], sizes[-1], LEFT, WIDTH - RIGHT)
    up = Scale(decade(min(costs)), decade(max(costs)) * 10, HEIGHT - BOTTOM, TOP)
    drawn = "".join(vertical(across.at(size), f"{size:,.0f}") for size in sizes)
    drawn += "".join(horizontal(up.at(mark), f"{mark:g} ms") for mark in up.decades())
    labels = apart([up.at(line.ms[-1]) for line in lines])
    for number, (line, label) in enumerate(zip(lines, labels, strict=True)):
        points = zip(map(across.at, line.sizes), map(up.at, line.ms), strict=True)
        drawn += line.drawn(number, list(points), label)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" role="img" aria-label="Cost of each call by number of accounts">\n'
        f"<style>\n{style(len(lines))}</style>\n{drawn}"
        f'<text class="mark" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}"'
        ' text-anchor="middle">accounts</text>\n</svg>\n'
    )


class Line:
    """One call."""

    def __init__(self, figure: Figure) -> None:
        sizes, ms, call = (figure.details[name] for name in ("sizes", "ms", "call"))
        assert isinstance(sizes, list)
        assert isinstance(ms, list)
        self.sizes, self.ms = sizes, ms
        self.label = f"{re.sub('`', '', str(call))}: {figure.amount(figure.value)}"

    def drawn(self, number: int, points: list[tuple[float, float]], label: float) -> str:
        path = " ".join(f"{x},{y}" for x, y in points)
        x, y = points[-1]
        return (
            f'<polyline class="line{number}" points="{path}"/>\n'
            f'<polyline class="line{number}" points="{x},{y} {x + 14},{label}"/>\n'
            f'<text x="{x + 18}" y="{label + 4}">{escape(self.label)}</text>\n'
        )


class Scale:
    """Logarithmic, in pixels."""

    def __init__(self, first: float, last: float, begin: float, end: float) -> None:
        self.first, self.last, self.begin, self.end = first, last, begin, end

    def at(self, value: float) -> float:
        share = math.log(value / self.first) / math.log(self.last / self.first)
        return round(self.begin + share * (self.end - self.begin), 1)

    def decades(self) -> list[float]:
        count = round(math.log10(self.last / self.first))
        return [self.first * 10**power for power in range(count + 1)]


def decade(value: float) -> float:
    """The power of ten that is not above the value."""
    return float(10.0 ** math.floor(math.log10(value)))


def apart(places: list[float]) -> list[float]:
    """The places, moved down where two labels would overlap."""
    moved = dict[int, float]()
    last = -math.inf
    for number in sorted(range(len(places)), key=places.__getitem__):
        last = moved[number] = max(places[number], last + LABEL_HEIGHT)
    return [moved[number] for number in range(len(places))]


def vertical(x: float, name: str) -> str:
    end = HEIGHT - BOTTOM
    return (
        f'<line class="grid" x1="{x}" y1="{TOP}" x2="{x}" y2="{end}"/>\n'
        f'<text class="mark" x="{x}" y="{end + 16}" text-anchor="middle">{name}</text>\n'
    )


def horizontal(y: float, name: str) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>\n'
        f'<text class="mark" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{name}</text>\n'
    )


def style(lines: int) -> str:
    colours = LIGHT_AND_DARK[:lines]
    light = "".join(f".line{n} {{ stroke: {colour} }}\n" for n, (colour, _) in enumerate(colours))
    dark = "".join(f"  .line{n} {{ stroke: {colour} }}\n" for n, (_, colour) in enumerate(colours))
    return f"{STYLE}{light}@media (prefers-color-scheme: dark) {{\n{DARK}{dark}}}\n"
