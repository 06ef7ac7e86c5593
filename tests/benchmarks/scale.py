"""`make bench SCALE=1`: search in mailboxes of up to a million messages, beside millions of others.

Writes scale.json, and from it a section of README.md.
"""

from pathlib import Path

from tests.benchmarks import report, search
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import running_server
from tests.markers import write_between

COMMAND = "make bench SCALE=1"
FILE = "scale.json"
MAILBOXES = (10_000, 100_000, 1_000_000)
# The first is of these mailboxes only.
INSTALLATIONS = (sum(MAILBOXES), 5_000_000)


def main() -> None:
    figures = []
    print(report.HEAD, end="")
    with running_server() as server:
        for figure in search.measured(server, MAILBOXES, INSTALLATIONS, search.ROUNDS):
            print(report.line(figure), end="", flush=True)
            figures.append(figure)
    write(report.Results(report.machine(), figures, {}))


def write(results: report.Results, folder: Path = report.HERE) -> None:
    report.save(results, folder / FILE)
    write_between(folder / "README.md", COMMAND, section(results))


def section(results: report.Results) -> str:
    return (
        f"{report.table(results.figures)}\n"
        f"{of_each_search(results.figures)}\n"
        f"{report.provenance(results, COMMAND, FILE)}\n"
    )


def of_each_search(figures: list[Figure]) -> str:
    """p50 and p95 in the larger installation, and how p50 grows from the smaller to it."""
    by_name = {figure.name: figure.details for figure in figures}
    mailboxes = [int(name.split("_")[1]) for name in by_name if name.endswith("_growth")]
    installation = max(int(name.split("_")[3]) for name in by_name if "_of_" in name)
    lines = [
        "| search | " + " | ".join(f"{count:,} messages" for count in mailboxes) + " |",
        "| --- " * (1 + len(mailboxes)) + "|",
    ]
    for name in search.SEARCHES:
        cells = []
        for count in mailboxes:
            p50, p95 = by_name[f"search_{count}_of_{installation}"][name]
            cells.append(f"{p50:.1f}, {p95:.1f} ms; {by_name[f'search_{count}_growth'][name]} ×")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
