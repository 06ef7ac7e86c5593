"""The table of figures in tests/README.md."""

from pathlib import Path

import pytest

from tests.chaos import figures

TABLE = "| | |\n| --- | --- |\n| clicks | 3 ms |\n| syncs | 7 |\n<!-- end of figures -->\n\nMore.\n"


@pytest.fixture
def readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    readme = tmp_path / "README.md"
    readme.write_text(TABLE)
    monkeypatch.setattr(figures, "README", readme)
    return readme


def test_a_figure_takes_the_place_of_the_one_before(
    readme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMAIL_SYNC_CHAOS", "tell")

    figures.tell("clicks", "4 ms")
    figures.tell("watchers", "1")

    lines = "| syncs | 7 |\n| clicks | 4 ms |\n| watchers | 1 |\n<!--"
    assert lines in readme.read_text()
    assert readme.read_text().count("clicks") == 1


def test_figures_are_written_by_make_chaos_alone(readme: Path) -> None:
    figures.tell("clicks", "4 ms")

    assert readme.read_text() == TABLE
