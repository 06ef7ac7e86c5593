"""A mailbox that is imported from Google Takeout, beside the same mailbox fetched from Gmail."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli import main
from service.google.cipher import CredentialCipher
from service.mailbox.refetch import wait_for_run
from service.postgres.calls import Connection, Row, Session
from service.simulator import (
    Limits,
    Mailbox,
    Simulator,
    generate,
)
from service.simulator.takeout import write_takeout
from service.worker.worker import Worker
from tests.worker.conftest import ACCESS_TOKEN, EMAIL

MESSAGES = 60
PROFILE = "google-standard"
# What an export lacks, or has in another form.
NOT_COMPARED = {
    "user_id", "history_id", "snippet", "size_estimate", "internal_date", "change_number",
}  # fmt: skip
Import = Callable[..., Result]


@pytest.fixture
def cipher(keys: str) -> CredentialCipher:
    return CredentialCipher([keys])


@pytest.fixture
def connect(functions: Session, cipher: CredentialCipher) -> Callable[..., None]:
    """Connects a user to the mailbox: any number of users may have the same."""

    def connect(user: str, content_mode: str = "full", email: str = EMAIL) -> None:
        sealed = cipher.encrypt({"token": ACCESS_TOKEN})
        functions.value("connect_account", user, email, sealed, PROFILE, content_mode)

    return connect


@pytest.fixture
def run_import(service_url: str, tmp_path: Path) -> Import:
    """Runs gmail-sync import for a user; the paths are those in tmp_path / "export"."""

    def run_import(user: str, *options: str) -> Result:
        paths = sorted((tmp_path / "export").iterdir())
        return CliRunner().invoke(
            main, ["import", user, *map(str, paths), *options], env={"DATABASE_URL": service_url}
        )

    return run_import


@pytest.fixture
def filled(mailbox: Mailbox) -> Mailbox:
    mailbox.load(generate(MESSAGES))
    return mailbox


@pytest.fixture
def export(filled: Mailbox, tmp_path: Path) -> list[Path]:
    return write_takeout(filled, tmp_path / "export")


def sync(functions: Session, user: str) -> None:
    functions.value("start_sync_idempotent", user, True)
    run = wait_for_run(functions, user)
    assert run is not None
    assert run["outcome"] == "succeeded", run


def rows_of(db: Connection, user: str) -> dict[str, Row]:
    rows = db.execute("select * from gmail_sync.message where user_id = %s", [user]).fetchall()
    return {
        row["message_id"]: {k: v for k, v in row.items() if k not in NOT_COMPARED} for row in rows
    }


def attachments_of(db: Connection, user: str) -> list[Row]:
    return db.execute(
        "select message_id, part_id, filename, mime_type, size, content_id, inline"
        " from gmail_sync.attachment where user_id = %s order by 1, 2",
        [user],
    ).fetchall()


def stats_of(result: Result) -> dict[str, int]:
    answer = json.loads(result.stdout)
    return {name: count for name, count in answer["run"]["current_stats"].items() if count}


def assert_same_mail(db: Connection, user: str, other: str) -> None:
    ours, theirs = rows_of(db, user), rows_of(db, other)
    assert ours.keys() == theirs.keys()
    for message_id, row in ours.items():
        assert row == theirs[message_id]
    assert attachments_of(db, user) == attachments_of(db, other)
    dates = db.execute(
        "select count(*) as n from gmail_sync.message a join gmail_sync.message b"
        " using (message_id) where a.user_id = %s and b.user_id = %s"
        " and date_trunc('second', a.internal_date) <> date_trunc('second', b.internal_date)",
        [user, other],
    ).fetchone()
    assert dates == {"n": 0}
    assert db.execute("select * from gmail_sync._miscounted_mail()").fetchall() == []


@pytest.mark.parametrize("content_mode", ["full", "raw"])
def test_an_imported_mailbox_equals_one_that_was_fetched(
    content_mode: str,
    export: list[Path],
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    db: Connection,
) -> None:
    # What happened since the export.
    ids = filled.message_ids()
    filled.modify(ids[3], add=["STARRED"], remove=["UNREAD"])
    label = filled.create_label("Later")
    filled.modify(ids[4], add=[label])
    filled.delete(ids[5])
    new = filled.insert(b"Subject: new\r\n\r\ntext\r\n", ["INBOX"])
    connect("fetched", content_mode)
    sync(functions, "fetched")
    connect("imported", content_mode)
    simulator.set_limits(Limits(PROFILE))

    result = run_import("imported", "--json")

    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["read"], answer["staged"]) == (MESSAGES, MESSAGES - answer["inexact"])
    inexact = answer["inexact"]
    assert stats_of(result) == {
        "found": MESSAGES, "new": MESSAGES, "imported": MESSAGES - 1 - inexact
    }  # fmt: skip
    assert answer["joined"]["dropped"] == 1
    assert_same_mail(db, "imported", "fetched")
    # The new message is fetched, and those that are not exact in the export. The rest are lists.
    dear = [charge.units for charge in simulator.quota.charges if charge.units >= 20]
    assert sum(dear) <= 20 * (1 + inexact)
    assert new in rows_of(db, "imported")
