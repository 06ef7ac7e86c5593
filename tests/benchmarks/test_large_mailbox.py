"""What an operation takes for a message does not grow with the mailbox."""

from pathlib import Path

import pytest

from tests.benchmarks import large_mailbox, report
from tests.benchmarks.machine import Installation
from tests.benchmarks.usage import Usage
from tests.cluster import Cluster
from tests.markers import read_between

OPERATIONS = (
    "list", "fetch and store", "sync with nothing new", "full sync again", "switch to raw",
    "fetch raw copies", "verify", "export", "delete",
)  # fmt: skip


@pytest.mark.gate
@pytest.mark.serial
def test_a_message_costs_the_same_in_a_mailbox_ten_times_as_large(
    cluster: Cluster, template: str
) -> None:
    (figures,) = large_mailbox.measured(Installation(cluster, template), (1_000, 10_000))

    assert [figure.what.partition(":")[0] for figure in figures[::2]] == list(OPERATIONS)
    assert [figure for figure in figures if not figure.reached] == []


def test_the_page_shows_each_operation_at_each_size(tmp_path: Path) -> None:
    usages = {10: Usage(1, 0.25, 0.75, 50 << 20, 10 << 20), 1000: Usage(90, 50, 50, 99 << 20, 11)}
    figures = [
        large_mailbox.cpu_figure("list", usages),
        large_mailbox.memory_figure("list", usages),
    ]
    page = tmp_path / "README.md"
    page.write_text(f"<!-- {large_mailbox.COMMAND} -->\nold\n<!-- end -->\n")

    results = report.Results(
        {"cores": 2, "python": "3", "postgres": "15", "date": "", "commit": None}, figures, {}
    )
    large_mailbox.write(results, tmp_path)

    text = read_between(page, large_mailbox.COMMAND)
    assert "| list: CPU for a message, of 1,000 | of 10 | 1 × | at most 1.5 × | yes |\n" in text
    assert "| at most 1.1 × | **no** |\n" in text
    assert "| operation | 10 messages | 1,000 messages |\n| --- | --- | --- |\n" in text
    assert "| list | 2.5e+04 + 7.5e+04 µs; 50 MB, 10 MB | 5e+04 + 5e+04 µs; 99 MB, 0 MB |\n" in text
    assert report.read(tmp_path, large_mailbox.FILE).figures == figures
