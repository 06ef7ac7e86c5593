"""The shapes of charts."""

import pytest

from service.web.charts import HEIGHT, WIDTH, Series, columns, lines, round_number, round_seconds


def test_columns_stand_on_each_other() -> None:
    chart = columns([Series("good", [2, 0]), Series("bad", [1, 5])])
    assert (chart.top, chart.step) == (5, WIDTH / 2)
    first, above, alone = chart.bars
    assert (first.style, above.style, alone.style) == ("good", "bad", "bad")
    assert first.y + first.height == HEIGHT
    assert above.y + above.height == first.y
    assert first.x == above.x < first.x + first.width < alone.x
    assert (alone.y, alone.height) == (0, HEIGHT)


def test_a_line_is_broken_where_nothing_is_known() -> None:
    chart = lines([Series("wait", [None, 1, 2, None, 4, 0])], round_seconds)
    assert chart.top == 5
    step = WIDTH / 6
    assert [line.d for line in chart.lines] == [
        f"M{step:g} 128H{2 * step:g}V96H{3 * step:g}",
        f"M{4 * step:g} 32H{5 * step:g}V160H{WIDTH:g}",
    ]


@pytest.mark.parametrize("draw", [columns, lines])
def test_where_nothing_was_there_is_nothing_to_see(draw: object) -> None:
    chart = draw([Series("any", [0, None] if draw is columns else [None, None])])  # type: ignore[operator]
    assert (chart.bars, chart.lines) == ([], [])
    assert chart.top == 1


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (1.1, 2), (5, 5), (6, 10), (10, 10), (11, 20), (4150, 5000)]
)
def test_an_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert round_number(value) == top


@pytest.mark.parametrize(
    ("seconds", "top"), [(0, 1), (3, 5), (31, 60), (61, 120), (3601, 7200), (86401, 172800)]
)
def test_an_axis_ends_at_a_length_of_time_one_can_say(seconds: float, top: float) -> None:
    assert round_seconds(seconds) == top
