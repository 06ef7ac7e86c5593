"""What each operation on a mailbox takes for a message, as the mailbox grows.

A simulated mailbox of small messages, the quota off. For each size there are a new database, one
worker, and a process for each command. What counts is the CPU time and the memory of the worker or
the command, and of their server processes. Nothing waits for the disk, because that would only hide
what grows. Before the second full sync, Gmail loses each DELETED-th message.

Writes large_mailbox.json after each size, and from it a section of README.md.
"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import TICKS, Database, Gmail, Installation, gmail, process
from tests.benchmarks.usage import Meter, Usage
from tests.cluster import Cluster
from tests.conftest import make_template
from tests.functions.conftest import only
from tests.waiting import wait_until

COMMAND = "python -m tests.benchmarks --scale mailbox"
FILE = "large_mailbox.json"
SIZES = (10_000, 100_000, 1_000_000)
USER = "user-42"
DELETED = 50
SYNC_SECONDS = 7200
CPU_BAR, MEMORY_BAR = 1.5, 1.1
MB = 1 << 20
# More than the smallest mailbox may take: allocators round up, and a sort may fill work_mem.
SPARE_BYTES = 16 * MB
# What is measured of each size.
Usages = dict[int, Usage]


def main(sizes: Sequence[int]) -> None:
    # Before anything is written, which would be a change since the commit.
    machine = report.machine()
    with Cluster(fsync=False) as cluster:
        for found in measured(Installation(cluster, make_template(cluster)), sizes):
            print(report.table(found), of_each_size(found), sep="\n", flush=True)
            if tuple(sizes) == SIZES:
                # Each time, because the largest takes long and may not end.
                write(report.Results(machine, found, {}))


def measured(installation: Installation, sizes: Sequence[int]) -> Iterator[list[Figure]]:
    """After each size but the first, the figures of all so far."""
    taken: dict[str, Usages] = {}
    for size in sizes:
        for operation, usage in operations(installation, size):
            print(f"{size:>9,} {operation}: {usage}", flush=True)
            taken.setdefault(operation, {})[size] = usage
        if size != sizes[0]:
            yield [
                figure(operation, usages)
                for operation, usages in taken.items()
                for figure in (cpu_figure, memory_figure)
            ]


def operations(installation: Installation, size: int) -> Iterator[tuple[str, Usage]]:
    with ExitStack() as down:
        mailbox = down.enter_context(gmail("tiny", size))
        database = down.enter_context(installation.database())
        database.connect_user(USER)
        worker = down.enter_context(database.worker(mailbox.url))
        yield from syncs(database, mailbox, worker, size)
        # A worker may begin with the run before the command has ended.
        with Meter(database, worker) as fetching:
            with command(
                database, mailbox, "account", "set", USER, "--content-mode", "raw"
            ) as usage:
                yield "switch to raw", usage
            database.finished(latest_run(database), seconds=SYNC_SECONDS)
        yield "fetch raw copies", fetching
        with command(database, mailbox, "verify", USER) as usage:
            yield "verify", usage
        folder = down.enter_context(tempfile.TemporaryDirectory())
        with command(database, mailbox, "export", USER, "--output", f"{folder}/mbox") as usage:
            yield "export", usage
        with command(database, mailbox, "account", "delete", USER, "--yes") as usage:
            yield "delete", usage
        assert only(database.db, "select count(*) from gmail_sync.message") == 0


def syncs(
    database: Database, mailbox: Gmail, worker: int, size: int
) -> Iterator[tuple[str, Usage]]:
    with Meter(database, worker) as usage:
        task_id = database.start(USER)
        wait_until(lambda: phase(database, task_id) not in ("queued", "listing"), SYNC_SECONDS)
    yield "list", usage
    with Meter(database, worker) as usage:
        run = database.finished(task_id, seconds=SYNC_SECONDS)
    assert run["current_stats"]["new"] == size
    yield "fetch and store", usage
    with Meter(database, worker) as usage:
        database.finished(database.start(USER))
    yield "sync with nothing new", usage
    deleted = delete_some(database, mailbox)
    with Meter(database, worker) as usage:
        task_id = database.functions.value("start_sync", USER, True)
        run = database.finished(task_id, seconds=SYNC_SECONDS)
    assert run["current_stats"]["deleted"] == deleted
    yield "full sync again", usage


def phase(database: Database, task_id: str) -> str:
    run = database.functions.row("sync_run", task_id)
    return str(run and run["phase"])


def latest_run(database: Database) -> str:
    task_id: str = only(
        database.db,
        "select task_id from gmail_sync.user_sync_status order by started_at desc limit 1",
    )
    return task_id


def delete_some(database: Database, mailbox: Gmail) -> int:
    """Delete each DELETED-th message in Gmail; how many that are."""
    rows = database.db.execute(
        "select message_id from gmail_sync.message order by internal_date, message_id"
    ).fetchall()
    deleted = [row["message_id"] for row in rows[::DELETED]]
    mailbox.delete(deleted)
    return len(deleted)


@contextmanager
def command(database: Database, mailbox: Gmail, *arguments: str) -> Iterator[Usage]:
    """What a command has used once it has succeeded."""
    with process(
        ["-m", "tests.benchmarks.command", *arguments],
        database.environment(mailbox.url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == b"ready\n"
        with Meter(database, running.pid) as usage:
            output, _ = running.communicate(b"\n", timeout=SYNC_SECONDS)
        assert running.returncode == 0, output
    yield usage


def cpu_figure(operation: str, usages: Usages) -> Figure:
    smallest, largest = min(usages), max(usages)
    costs = {size: max(usage.cpu, 1 / TICKS) / size for size, usage in usages.items()}
    return Figure(
        f"mailbox_{operation.replace(' ', '_')}_cpu",
        f"{operation}: CPU for a message, of {largest:,}",
        f"of {smallest:,}",
        costs[largest] / costs[smallest],
        bar=CPU_BAR,
        direction="at most",
        details={
            f"{name}_of_{size}": round(value, 3)
            for size, usage in usages.items()
            for name, value in asdict(usage).items()
        },
    )


def memory_figure(operation: str, usages: Usages) -> Figure:
    """Of the process, the service's or the server's, whose memory grows most."""
    few, many = usages[min(usages)], usages[max(usages)]
    return Figure(
        f"mailbox_{operation.replace(' ', '_')}_memory",
        f"{operation}: memory with {max(usages):,} messages, less {SPARE_BYTES // MB} MB",
        f"with {min(usages):,}",
        max(
            (many.service_peak - SPARE_BYTES) / few.service_peak,
            (many.postgres_peak - SPARE_BYTES) / few.postgres_peak,
        ),
        bar=MEMORY_BAR,
        direction="at most",
        details={"service_peak": many.service_peak, "postgres_peak": many.postgres_peak},
    )


def write(results: report.Results, folder: Path = report.HERE) -> None:
    report.write_of_sizes(results, of_each_size(results.figures), COMMAND, folder / FILE)


def of_each_size(figures: list[Figure]) -> str:
    """Of each operation the CPU for a message and the memory, of the service and of Postgres."""
    measured = [figure for figure in figures if figure.name.endswith("_cpu")]
    prefix = "seconds_of_"
    sizes = [
        int(name.removeprefix(prefix)) for name in measured[0].details if name.startswith(prefix)
    ]
    lines = [
        "| operation | " + " | ".join(f"{size:,} messages" for size in sizes) + " |",
        "| --- " * (1 + len(sizes)) + "|",
    ]
    for figure in measured:
        cells = " | ".join(cell(figure, size) for size in sizes)
        lines.append(f"| {figure.what.partition(':')[0]} | {cells} |")
    return "\n".join(lines) + "\n"


def cell(figure: Figure, size: int) -> str:
    usage = {name: float(str(figure.details[f"{name}_of_{size}"])) for name in Usage.names()}
    service, postgres = (1e6 * usage[f"{who}_cpu"] / size for who in ("service", "postgres"))
    peaks = (usage[f"{who}_peak"] / MB for who in ("service", "postgres"))
    return f"{service:.3g} + {postgres:.3g} µs; " + ", ".join(f"{peak:.0f} MB" for peak in peaks)
