"""Installs stored functions and views in migrations.

db/functions/ is the truth and is edited in place. Before the first release the baseline installs
it as it stands. `make freeze` copies it to snapshots/0001/ at that release. From then on no
revision reads db/functions: each installs the copies under snapshots/<revision>/ and, going down,
restores what they replaced. An empty copy means a removed file: its revision drops the object.
"""

import logging
import re
from collections.abc import Iterable
from graphlib import TopologicalSorter
from pathlib import Path

from alembic import op
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

FUNCTIONS = Path(__file__).parents[1] / "functions"
SNAPSHOTS = Path(__file__).parent / "snapshots"
BASELINE = "0001"
OWNER = "gmail_sync_owner"


def run_sql(sql: str) -> None:
    """Run SQL as it stands: no character of it is a parameter."""
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})


def run_if_allowed(sql: str, warning: str) -> None:
    """Run SQL, or log the warning if this role may not."""
    try:
        with op.get_bind().begin_nested():
            run_sql(sql)
    except DBAPIError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        logging.getLogger("alembic").warning(warning)


def install(revision: str) -> None:
    """Install the copies of a revision, owned by the schema's owner."""
    copies = files_of(revision).values()
    for copy in filter(is_empty, copies):
        _drop(copy)
    _install(sorted_for_install(copy for copy in copies if not is_empty(copy)))


def restore(revision: str) -> None:
    """Undo install: put everything back as the revision before had it.

    All is dropped first, since no view can be replaced by one with fewer columns.
    """
    installed = newest_files(each for each in revisions() if each <= revision)
    before = newest_files(each for each in revisions() if each < revision)
    for path in reversed(sorted_for_install(installed.values())):
        _drop(path)
    _install(sorted_for_install(before.values()))


def schedule_jobs(connection: Connection, scheduler: str | None) -> None:
    """(Re)schedule the jobs, and log what was done or has to be done by hand.

    A `scheduler`, pg_cron or service, is stored in the settings first.
    """
    log = logging.getLogger("alembic")
    rows = connection.execute(
        text(
            "select item, done, item || ': ' || message from gmail_sync.schedule_jobs(:scheduler)"
        ),
        {"scheduler": scheduler},
    ).all()
    for _item, done, message in rows:
        log.log(logging.INFO if done else logging.WARNING, message)
    if not all(row.done for row in rows):
        log.warning("where there is no pg_cron: gmail-sync migrate --scheduler service")


def is_released() -> bool:
    return (SNAPSHOTS / BASELINE).is_dir()


def revisions() -> list[str]:
    """The revisions that install stored code, oldest first."""
    return sorted({BASELINE, *(folder.name for folder in SNAPSHOTS.glob("[0-9]*"))})


def files_of(revision: str) -> dict[str, Path]:
    """What a revision installs, by the name of the object."""
    frozen = revision != BASELINE or is_released()
    return current_files(SNAPSHOTS / revision if frozen else FUNCTIONS)


def current_files(folder: Path = FUNCTIONS) -> dict[str, Path]:
    """The files of db/functions, by the name of the object."""
    return {path.stem: path for path in sorted(folder.rglob("*.sql"))}


def newest_files(of_revisions: Iterable[str]) -> dict[str, Path]:
    """The files that these revisions, oldest first, leave installed, by the name of the object."""
    files: dict[str, Path] = {}
    for revision in of_revisions:
        files |= files_of(revision)
    return {name: path for name, path in files.items() if not is_empty(path)}


def sorted_for_install(paths: Iterable[Path]) -> list[Path]:
    """Each after what it needs: a view all that it names, a function the rows it takes or returns.

    What the body of a function names may come later.
    """
    files = {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}
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
    return bool(re.search(r"^create or replace view\b", path.read_text(encoding="utf-8"), re.M))


def _install(paths: list[Path]) -> None:
    # A language sql body may name a function that comes later in the alphabet.
    run_sql("set local check_function_bodies = off")
    run_sql(f"set local role {OWNER}")
    # The owner of the schema cannot replace what schedule_jobs gave to the owner of the jobs.
    of_others = text(
        "select oid::regprocedure::text from pg_proc"
        " where pronamespace = 'gmail_sync'::regnamespace and proname = any(:names)"
        " and proowner <> cast(:owner as text)::regrole"
    )
    for name in op.get_bind().scalars(
        of_others, {"names": [p.stem for p in paths], "owner": OWNER}
    ):
        run_sql(f"drop function {name}")
    for path in paths:
        run_sql(path.read_text(encoding="utf-8"))
    run_sql("reset role")


def _drop(path: Path) -> None:
    """Drop what a file made, be it a view or a function."""
    run_sql(f"drop view if exists gmail_sync.{path.stem}")
    signature = op.get_bind().execute(
        text(
            "select prokind, oid::regprocedure::text from pg_proc"
            " where pronamespace = 'gmail_sync'::regnamespace and proname = :name"
            # A trigger and an index hold on to their function, which can be replaced.
            " and not exists (select from pg_trigger where tgfoid = pg_proc.oid)"
            " and not exists ("
            "  select from pg_depend"
            "  where classid = 'pg_class'::regclass"
            "   and refclassid = 'pg_proc'::regclass and refobjid = pg_proc.oid)"
        ),
        {"name": path.stem},
    )
    for kind, name in signature:
        run_sql(f"drop {'procedure' if kind == 'p' else 'function'} {name}")
