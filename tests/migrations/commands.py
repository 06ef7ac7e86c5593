"""The real commands, run as a user runs them, and what they leave in the catalog."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg

from db.migrations.install import is_released
from service.demo.cluster import find_programs

ROOT = Path(__file__).parents[2]
ALEMBIC = Path(sys.executable).with_name("alembic")
SECONDS = 300
# The functions a sync calls all the time, and a view they all read.
EDITED = ("heartbeat", "store_messages", "claim_sync", "_running_run")


def run(
    command: list[str], url: str | None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """A command in a folder, with only DATABASE_URL and PATH in its environment."""
    environment = {"PATH": os.environ["PATH"], **({"DATABASE_URL": url} if url else {})}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS
    )


def alembic(url: str, *arguments: str, folder: Path = ROOT) -> str:
    """What alembic printed; it must succeed."""
    result = run([str(ALEMBIC), *arguments], url, folder)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def write_newer_migrations(folder: Path) -> None:
    """A copy of the migrations with one revision more, which replaces EDITED."""
    copy_migrations(folder)
    freeze(folder)
    for name in EDITED:
        path = function_file(folder, name)
        path.write_text(path.read_text() + "\n-- Edited.\n")
    made = make_migration(folder, "Edit")
    assert made.returncode == 0, made.stderr


def copy_migrations(folder: Path) -> None:
    shutil.copytree(ROOT / "db", folder / "db", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "alembic.ini", folder)


def freeze(folder: Path) -> None:
    """As at the first release, unless it was."""
    if not is_released():
        result = run([sys.executable, "-m", "db.migrations.freeze"], None, folder)
        assert result.returncode == 0, result.stderr


def make_migration(folder: Path, *message: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "db.migrations.new", *message], None, folder)


def function_file(folder: Path, name: str) -> Path:
    return next((folder / "db/functions").rglob(f"{name}.sql"))


def ask(url: str, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(question.encode()).fetchall()


def schema(url: str) -> str:
    """The whole catalog of a database as SQL: comments, grants and owners included."""
    pg_dump = find_programs() / "pg_dump"
    result = subprocess.run(
        [pg_dump, "--schema-only", "--dbname", url], capture_output=True, text=True, timeout=SECONDS
    )
    assert result.returncode == 0, result.stderr
    # Each dump has a random key of its own.
    lines = _columns_sorted(result.stdout).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def _columns_sorted(dump: str) -> str:
    """A column that comes back comes back as the last, and nobody reads them by their order."""

    def sort(table: re.Match[str]) -> str:
        return "\n".join(sorted(line.rstrip(",") for line in table[0].splitlines()))

    return re.sub(r"^CREATE TABLE .*?^\)", sort, dump, flags=re.M | re.S)


def roles(url: str) -> list[tuple[object, ...]]:
    """Our roles with what they are members of."""
    return ask(
        url,
        "select r.rolname, array_agg(g.rolname order by g.rolname)"
        " from pg_roles r left join pg_auth_members m on m.member = r.oid"
        " left join pg_roles g on g.oid = m.roleid"
        r" where r.rolname like 'gmail\_sync\_%' group by 1 order by 1",
    )


def jobs(url: str) -> list[tuple[object, ...]]:
    if ask(url, "select to_regclass('cron.job')") == [(None,)]:
        return []
    return ask(url, "select jobname, schedule, command, active from cron.job order by 1")


STORED_CODE = """
    select p.oid::regprocedure::text, pg_get_functiondef(p.oid), p.proowner::regrole::text,
      obj_description(p.oid, 'pg_proc'), p.proacl::text
    from pg_proc p
    where p.pronamespace = 'gmail_sync'::regnamespace
    union all
    select c.relname, pg_get_viewdef(c.oid), c.relowner::regrole::text,
      obj_description(c.oid, 'pg_class'), c.relacl::text
    from pg_class c
    where c.relnamespace = 'gmail_sync'::regnamespace and c.relkind = 'v'
    order by 1
"""


def stored_code(url: str) -> dict[object, tuple[object, ...]]:
    """Functions and views with definition, owner, comment and grants."""
    return {name: rest for name, *rest in ask(url, STORED_CODE)}  # type: ignore[misc]
