"""Stored functions and views in migrations.

db/functions/ is the truth and is edited in place; a revision never reads it. It installs the
frozen copies under snapshots/<revision>/ and, going down, restores what they replaced. An empty
copy stands for a file that is gone: its revision drops what the file made.
"""

import logging
import re
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

from alembic import op
from sqlalchemy import text

FUNCTIONS = Path(__file__).parents[1] / "functions"
SNAPSHOTS = Path(__file__).parent / "snapshots"
OWNER = "gmail_sync_owner"


def run_sql(sql: str) -> None:
    """Run SQL as it stands: no character of it is a parameter."""
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})


def install(revision: str) -> None:
    """Install the frozen copies of a revision, owned by the schema's owner."""
    copies = list((SNAPSHOTS / revision).rglob("*.sql"))
    for copy in filter(is_empty, copies):
        _drop(copy)
    _install(sorted_for_install(copy for copy in copies if not is_empty(copy)))


def restore(revision: str) -> None:
    """Undo install: put everything back as the revision before had it.

    All is dropped first, since no view can be replaced by one with fewer columns.
    """
    names = {
        copy.relative_to(folder)
        for folder in SNAPSHOTS.iterdir()
        if folder.name <= revision
        for copy in folder.rglob("*.sql")
    }
    installed = [newest(name, until=revision) for name in names]
    before = [newest(name, until=revision, but=revision) for name in names]
    for path in reversed(sorted_for_install(path for path in installed if path)):
        _drop(path)
    _install(sorted_for_install(path for path in before if path))


def schedule_jobs() -> None:
    """(Re)schedule the pg_cron jobs, and log what was done or is to be done by hand."""
    log = logging.getLogger("alembic")
    for _item, done, message in op.get_bind().execute(
        text("select item, done, item || ': ' || message from gmail_sync.schedule_jobs()")
    ):
        log.log(logging.INFO if done else logging.WARNING, message)


def newest(name: Path, until: str | None = None, but: str | None = None) -> Path | None:
    """The newest frozen copy of a file of db/functions, up to a revision, one left out.

    None where there is none, or the file is gone by then.
    """
    for folder in sorted(SNAPSHOTS.iterdir(), reverse=True):
        copy = folder / name
        if (until is None or folder.name <= until) and folder.name != but and copy.exists():
            return None if is_empty(copy) else copy
    return None


def sorted_for_install(paths: Iterable[Path]) -> list[Path]:
    """Each after what it needs: a view all that it names, a function the rows it takes or returns.

    What the body of a function names may come later.
    """
    files = {path.stem: path for path in sorted(paths)}
    order = TopologicalSorter(
        {name: files.keys() & _needs(path) - {name} for name, path in files.items()}
    )
    return [files[name] for name in order.static_order()]


def _needs(path: Path) -> set[str]:
    """The objects of our schema that must be there before the file can be run."""
    text = path.read_text(encoding="utf-8")
    needed = text if is_view(path) else text.partition("\nas $$")[0]
    return set(re.findall(r"gmail_sync\.(\w+)", needed))


def is_empty(path: Path) -> bool:
    return path.stat().st_size == 0


def is_view(path: Path) -> bool:
    return path.parent.name == "views"


def _install(paths: list[Path]) -> None:
    # A language sql body may name a function that comes later in the alphabet.
    run_sql("set local check_function_bodies = off")
    run_sql(f"set local role {OWNER}")
    for path in paths:
        run_sql(path.read_text(encoding="utf-8"))
    run_sql("reset role")


def _drop(path: Path) -> None:
    if is_view(path):
        run_sql(f"drop view if exists gmail_sync.{path.stem}")
        return
    signature = op.get_bind().execute(
        text(
            "select prokind, oid::regprocedure::text from pg_proc"
            " where pronamespace = 'gmail_sync'::regnamespace and proname = :name"
            # A trigger holds on to its function, which can be replaced.
            " and not exists (select from pg_trigger where tgfoid = pg_proc.oid)"
        ),
        {"name": path.stem},
    )
    for kind, name in signature:
        run_sql(f"drop {'procedure' if kind == 'p' else 'function'} {name}")
