"""Upgrades and downgrades while a worker syncs, and one that cannot get its lock."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from service import migrate
from service.postgres.calls import Row
from service.simulator import Mailbox, generate
from service.worker.worker import Worker
from tests.functions.conftest import locked  # noqa: F401
from tests.migrations.commands import ALEMBIC, alembic, run, schema, write_newer_migrations
from tests.worker.conftest import (  # noqa: F401
    Account,
    account,
    google,
    keys,
    mailbox,
    simulator,
    worker,
)

pytestmark = pytest.mark.gate

ROUNDS = 3
LOCK_SECONDS = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_newer_migrations(tmp_path)
    return tmp_path


def test_no_sync_fails_while_the_schema_goes_up_and_down(
    folder: Path,
    mailbox: Mailbox,  # noqa: F811
    account: Account,  # noqa: F811
    worker: Worker,  # noqa: F811
    database_url: str,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(800))
    task_id = account.start()
    syncing = 0
    for _ in range(ROUNDS):
        for command in ("upgrade", "head"), ("downgrade", migrate.head()):
            syncing += account.last_of_chain(task_id)["is_syncing"]
            alembic(database_url, *command, folder=folder)
            if not account.last_of_chain(task_id)["is_syncing"]:
                task_id = account.start(force_full=True)
    account.finish(task_id)

    assert syncing >= ROUNDS
    runs = db.execute(
        "select outcome, error_message, attempt from gmail_sync.user_sync_status"
    ).fetchall()
    assert runs == [{"outcome": "succeeded", "error_message": None, "attempt": 1}] * len(runs)
    stored = db.execute("select message_id from gmail_sync.messages").fetchall()
    assert {row["message_id"] for row in stored} == set(mailbox.message_ids())


@pytest.mark.parametrize("command", [["upgrade", "head"], ["downgrade", "base"]])
def test_a_migration_that_cannot_get_its_lock_gives_up_and_changes_nothing(
    folder: Path,
    database_url: str,
    locked: Callable[[str], psycopg.Connection[Row]],  # noqa: F811
    command: list[str],
) -> None:
    before = schema(database_url)
    holder = locked("select count(*) from gmail_sync.running_syncs")

    started_at = time.monotonic()
    result = run([str(ALEMBIC), *command], database_url, folder)
    seconds = time.monotonic() - started_at

    assert result.returncode != 0
    assert "another session held a lock for too long" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr
    assert LOCK_SECONDS <= seconds < LOCK_SECONDS + 60
    assert schema(database_url) == before
    holder.rollback()
    alembic(database_url, *command, folder=folder)
