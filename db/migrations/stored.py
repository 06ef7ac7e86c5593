"""Stored functions and views in migrations.

db/functions/ is the truth and is edited in place; a revision never reads it. It installs the
frozen copies under snapshots/<revision>/ and, going down, restores what they replaced.
"""

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
    _install(sorted_for_install((SNAPSHOTS / revision).rglob("*.sql")))


def restore(revision: str) -> None:
    """Undo install: put back the newest older copies, drop what had none."""
    frozen = sorted_for_install((SNAPSHOTS / revision).rglob("*.sql"))
    older = {
        path: newest(path.relative_to(SNAPSHOTS / revision), before=revision) for path in frozen
    }
    for path in reversed(frozen):
        if older[path] is None:
            _drop(path)
    # Replaced, not dropped: others may depend on them.
    _install(sorted_for_install(path for path in older.values() if path))


def newest(name: Path, before: str | None = None) -> Path | None:
    """The newest frozen copy of a file of db/functions, of revisions older than `before`."""
    revisions = sorted(folder.name for folder in SNAPSHOTS.iterdir() if folder.is_dir())
    for revision in reversed(revisions):
        copy = SNAPSHOTS / revision / name
        if (before is None or revision < before) and copy.exists():
            return copy
    return None


def sorted_for_install(paths: Iterable[Path]) -> list[Path]:
    """Views first, each after those it names, for functions return their rows."""
    files = sorted(paths)
    views = {path.stem: path for path in files if is_view(path)}
    order = TopologicalSorter(
        {name: views.keys() & _names(path) - {name} for name, path in views.items()}
    )
    return [
        *(views[name] for name in order.static_order()),
        *(path for path in files if not is_view(path)),
    ]


def _names(path: Path) -> set[str]:
    """The objects of our schema that a file names."""
    return set(re.findall(r"gmail_sync\.(\w+)", path.read_text(encoding="utf-8")))


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
        ),
        {"name": path.stem},
    )
    for kind, name in signature:
        run_sql(f"drop {'procedure' if kind == 'p' else 'function'} {name}")
