"""The figures of the operators' page: charts of what syncs did, with captions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from decimal import Decimal

from service.i18n.translator import Translator
from service.postgres.calls import Row
from service.web.charts import Chart, Series, columns, lines, round_seconds

OUTCOMES = ("succeeded", "superseded", "cancelled", "reaped", "failed")
WAITS = ("queue_median", "queue_p95")
RATES = ("messages_a_minute",)
UNITS = (("d", 86400), ("h", 3600), ("min", 60))

Format = Callable[..., str]


@dataclass(frozen=True)
class Figure:
    """A chart with its captions. `top` is the end of the value axis, `series` one total for each.

    `tips` has one line for each part of the time axis, `axis` the times at four even places.
    """

    name: str
    chart: Chart
    top: str
    series: dict[str, str]
    tips: list[str]
    axis: list[str]


def ages(language: Translator) -> Format:
    """Formats a length of time, in seconds or as an interval, in one unit."""

    def age(length: float | timedelta | None) -> str:
        if length is None:
            return "–"
        seconds = length.total_seconds() if isinstance(length, timedelta) else length
        for unit, span in UNITS:
            if seconds >= 2 * span or seconds == span:
                return language.translate("operator.length." + unit, number=round(seconds / span))
        return language.translate("operator.length.s", number=round(seconds))

    return age


def figures(language: Translator, zone: tzinfo, activity: list[Row]) -> list[Figure]:
    """Made of the rows of sync_activity()."""
    age, number = ages(language), language.format
    clocks = [f"{row['bucket'].astimezone(zone):%H:%M}" for row in activity]

    def figure(
        name: str, chart: Chart, top: str, series: dict[str, str], format_value: Format
    ) -> Figure:
        tips = [
            " · ".join(
                [clock, *(_labelled(language, each, row[each], format_value) for each in series)]
            )
            for clock, row in zip(clocks, activity, strict=True)
        ]
        return Figure(name, chart, top, series, tips, clocks[:: len(clocks) // 4][:4])

    def series(names: Iterable[str]) -> list[Series]:
        return [Series(name, [_as_number(row[name]) for row in activity]) for name in names]

    runs, rates = columns(series(OUTCOMES)), columns(series(RATES))
    queue = lines(series(WAITS), round_seconds)
    totals = {name: number(sum(row[name] for row in activity)) for name in OUTCOMES}
    most = {name: number(round(max(row[name] for row in activity))) for name in RATES}
    longest = {
        name: age(max((row[name] for row in activity if row[name] is not None), default=None))
        for name in WAITS
    }
    return [
        figure("runs", runs, number(int(runs.top)), totals, number),
        figure("queue", queue, age(queue.top), longest, age),
        figure("messages", rates, number(int(rates.top)), most, number),
    ]


def _labelled(language: Translator, name: str, value: object, format_value: Format) -> str:
    return f"{language.translate('operator.series.' + name)} {format_value(value)}"


def _as_number(value: float | Decimal | timedelta | None) -> float | None:
    if value is None:
        return None
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
