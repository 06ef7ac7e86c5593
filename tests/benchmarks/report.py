"""What a whole run has measured: results.json, and from it the chart and the tables.

tests/benchmarks/README.md has every figure, README.md of the project those of HIGHLIGHTS.
"""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.chart import chart
from tests.benchmarks.figure import Figure
from tests.benchmarks.growth_chart import growth_chart
from tests.benchmarks.postgres import server_version
from tests.markers import write_between

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
README = ROOT / "README.md"
COMMAND = "make bench"
# The figures that say most to a newcomer.
HIGHLIGHTS = (
    "start_distinct", "start_python_distinct_procrastinate", "pickup_p99_pgqueuer", "growth_claim",
    "throughput_real_1_google", "lieer", "quota", "sync_now", "fan_out", "memory",
)  # fmt: skip
GROWTH = """
What each call costs by the size of the installation, and how many times as much in the largest:

![Cost of each call by number of accounts](growth.svg)
"""
HEAD = """\
| what | compared with | measured | bar | reached |
| --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Results:
    """`not_measured` has the reason for each benchmark that was skipped or failed."""

    machine: dict[str, int | str | None]
    figures: list[Figure]
    not_measured: dict[str, str]


def machine() -> dict[str, int | str | None]:
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "postgres": server_version(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit(),
    }


def commit() -> str | None:
    """The commit that was measured; None outside of a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def write(results: Results, folder: Path = HERE, readme: Path = README) -> None:
    save(results, folder / "results.json")
    (folder / "chart.svg").write_text(chart(results.figures))
    if has_growth(results):
        (folder / "growth.svg").write_text(growth_chart(results.figures))
    write_between(folder / "README.md", COMMAND, section(results))
    write_between(readme, COMMAND, highlights(results))


def write_of_sizes(results: Results, sizes: str, command: str, file: Path) -> None:
    """Write what was measured at several sizes, and a table of it, into the file's folder."""
    save(results, file)
    text = f"{table(results.figures)}\n{sizes}\n{provenance(results, command, file.name)}\n"
    write_between(file.with_name("README.md"), command, text)


def save(results: Results, file: Path) -> None:
    file.write_text(json.dumps(asdict(results), indent=2, ensure_ascii=False) + "\n")


def read(folder: Path = HERE, file: str = "results.json") -> Results:
    """What was written last. FileNotFoundError: nothing was written yet."""
    found = json.loads((folder / file).read_text())
    return Results(**{**found, "figures": [Figure(**each) for each in found["figures"]]})


def section(results: Results) -> str:
    return (
        f"{table(results.figures)}\n{left_out(results.not_measured)}"
        f"{provenance(results, COMMAND, 'results.json')}\n"
        "![Each figure beside its bar](chart.svg)\n" + GROWTH * has_growth(results)
    )


def has_growth(results: Results) -> bool:
    """Whether calls were measured in installations of several sizes."""
    return any(figure.name.startswith("size_") for figure in results.figures)


def provenance(results: Results, command: str, file: str) -> str:
    """What measured it, on what and when, and where all details are."""
    where = results.machine
    return (
        f"`{command}` on {where['cores']} cores, Postgres {where['postgres']}, Python"
        f" {where['python']}, {where['date']}, commit {where['commit'] or 'unknown'};"
        f" [all details]({file}).\n"
    )


def highlights(results: Results) -> str:
    """HIGHLIGHTS, and each figure that misses its bar."""
    return table([each for each in results.figures if each.name in HIGHLIGHTS or not each.reached])


def table(figures: list[Figure]) -> str:
    return HEAD + "".join(map(line, figures))


def line(figure: Figure) -> str:
    bar = "–" if figure.bar is None else f"{figure.direction} {figure.amount(figure.bar)}"
    reached = "" if figure.bar is None else "yes" if figure.reached else "**no**"
    measured = figure.amount(figure.value)
    return f"| {figure.what} | {figure.beside} | {measured} | {bar} | {reached} |\n"


def left_out(not_measured: dict[str, str]) -> str:
    return "".join(f"Not measured: {name} ({why}).\n\n" for name, why in not_measured.items())
