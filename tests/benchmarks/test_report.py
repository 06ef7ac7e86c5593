"""What `make bench` writes, and what it wrote last: pages and chart show the same figures."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import chart, growth_chart, report, scale, search
from tests.benchmarks.figure import Figure
from tests.markers import read_between

FAST = Figure("fast", "`fast`", "slow", 2.5, bar=2, details={"ratios": [2.4, 2.5]})
LARGE = Figure("large", "large", "small", 1.66, bar=1.5, direction="at most")
BY_SIZE = [
    Figure(
        "size_flat", "f", "few", 1.0, details={"call": "`f`", "sizes": [10, 1000], "ms": [2, 2]}
    ),
    Figure("size_steep", "g", "few", 9, details={"call": "`g`", "sizes": [10, 1000], "ms": [1, 9]}),
]
WITHOUT_BAR = Figure("size", "size", "–", 12345, unit="bytes")
RESULTS = report.Results(
    {"cores": 2, "python": "3.11", "postgres": "15.1", "date": "2026-11-22", "commit": None},
    [FAST, LARGE, WITHOUT_BAR],
    {"peers": "no network"},
)


PAGE = report.HERE / "README.md"


def test_the_page_and_the_readme_say_what_was_measured_and_nothing_else() -> None:
    assert read_between(PAGE, report.COMMAND) == report.section(report.read())
    assert read_between(report.README, report.COMMAND) == report.highlights(report.read())


def test_the_page_shows_each_search_at_scale(tmp_path: Path) -> None:
    marks = {name: [1.25, 30.0] for name in search.SEARCHES}
    figures = [
        Figure("search_50_of_90", "p95", "slowest", 31, 100, "at most", "ms", dict(marks)),
        Figure("search_50_of_1000", "p95", "slowest", 30, 100, "at most", "ms", dict(marks)),
        Figure("search_50_growth", "p50", "most", 1.5, 2, details=dict.fromkeys(marks, 1.5)),
    ]
    page = tmp_path / "README.md"
    page.write_text("<!-- make bench SCALE=1 -->\nold\n<!-- end -->\n")

    scale.write(report.Results({**RESULTS.machine}, figures, {}), tmp_path)

    text = page.read_text()
    assert "| search | 50 messages |\n| --- | --- |\n" in text
    assert "| no search | 1.2, 30.0 ms; 1.5 × |\n" in text
    assert "old" not in text.splitlines()
    assert report.read(tmp_path, scale.FILE).figures == figures


def test_each_highlight_is_measured() -> None:
    assert set(report.HIGHLIGHTS) <= {figure.name for figure in report.read().figures}


def test_each_figure_of_the_page_is_in_the_results() -> None:
    table = re.findall(
        r"^\| (.*) \| .* \| ([\d.,]+) [^|]+ \| .* \|.*\|$", read_between(PAGE, report.COMMAND), re.M
    )

    results = json.loads((report.HERE / "results.json").read_text())
    assert [what for what, _ in table] == [figure["what"] for figure in results["figures"]]
    for (_, seen), figure in zip(table, results["figures"], strict=True):
        assert float(seen.replace(",", "")) == pytest.approx(figure["value"], rel=0.005)


def test_chart_shows_what_was_measured() -> None:
    written = (report.HERE / "chart.svg").read_text()

    assert written == chart.chart(report.read().figures)


AFTER = "After.\n<!-- other -->\n<!-- end -->\n"


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    page, readme = tmp_path / "README.md", tmp_path / "first.md"
    for document, old in ((page, "old\n"), (readme, "")):
        document.write_text(f"Before.\n<!-- make bench -->\n{old}<!-- end -->\n{AFTER}")

    report.write(RESULTS, tmp_path, readme)

    assert report.read(tmp_path) == RESULTS
    text = page.read_text()
    assert text.startswith("Before.\n<!-- make bench -->\n| what |")
    for document in (page, readme):
        assert document.read_text().endswith(f"\n<!-- end -->\n{AFTER}")
    assert "| `fast` | slow | 2.5 × | at least 2 × | yes |\n" in text
    assert "| large | small | 1.66 × | at most 1.5 × | **no** |\n" in text
    assert "| size | – | 12,345 bytes | – |  |\n" in text
    assert "Not measured: peers (no network).\n" in text
    assert "old" not in text.splitlines()
    # No highlight, but it missed its bar.
    assert "| large | small | 1.66 × | at most 1.5 × | **no** |\n" in readme.read_text()
    assert "fast" not in readme.read_text()


def test_chart_draws_past_the_line_what_is_better_than_its_bar() -> None:
    drawn = ElementTree.fromstring(chart.chart(RESULTS.figures))

    reached, missed = drawn.iter("{http://www.w3.org/2000/svg}rect")
    line = chart.x(1)
    assert (reached.get("class"), reached.get("x")) == ("reached", str(line))
    assert missed.get("class") == "missed"
    assert float(missed.attrib["x"]) + float(missed.attrib["width"]) == pytest.approx(line)


def test_the_chart_of_growth_draws_what_does_not_grow_level(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("<!-- make bench -->\n<!-- end -->\n")

    report.write(report.Results(RESULTS.machine, BY_SIZE, {}), tmp_path, page)

    assert "(growth.svg)" in report.section(report.read(tmp_path))
    drawn = ElementTree.parse(tmp_path / "growth.svg")
    flat, _, steep, _ = drawn.iter("{http://www.w3.org/2000/svg}polyline")
    heights = [
        [float(point.split(",")[1]) for point in line.attrib["points"].split()]
        for line in (flat, steep)
    ]
    assert heights[0][0] == heights[0][1]
    assert heights[1][0] > heights[1][1]
    assert "g: 9 ×" in {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}


def test_labels_of_the_chart_of_growth_do_not_overlap() -> None:
    assert growth_chart.apart([100, 20, 101, 300]) == [100, 20, 118, 300]


def test_a_benchmark_that_fails_is_reported_and_costs_no_other_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmarks, "BENCHMARKS", ("no_such_module", "start"))
    monkeypatch.setattr("tests.benchmarks.start.measure", lambda: iter([FAST]))
    written: list[report.Results] = []
    monkeypatch.setattr(report, "write", written.append)

    status = benchmarks.main([])

    assert status == 1
    assert written[0].figures == [FAST]
    assert written[0].not_measured == {"no_such_module": "failed, ModuleNotFoundError"}
    assert report.line(FAST) in capsys.readouterr().out


def test_one_benchmark_alone_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.benchmarks.start.measure", lambda: iter([FAST]))
    monkeypatch.delattr(report, "write")

    assert benchmarks.main(["--only", "start"]) == 0
