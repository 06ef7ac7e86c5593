"""A mailbox that is imported from Google Takeout, beside the same mailbox fetched from Gmail."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from service import logs
from service.cli import main
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.mailbox.refetch import wait_for_run
from service.postgres.calls import Connection, Row, Session
from service.simulator import (
    Fault,
    Limits,
    Mailbox,
    Simulator,
    TakeoutExport,
    generate,
)
from service.simulator.takeout import write_takeout
from service.worker.worker import Worker
from tests.functions.lease.test_fence import everything
from tests.waiting import wait_until
from tests.worker.conftest import ACCESS_TOKEN, EMAIL, WorkerProcess

MESSAGES = 60
ARRIVED = 1_700_000_000_000
PROFILE = "google-standard"
# What an export lacks, or has in another form.
NOT_COMPARED = {
    "user_id", "history_id", "snippet", "size_estimate", "internal_date", "change_number",
    "created_number",
}  # fmt: skip
Import = Callable[..., Result]
BLOCKED_JOIN = """
select a.pid from pg_stat_activity a
where a.datname = current_database()
  and a.wait_event_type = 'Lock'
  and a.query like '%join_imported_messages%'
"""


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


def test_a_dry_run_counts_and_changes_nothing(
    export: list[Path], connect: Callable[..., None], run_import: Import, db: Connection
) -> None:
    connect("ann")
    before = everything(db)
    result = run_import("ann", "--dry-run")
    assert result.exit_code == 0
    assert f"{MESSAGES} messages in the export" in result.stdout
    assert "would be imported" in result.stdout
    assert everything(db) == before


def test_the_same_export_twice_brings_nothing_more(
    export: list[Path],
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    db: Connection,
) -> None:
    connect("ann")
    assert run_import("ann").exit_code == 0
    before = rows_of(db, "ann")
    result = run_import("ann", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert (answer["staged"], answer["stored"] + answer["inexact"]) == (0, MESSAGES)
    # So no sync is needed.
    assert answer["run"] is None
    assert rows_of(db, "ann") == before


def test_what_gmail_has_no_more_is_kept_as_deleted_on_request(
    export: list[Path],
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    functions: Session,
    db: Connection,
) -> None:
    connect("ann")
    gone = filled.message_ids()[5]
    filled.delete(gone)
    result = run_import("ann", "--keep-deleted")
    assert result.exit_code == 0, result.output
    assert "1 kept as deleted, because Gmail has them no more" in result.stdout
    rows = rows_of(db, "ann")
    assert rows[gone]["deleted_at"] is not None
    # A later full sync leaves it as it is.
    sync(functions, "ann")
    assert rows_of(db, "ann")[gone] == rows[gone]


def test_an_export_of_another_person_is_refused_in_words(
    simulator: Simulator,
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    tmp_path: Path,
    db: Connection,
) -> None:
    other = simulator.add_mailbox("other@example.com")
    # Other ids than those of the mailbox.
    for number in range(20):
        other.insert(b"Subject: theirs\r\n\r\ntext\r\n", message_id=f"{0x19 << 56 | number:x}")
    write_takeout(other, tmp_path / "export")
    connect("ann")
    result = run_import("ann", "--keep-deleted")
    assert result.exit_code == 1
    assert "Is this the export of another account?" in result.stderr
    assert rows_of(db, "ann").keys() == set(filled.message_ids())
    assert staged(db) == 0


def insert(mailbox: Mailbox, message_id: str, text: str, **where: Any) -> str:
    head = f"Subject: {text}\r\n" + (f"Message-ID: {message_id}\r\n" if message_id else "")
    return mailbox.insert(f"{head}\r\n{text}\r\n".encode(), internal_date=ARRIVED, **where)


@pytest.mark.parametrize("content_mode", ["full", "raw"])
def test_messages_without_ids_are_matched_and_equal_those_that_were_fetched(
    content_mode: str,
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    simulator: Simulator,
    functions: Session,
    tmp_path: Path,
    db: Connection,
) -> None:
    gone, first = insert(filled, "<gone@x>", "gone"), insert(filled, "<twice@x>", "first")
    thread = filled.get(first).thread_id
    second = insert(filled, "<twice@x>", "second", thread_id=thread)
    alone = insert(filled, "<copied@x>", "alone")
    unmatched = [
        first, second, insert(filled, "", "nameless"), insert(filled, "<a(b)@x>", "unwritable")
    ]  # fmt: skip
    spam = insert(filled, "<spam@x>", "spam", label_ids=["SPAM"])
    write_takeout(filled, tmp_path / "export", TakeoutExport(has_numbers=False))
    filled.delete(gone)
    # Of the same Message-ID as one of the export, at another time.
    copy = filled.insert(
        b"Message-ID: <copied@x>\r\n\r\nother", thread_id=filled.get(alone).thread_id
    )
    connect("fetched", content_mode)
    sync(functions, "fetched")
    connect("imported", content_mode)
    simulator.set_limits(Limits(PROFILE))
    simulator.requests.reset()

    result = run_import("imported", "--json")

    assert result.exit_code == 0, result.output
    # Many messages a search: all messages, each label, and the searches.
    assert (
        simulator.requests.methods["messages.list"]
        <= 1 + len(filled.labels()) + filled.totals()[0] / 8
    )
    answer = json.loads(result.stdout)
    left = len(unmatched) + answer["inexact"] + 1
    listed = filled.totals()[0]
    assert stats_of(result) == {"found": listed, "new": listed, "imported": listed - left}
    assert answer["joined"]["unmatched"] == len(unmatched) + 1  # the last one is gone
    assert_same_mail(db, "imported", "fetched")
    assert staged(db) == 0
    assert rows_of(db, "imported").keys() >= {*unmatched, alone, spam, copy}
    dear = sum(charge.units for charge in simulator.quota.charges if charge.units >= 20)
    assert dear <= 20 * left


@pytest.mark.parametrize("deleted", ["sent", "returned", "none"])
def test_a_sent_mail_and_the_copy_of_a_list_are_told_apart(
    deleted: str,
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    functions: Session,
    tmp_path: Path,
    db: Connection,
) -> None:
    """They have one Message-ID, second and thread. The copy is perhaps not exact in the export."""
    sent = insert(filled, "<list@x>", "sent", label_ids=["SENT"])
    thread = filled.get(sent).thread_id
    text = "returned" if deleted == "none" else "returned\r\n>From inexact"
    returned = insert(filled, "<list@x>", text, label_ids=["INBOX"], thread_id=thread)
    write_takeout(filled, tmp_path / "export", TakeoutExport(has_numbers=False))
    if deleted != "none":
        filled.delete({"sent": sent, "returned": returned}[deleted])
    connect("fetched")
    sync(functions, "fetched")
    connect("imported")

    result = run_import("imported", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["joined"]["unmatched"] == (deleted == "sent")
    assert_same_mail(db, "imported", "fetched")


def test_an_export_without_ids_brings_nothing_more_the_second_time(
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    tmp_path: Path,
    db: Connection,
) -> None:
    write_takeout(filled, tmp_path / "export", TakeoutExport(has_numbers=False))
    connect("ann")
    assert run_import("ann").exit_code == 0
    before = rows_of(db, "ann")
    result = run_import("ann", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["joined"]["known"] == answer["staged"] == MESSAGES - answer["inexact"]
    assert answer["joined"]["unmatched"] == 0
    assert rows_of(db, "ann") == before


def test_a_command_that_has_nothing_to_import_waits_for_a_sync_under_way(
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    functions: Session,
    google: Google,
    service_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    db: Connection,
) -> None:
    """One of an interrupted import may still fetch what the export does not have exactly."""
    connect("ann")
    write_takeout(filled, tmp_path / "export")
    first, second = (Worker(service_url, google, 1, logs.configure("warning")) for _ in range(2))
    first.start()
    try:
        assert run_import("ann").exit_code == 0
    finally:
        first.stop()
    new = filled.insert(b"Subject: new\r\n\r\ntext\r\n")
    functions.value("start_sync_idempotent", "ann")
    assert json.loads(run_import("ann", "--json", "--no-wait").stdout)["run"] is None

    def start_and_wait(*arguments: Any) -> Row | None:
        second.start()
        return wait_for_run(*arguments)

    monkeypatch.setattr("service.cli.import_mail.wait_for_run", start_and_wait)
    try:
        result = run_import("ann", "--json")
    finally:
        second.stop()
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["staged"], answer["run"]["outcome"]) == (0, "succeeded")
    assert new in rows_of(db, "ann")


def test_a_broken_file_loses_nothing(
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    tmp_path: Path,
    db: Connection,
) -> None:
    first, second = write_takeout(filled, tmp_path / "export", TakeoutExport(form="gz", files=2))
    first.write_bytes(first.read_bytes()[:-2000])
    connect("ann")
    result = run_import("ann", "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    (problem,) = answer["problems"]
    assert str(first) in problem
    # The other file was read, and so was what precedes the damage.
    assert MESSAGES / 2 < answer["read"] <= MESSAGES
    assert answer["run"]["current_stats"]["imported"] >= MESSAGES / 2
    assert rows_of(db, "ann").keys() == set(filled.message_ids())
    assert second.exists()


def test_an_incremental_sync_in_between_leaves_the_staging_alone(
    export: list[Path],
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    functions: Session,
    google: Google,
    service_url: str,
    db: Connection,
) -> None:
    connect("ann")
    db.execute("update gmail_sync.account set history_id = %s", [filled.history_id])
    task_id = functions.value("start_sync_idempotent", "ann")
    claimed = functions.row("claim_sync", "00000000-0000-0000-0000-000000000000")
    assert claimed is not None
    assert run_import("ann", "--no-wait").exit_code == 0
    waiting = staged(db)
    assert waiting > MESSAGES / 2
    functions.value("release_sync", task_id)
    assert staged(db) == waiting
    worker = Worker(service_url, google, 1, logs.configure("warning"))
    worker.start()
    try:
        run = wait_for_run(functions, "ann")
    finally:
        worker.stop()
    assert run is not None
    assert (run["sync_type"], run["outcome"]) == ("full", "succeeded")
    assert run["current_stats"]["imported"] == waiting
    assert staged(db) == 0


def test_a_full_sync_that_is_fetching_joins_the_import_first(
    export: list[Path],
    simulator: Simulator,
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    functions: Session,
    db: Connection,
) -> None:
    connect("ann")
    held = simulator.faults.add(Fault("batch", "hang"))
    first = functions.value("start_sync_idempotent", "ann")
    wait_until(lambda: held.struck)
    assert run_import("ann", "--no-wait").exit_code == 0
    waiting = staged(db)
    held.release()
    simulator.faults.clear()
    run = wait_for_run(functions, "ann")
    assert run is not None
    assert run["current_stats"]["imported"] == waiting > MESSAGES / 2
    ended = functions.row("sync_run", first)
    assert ended is not None
    assert ended["outcome"] == "superseded"


def test_a_user_without_a_connected_account_is_refused_in_words(
    export: list[Path],
    connect: Callable[..., None],
    run_import: Import,
    functions: Session,
    db: Connection,
) -> None:
    refused = run_import("nobody")
    assert refused.exit_code == 1
    assert "is not connected. Connect it on the page or with gmail-sync account add" in (
        refused.stderr
    )
    connect("ann")
    functions.value("disconnect_account", "ann")
    assert run_import("ann").exit_code == 1
    assert staged(db) == 0


def staged(db: Connection) -> int:
    row = db.execute("select count(*)::int as n from gmail_sync.imported_message").fetchone()
    assert row is not None
    n: int = row["n"]
    return n


@pytest.mark.gate
def test_killed_at_ten_moments_and_run_again_it_equals_a_fetched_mailbox(
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    worker: Worker,
    functions: Session,
    service_url: str,
    tmp_path: Path,
    db: Connection,
) -> None:
    filled.load(generate(1_500, seed=1))
    (export,) = write_takeout(filled, tmp_path / "export")
    connect("fetched")
    functions.value("set_quota_profile", "fetched", "unlimited")
    sync(functions, "fetched")
    connect("imported")
    dice = random.Random(18)
    command = [sys.executable, "-m", "service.cli", "import", "imported", str(export)]
    for _ in range(10):
        running = subprocess.Popen(
            command,
            env={**os.environ, "DATABASE_URL": service_url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # While it is staging, or waits for the worker that joins.
        before, goal = staged(db), dice.randrange(200)
        while running.poll() is None and abs(staged(db) - before) <= goal:
            time.sleep(0.02)
        running.kill()
        running.wait()
    assert run_import("imported").exit_code == 0
    assert_same_mail(db, "imported", "fetched")
    assert staged(db) == 0


@pytest.mark.gate
@pytest.mark.parametrize("step_is_lost", [False, True])
def test_a_worker_killed_while_it_joins_is_replaced_and_nothing_is_lost_or_doubled(
    step_is_lost: bool,
    filled: Mailbox,
    connect: Callable[..., None],
    run_import: Import,
    start_worker: Callable[[], WorkerProcess],
    functions: Session,
    tmp_path: Path,
    db: Connection,
    database_url: str,
) -> None:
    """Without its client, Postgres commits the step under way, unless the session ends too."""
    db.execute(
        "update gmail_sync.settings set heartbeat_interval = '300 ms', heartbeat_timeout = '1.5 s'"
    )
    filled.load(generate(700, seed=1))
    write_takeout(filled, tmp_path / "export")
    connect("imported")
    assert run_import("imported", "--no-wait").exit_code == 0
    waiting = staged(db)
    with psycopg.connect(database_url) as holder:
        # A message of the second step.
        holder.execute(
            "select from gmail_sync.imported_message i where i.import_key = ("
            "select max(l.import_key) from gmail_sync.imported_message l) for update"
        )
        killed = start_worker()
        sessions = wait_until(lambda: db.execute(BLOCKED_JOIN).fetchall())
        killed.signal(signal.SIGKILL)
        killed.wait(60)
        assert 0 < staged(db) < waiting
        if step_is_lost:
            db.execute("select pg_terminate_backend(%s, 5000)", [sessions[0]["pid"]])
    wait_until(lambda: step_is_lost or staged(db) == 0)
    # pg_cron does this in production. A worker does it once a minute.
    wait_until(lambda: functions.rows("reap_zombie_syncs"))
    start_worker()
    run = wait_for_run(functions, "imported", pick_up_seconds=60)
    assert run is not None
    counts = run["current_stats"]
    assert (run["outcome"], run["source"]) == ("succeeded", "resume")
    assert counts["new"] == counts["found"] == len(filled.message_ids())
    imported = functions.row("get_import", "imported")
    assert imported is not None
    assert counts["imported"] == imported["joined"] == waiting
    assert staged(db) == 0
    connect("fetched")
    functions.value("set_quota_profile", "fetched", "unlimited")
    sync(functions, "fetched")
    assert_same_mail(db, "imported", "fetched")
