"""What a whole run has measured: results.json, and from it the chart and the table in README.md."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.chart import chart
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import server_version
from tests.markers import write_between

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
README = ROOT / "README.md"
COMMAND = "make bench"
HEAD = """\
| what | beside | seen | bar | reached |
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
    """What was measured, as git calls it; None where git knows nothing of it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def write(results: Results, folder: Path = HERE, readme: Path = README) -> None:
    text = json.dumps(asdict(results), indent=2, ensure_ascii=False)
    (folder / "results.json").write_text(f"{text}\n")
    (folder / "chart.svg").write_text(chart(results.figures))
    write_between(readme, COMMAND, section(results))


def read(folder: Path = HERE) -> Results:
    """What was written. FileNotFoundError: nothing was."""
    found = json.loads((folder / "results.json").read_text())
    return Results(**{**found, "figures": [Figure(**each) for each in found["figures"]]})


def section(results: Results) -> str:
    where = results.machine
    lines = "".join(line(figure) for figure in results.figures)
    return (
        f"{HEAD}{lines}\n{left_out(results.not_measured)}"
        f"`{COMMAND}` on {where['cores']} cores, Postgres {where['postgres']}, Python"
        f" {where['python']}, {where['date']}, commit {where['commit'] or 'unknown'};"
        " [all it measured](tests/benchmarks/results.json).\n\n"
        "![Each figure beside its bar](tests/benchmarks/chart.svg)\n"
    )


def line(figure: Figure) -> str:
    bar = "told" if figure.bar is None else f"{figure.direction} {figure.amount(figure.bar)}"
    reached = "" if figure.bar is None else "yes" if figure.reached else "**no**"
    seen = figure.amount(figure.value)
    return f"| {figure.what} | {figure.beside} | {seen} | {bar} | {reached} |\n"


def left_out(not_measured: dict[str, str]) -> str:
    return "".join(f"Not measured: {name} ({why}).\n\n" for name, why in not_measured.items())
