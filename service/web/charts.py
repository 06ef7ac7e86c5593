"""The shapes of small charts: columns that stand on each other, and lines in steps.

Only the plot is SVG, stretched to the available width (templates/charts.html). Texts are
HTML beside it. Series differ in style, not only in colour.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

# Units of the plot, whatever its size on a screen.
WIDTH, HEIGHT = 960.0, 160.0
# The part of its room that a column takes.
FILLED = 0.8
ROUND_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400)


@dataclass(frozen=True)
class Series:
    """`style` is a class of page's style sheet; a value that is None leaves a gap."""

    style: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Bar:
    style: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """`d` is the path of an SVG."""

    style: str
    d: str


@dataclass(frozen=True)
class Chart:
    """A plot from 0 to `top`; each part of the axis is `step` wide."""

    kind: Literal["columns", "lines"]
    top: float
    step: float
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    width: float = WIDTH
    height: float = HEIGHT


def round_number(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, …"""
    if value <= 1:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power)


def round_seconds(value: float) -> float:
    """The next length of time that is said in a word or two."""
    days = ROUND_SECONDS[-1]
    return next((each for each in ROUND_SECONDS if value <= each), math.ceil(value / days) * days)


def columns(series: Sequence[Series]) -> Chart:
    """Columns of all series, the first at the bottom. They are of one length."""
    heaps = [
        [value or 0 for value in heap] for heap in zip(*(s.values for s in series), strict=True)
    ]
    top, step = round_number(max(map(sum, heaps), default=0)), WIDTH / max(1, len(heaps))
    bars = []
    for place, heap in enumerate(heaps):
        below = 0.0
        for each, value in zip(series, heap, strict=True):
            if value:
                below += value
                y, height = HEIGHT * (1 - below / top), HEIGHT * value / top
                x = step * (place + (1 - FILLED) / 2)
                bars.append(Bar(each.style, *_rounded(x, y, step * FILLED, height)))
    return Chart("columns", top, step, bars=bars)


def lines(series: Sequence[Series], round_up: Callable[[float], float] = round_number) -> Chart:
    """A line in steps for each series, broken where there is nothing. They are of one length."""
    values = [value for each in series for value in each.values if value is not None]
    top, step = round_up(max(values, default=0)), WIDTH / max(1, len(series[0].values))
    drawn = [
        Line(each.style, _steps(stretch, step, top))
        for each in series
        for stretch in _stretches(each.values)
    ]
    return Chart("lines", top, step, lines=drawn)


def _stretches(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """What lies between gaps: places and values."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    return [
        [pair for _, pair in group]
        for _, group in groupby(enumerate(known), lambda each: each[1][0] - each[0])
    ]


def _steps(stretch: list[tuple[int, float]], step: float, top: float) -> str:
    path: list[str] = []
    for place, value in stretch:
        start, y, end = _rounded(step * place, HEIGHT * (1 - value / top), step * (place + 1))
        path.append(f"{'V' if path else f'M{start:g} '}{y:g}H{end:g}")
    return "".join(path)


def _rounded(*numbers: float) -> tuple[float, ...]:
    return tuple(round(number, 1) for number in numbers)
