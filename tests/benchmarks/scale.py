"""`make bench SCALE=1`: search in mailboxes of up to a million messages, beside millions of others.

Writes scale.json, and from it a section of README.md.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from db.migrations.install import FUNCTIONS, OWNER, sorted_for_install
from service.postgres.calls import connect
from tests.benchmarks import report, search
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import KeptCluster
from tests.cluster import Cluster
from tests.conftest import make_template

COMMAND = "make bench SCALE=1"
FILE = "scale.json"
# A file in the folder, once all is loaded.
LOADED = "loaded"
MAILBOXES = (10_000, 100_000, 1_000_000)
# The first is of these mailboxes only.
INSTALLATIONS = (sum(MAILBOXES), 5_000_000)


def main(kept: Path | None) -> None:
    """A folder that is kept: the first call only loads the databases, others only time them."""
    with ExitStack() as stack:
        folder = kept or Path(stack.enter_context(TemporaryDirectory()))
        is_loaded = (folder / LOADED).exists()
        cluster = stack.enter_context(KeptCluster(folder=str(folder)))
        names = [f"installation_of_{size}" for size in INSTALLATIONS]
        if not is_loaded:
            load(cluster, names)
            (folder / LOADED).touch()
        if is_loaded or not kept:
            time(cluster, names)


def load(cluster: Cluster, names: list[str]) -> None:
    """The second database is a copy of the first, and has more mail of others."""
    template = make_template(cluster)
    with without_fsync(cluster):
        for name, size in zip(names, INSTALLATIONS, strict=True):
            cluster.create_database(name, template, "strategy file_copy")
            search.load(cluster.url(name), MAILBOXES, size)
            template = name


@contextmanager
def without_fsync(cluster: Cluster) -> Iterator[None]:
    """The server as it is shipped afterwards."""
    settings = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "'8GB'"}
    with connect(cluster.url("postgres"), "benchmark") as db:
        for name, value in settings.items():
            db.execute(f"alter system set {name} = {value}".encode())
        db.execute("select pg_reload_conf()")
        yield
        db.execute("alter system reset all")
        db.execute("select pg_reload_conf()")
        db.execute("checkpoint")


def time(cluster: Cluster, names: list[str]) -> None:
    figures = []
    print(report.HEAD, end="")
    for name in names:
        install_search(cluster.url(name))
    for figure in search.timed(cluster, names, MAILBOXES, INSTALLATIONS, search.ROUNDS):
        print(report.line(figure), end="", flush=True)
        figures.append(figure)
    write(report.Results(report.machine(), figures, {}))


def install_search(url: str) -> None:
    """The search as it is now, which may be younger than the databases."""
    with connect(url, "benchmark") as db:
        db.execute(f"set role {OWNER}".encode())
        for path in sorted_for_install((FUNCTIONS / "search").glob("*.sql")):
            db.execute(path.read_bytes())


def write(results: report.Results, folder: Path = report.HERE) -> None:
    report.write_of_sizes(results, of_each_search(results.figures), COMMAND, folder / FILE)


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
