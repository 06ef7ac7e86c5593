"""Every block of the handbooks, run as written, each section in a database where it is needed."""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb

from service import migrate
from service.postgres.calls import Connection, Session, connect
from tests.cluster import Cluster
from tests.functions.conftest import (
    claimed,
    connected,
    history,
    message,
    queued,
    record,
    set_run,
    shift,
    store,
    taken,
)
from tests.handbook.handbook import PAGES, ROOT, psql, run, sections, shape
from tests.migrations.commands import alembic, schema

USER = "user-42"
COLUMNS = 120
INSTALLING = "Installing by hand, with only psql"
LEGACY = """
create schema legacy;
create table legacy.user_sync_status (
  user_id uuid, task_id text, is_syncing boolean, sync_type text, started_at timestamp,
  updated_at timestamp, progress_percentage integer, current_stats json, error_message text
);
insert into legacy.user_sync_status values
  ('60f2ccbd-d754-4fa0-aa4d-35a7d6551d38',
    'sync_60f2ccbd-d754-4fa0-aa4d-35a7d6551d38_1753133270', true, 'full',
    '2025-07-21 21:27:50', '2025-07-21 21:30:00', 45, '{}', '任务被管理员手动清理（修复后）'),
  ('8a4e8a2c-0f0b-4d2f-9a58-1d2c7d1f6b11', 'sync_8a4e8a2c_1753133000', false, 'incremental',
    '2025-07-21 21:23:20', '2025-07-21 21:24:00', 100, '{"new": 3}', null);
"""
# Columns of settings that no one changes.
NOT_FOR_PEOPLE = {"only_row", "audit_salt"}


@dataclass(frozen=True)
class Place:
    """A database in which a section is run."""

    url: str
    functions: Session
    db: Connection


def synced(place: Place) -> None:
    """USER has mail of a finished sync, which gave one message up."""
    task_id = claimed(place.functions, USER)
    ids = [f"18f3a0c{number}" for number in range(1, 5)]
    history(place.functions, task_id, *(record(100, "messagesAdded", each) for each in ids))
    taken(place.functions, task_id)
    store(
        place.functions,
        task_id,
        message("18f3a0c1", "INBOX", "UNREAD", subject="Tomorrow"),
        message("18f3a0c2", "SENT", subject="Re: Tomorrow"),
        message("18f3a0c3", "INBOX", subject="Invoice 7"),
    )
    failure = {"message_id": ids[-1], "error_message": "its parts cannot be read"}
    place.functions.rows("fail_messages", task_id, Jsonb([{**failure, "permanent": True}]))
    assert place.functions.value("release_sync", task_id)


def stuck(place: Place) -> None:
    """USER's run has lost its worker; another user's is well; an old one ended long ago."""
    synced(place)
    place.functions.value("connect_account", "user-7", "ann@mail.example", b"sealed", "unlimited")
    task_id = queued(place.functions, "user-7")
    place.functions.value("claim_sync", uuid.uuid4())
    store(place.functions, task_id, message("a"))
    task_id = claimed(place.functions, USER)
    shift(place.db, task_id, "-5 min", "updated_at", "started_at")


def waiting(place: Place) -> None:
    """USER's run is queued since long, and there is no worker."""
    task_id = queued(place.functions, connected(place.functions, USER))
    shift(place.db, task_id, "-40 min", "started_at", "not_before", "updated_at")


def restored(place: Place) -> None:
    """The backup will hold a run that was running, and an index has been kept."""
    synced(place)
    task_id = claimed(place.functions, USER)
    set_run(place.db, task_id, progress_percentage=40)
    shift(place.db, task_id, "-2 hours", "updated_at", "started_at")
    blocks = sections()["Keep a search index up to date"]
    psql(place.url, next(block.code for block in blocks if "create table" in block.code))


def scheduled_badly(place: Place) -> None:
    """One job is missing and one is inactive."""
    place.db.execute("select cron.unschedule('prune_sync_history')")
    place.db.execute(
        "select cron.alter_job(jobid, active := false) from cron.job"
        " where jobname = 'enqueue_due_syncs'"
    )


def adoptable(place: Place) -> None:
    psql(place.url, LEGACY)


PREPARE: dict[str, Callable[[Place], None]] = {
    "What applications call": synced,
    "Select messages": synced,
    "Search": synced,
    "Keep a search index up to date": synced,
    "What DBAs call": stuck,
    "What runs by itself": stuck,
    "Is everything healthy?": synced,
    "The views": stuck,
    "A user says sync is stuck": stuck,
    "No worker picks up": waiting,
    "pg_cron died": scheduled_badly,
    "Restore from backup": restored,
    "Take over an earlier table": adoptable,
}
WITH_PG_CRON = {"Is everything healthy?", "pg_cron died"}
RUNNABLE = {
    title: blocks
    for title, blocks in sections().items()
    if any(block.language in ("sql", "sh") and block.login != "service" for block in blocks)
    and title != INSTALLING
}


@pytest.fixture
def cron(server: Cluster) -> Iterator[str]:
    """The migrated database pg_cron works in; the jobs do not outlive the test."""
    migrate.upgrade(server.url())
    with connect(server.url(), "test") as db:
        db.execute("select gmail_sync.schedule_jobs()")
    yield "gmail_sync"
    with connect(server.url(), "test") as db:
        db.execute("select cron.unschedule(jobid) from cron.job")


@pytest.fixture
def roles(server: Cluster, migrated: str) -> None:
    """The service's login role, which a section makes and another one alters."""
    with connect(server.url(migrated), "test") as db:
        db.execute("drop role if exists gmail_sync_login, shop, search, dora")


@pytest.mark.parametrize("title", RUNNABLE)
def test_a_section_does_what_it_says(
    title: str,
    request: pytest.FixtureRequest,
    roles: None,
    server: Cluster,
    login: Callable[[str, str], str],
    tmp_path: Path,
) -> None:
    name = request.getfixturevalue("cron" if title in WITH_PG_CRON else "fresh")
    functions = Session(login(name, "service"), "test")
    with connect(server.url(name), "test") as db:
        if "pgbouncer" in title:
            db.execute("create role gmail_sync_login")
        if title in PREPARE:
            PREPARE[title](Place(server.url(name), functions, db))
    functions.close()
    for block in RUNNABLE[title]:
        if block.language == "sql":
            printed = psql(login(name, block.login), block.code)
            assert max(map(len, printed.splitlines()), default=0) <= COLUMNS, printed
            if block.output is not None:
                assert shape(printed) == shape(block.output), f"{block.code}\n{printed}"
        elif block.language == "sh":
            backup = tmp_path / "backup"
            run(["sh", "-eu"], block.code, DATABASE_URL=server.url(name), BACKUP=str(backup))


def test_an_installation_by_hand_is_what_alembic_makes(
    server: Cluster, empty: str, tmp_path: Path
) -> None:
    server.create_database("scratch")
    by_hand, scratch = server.url(empty), server.url("scratch")
    for block in sections()[INSTALLING]:
        if block.language == "sh":
            script = str(tmp_path / "gmail-sync.sql")
            run(["sh", "-eu"], block.code, DATABASE_URL=by_hand, SCRATCH_URL=scratch, SCRIPT=script)
        else:
            psql(by_hand, block.code)
    # Postgres writes a and b and c with fewer brackets when it has read them back once.
    brackets = str.maketrans("", "", "()")
    assert schema(by_hand).translate(brackets) == schema(scratch).translate(brackets)
    alembic(by_hand, "upgrade", "head")
    with psycopg.connect(by_hand) as connection:
        assert connection.execute("select count(*) from gmail_sync.settings").fetchone() == (1,)
        row = connection.execute("select gmail_sync.schema_version()").fetchone()
        assert row == (migrate.head(),)
    alembic(by_hand, "downgrade", "base")


def test_every_function_for_people_is_called_in_the_handbook(
    server: Cluster, migrated: str
) -> None:
    with psycopg.connect(server.url(migrated)) as connection:
        functions = {
            name
            for (name,) in connection.execute(
                "select proname from pg_proc where pronamespace = 'gmail_sync'::regnamespace"
                r" and proname not like '\_%'"
                " and (has_function_privilege('gmail_sync_app', oid, 'execute')"
                "  or has_function_privilege('gmail_sync_dba', oid, 'execute'))"
            )
        }
    code = "".join(block.code for blocks in sections().values() for block in blocks)
    assert {name for name in functions if f"gmail_sync.{name}(" not in code} == set()


def test_every_setting_is_explained(server: Cluster, migrated: str) -> None:
    with psycopg.connect(server.url(migrated)) as connection:
        columns = connection.execute(
            "select column_name from information_schema.columns"
            " where table_schema = 'gmail_sync' and table_name = 'settings'"
        ).fetchall()
    explained = set(re.findall(r"`(\w+)`", (ROOT / "db/handbook/installing.md").read_text()))
    assert {name for (name,) in columns} - explained == NOT_FOR_PEOPLE


def test_every_block_has_a_language_that_is_run_or_says_that_it_is_not() -> None:
    blocks = [block for blocks in sections().values() for block in blocks]
    # tests/web/test_nginx.py runs those of nginx. A text here is a picture.
    assert {block.language for block in blocks} == {
        "sql", "sh", "python", "ini", "nginx", "console", "json", "text",
    }  # fmt: skip
    assert {block.login for block in blocks if block.language == "sql"} == {
        "app", "reader", "dba", "superuser",
    }  # fmt: skip
    fences = sum(page.read_text(encoding="utf-8").count("```") for page in PAGES)
    assert fences == 2 * (len(blocks) + sum(block.output is not None for block in blocks))
