"""set_content_mode, set_sync_interval: the settings of an account."""

import uuid
from datetime import timedelta

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import AccountNotConnected, InvalidArgument
from tests.functions.conftest import (
    age_runs,
    claimed,
    connected,
    counts,
    email_of,
    history,
    listed,
    message,
    only,
    queue_of,
    queued,
    record,
    run_of,
    shift,
    store,
    stored_messages,
    taken,
)

DATES = {"old": "1000", "mid": "2000", "new": "3000", "dead": "4000"}


def synced(functions: Session, user: str = "ann") -> str:
    """The released run that stored `old`, `mid` and `new`, and found `dead` deleted."""
    task_id = claimed(functions, user)
    history(functions, task_id, *(record(1, "messagesAdded", each) for each in DATES))
    taken(functions, task_id)
    for message_id, date in DATES.items():
        store(functions, task_id, message(message_id, internal_date=date))
    history(functions, task_id, record(200, "messagesDeleted", "dead"))
    assert functions.value("release_sync", task_id)
    return task_id


def account(functions: Session, user: str = "ann") -> Row:
    (row,) = functions.rows("list_accounts", user)
    return row


def store_raw_copies(db: Connection, *message_ids: str) -> None:
    db.execute(
        "update gmail_sync.message set raw = 'x' where message_id = any (%s)", [list(message_ids)]
    )
    db.execute("select gmail_sync._recount_mail('ann')")


def with_mail(db: Connection, count: int) -> None:
    """More mail of ann's without raw copies: m00001 is the oldest."""
    db.execute(
        "insert into gmail_sync.message (user_id, message_id, thread_id, history_id, internal_date,"
        " label_ids, headers, snippet, size_estimate, change_number)"
        " select 'ann', 'm' || lpad(n::text, 5, '0'), 't', 1, '2026-01-01'::timestamptz"
        " + n * interval '1 s', '{}', '[]', '', 1, n from generate_series(1, %s) n",
        [count],
    )
    db.execute("select gmail_sync._recount_mail('ann')")


def claim(functions: Session) -> str:
    (run,) = functions.rows("claim_sync", uuid.uuid4())
    return str(run["task_id"])


def waiting_upgrades(db: Connection) -> list[str]:
    rows = sorted(queue_of(db).values(), key=lambda row: row["position"])
    assert {row["reason"] for row in rows} <= {"raw_backfill"}
    return [row["message_id"] for row in rows]


def test_to_raw_queues_what_lives_without_a_raw_copy_newest_first(
    functions: Session, db: Connection
) -> None:
    synced(functions)
    store_raw_copies(db, "mid")

    assert functions.value("set_content_mode", "ann", "raw") == 2

    claim(functions)
    assert waiting_upgrades(db) == ["new", "old"]
    assert account(functions)["content_mode"] == "raw"


def test_to_raw_starts_a_run_that_fetches_them_and_counts_them_updated(
    functions: Session, db: Connection
) -> None:
    synced(functions)
    functions.value("set_content_mode", "ann", "raw")

    (run,) = functions.rows("claim_sync", uuid.uuid4())
    task_id = run["task_id"]
    assert (run["content_mode"], counts(db, task_id)) == ("raw", {"found": 3, "pending": 3})
    rows = functions.rows("take_messages", task_id)
    assert [(row["message_id"], row["known"], row["content_mode"]) for row in rows] == [
        ("new", False, "raw"), ("mid", False, "raw"), ("old", False, "raw"),
    ]  # fmt: skip
    for row in rows:
        given = Jsonb([message(row["message_id"])])
        functions.rows("store_messages", task_id, given, [b"raw"])
    assert counts(db, task_id) == {"found": 3, "updated": 3}
    assert functions.value("release_sync", task_id)


def test_to_raw_twice_asks_for_nothing_twice(functions: Session, db: Connection) -> None:
    synced(functions)
    assert functions.value("set_content_mode", "ann", "raw") == 3
    assert functions.value("set_content_mode", "ann", "raw") == 0
    claim(functions)
    assert functions.value("set_content_mode", "ann", "raw") == 0
    assert len(waiting_upgrades(db)) == 3


def test_back_to_full_queues_nothing(functions: Session, db: Connection) -> None:
    synced(functions)
    functions.value("set_content_mode", "ann", "raw")
    functions.value("set_content_mode", "ann", "full")
    assert counts(db, claim(functions)) == {}
    assert queue_of(db) == {}


def test_a_large_mailbox_is_queued_in_steps_that_survive_a_lost_worker(
    functions: Session, db: Connection
) -> None:
    synced(functions)
    store_raw_copies(db, "old", "mid", "new")
    with_mail(db, 12_000)

    assert functions.value("set_content_mode", "ann", "raw") == 12_000
    assert queue_of(db) == {}
    task_id = claim(functions)
    assert counts(db, task_id) == {"found": 5_000, "pending": 5_000}
    assert functions.value("prepare_sync", task_id, "", 1_000) == ""
    assert counts(db, task_id) == {"found": 6_000, "pending": 6_000}
    shift(db, task_id, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")

    (run,) = functions.rows("claim_sync", uuid.uuid4())
    task_id, after = run["task_id"], run["counted_to"]
    while after is not None:
        after = functions.value("prepare_sync", task_id, after)

    assert counts(db, task_id) == {"found": 12_000, "pending": 12_000}
    assert waiting_upgrades(db) == [f"m{number:05}" for number in range(12_000, 0, -1)]
    functions.value("release_sync", task_id, "stopped")
    assert only(db, "select backfilled_to from gmail_sync.account") is None


def test_a_walk_that_was_stopped_makes_the_account_due(functions: Session, db: Connection) -> None:
    synced(functions)
    with_mail(db, 6_000)
    functions.value("set_content_mode", "ann", "raw")
    functions.value("release_sync", claim(functions), "stopped")
    db.execute("delete from gmail_sync.fetch_queue")
    age_runs(db, "1 day")

    assert len(functions.rows("enqueue_due_syncs")) == 1


def test_mail_of_the_same_moment_is_queued_once(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    with_mail(db, 25)
    db.execute("update gmail_sync.message set internal_date = '2026-01-01'")
    functions.value("set_content_mode", "ann", "raw")

    steps = [functions.value("prepare_sync", task_id, "", 9) for _ in range(3)]

    assert steps == ["", "", "m00009"]  # where the count of due messages goes on
    assert waiting_upgrades(db) == [f"m{number:05}" for number in range(25, 0, -1)]
    assert counts(db, task_id) == {"found": 25, "pending": 25}


def test_back_to_full_keeps_raw_copies_and_to_raw_again_is_quiet(
    functions: Session, db: Connection
) -> None:
    synced(functions)
    store_raw_copies(db, *DATES)
    last = functions.rows("sync_status", "ann")
    for mode in ("raw", "full", "raw"):
        assert functions.value("set_content_mode", "ann", mode) == 0
    assert queue_of(db) == {}
    assert {row["raw"] for row in stored_messages(db).values()} == {b"x"}
    assert functions.rows("sync_status", "ann") == last


def test_a_run_under_way_is_followed_by_one_more(functions: Session, db: Connection) -> None:
    synced(functions)
    running = claimed(functions)
    functions.value("set_content_mode", "ann", "raw")
    assert run_of(db, running)["follow_up"] == "incremental"


def test_what_is_on_its_way_while_the_mode_changes_is_fetched_once_more(
    functions: Session, db: Connection
) -> None:
    synced(functions)
    running = claimed(functions)
    listed(functions, running, "old", "fresh")
    assert taken(functions, running) == ["old", "fresh"]

    functions.value("set_content_mode", "ann", "raw")
    refreshed = {"message_id": "old", "history_id": "300", "label_ids": []}
    functions.rows("refresh_messages", running, Jsonb([refreshed]))
    store(functions, running, message("fresh"))

    assert waiting_upgrades(db) == ["old", "fresh"]
    rows = functions.rows("take_messages", running)
    assert {row["content_mode"] for row in rows} == {"raw"}
    assert not any(row["known"] for row in rows)
    assert {row["message_id"] for row in rows} == {"old", "fresh"}
    # Another run follows, and fetches the rest.
    assert run_of(db, running)["follow_up"] == "incremental"


def test_a_mailbox_kept_full_is_fetched_once(functions: Session, db: Connection) -> None:
    synced(functions)
    assert queue_of(db) == {}


def test_a_reconnect_may_switch_the_mode_and_starts_nothing(
    functions: Session, db: Connection
) -> None:
    synced(functions)
    last = functions.rows("sync_status", "ann")
    functions.rows("connect_account", "ann", email_of("ann"), b"new", None, "raw")
    assert functions.rows("sync_status", "ann") == last
    queued(functions)
    claim(functions)
    assert waiting_upgrades(db) == ["new", "mid", "old"]


def test_a_refused_switch_changes_nothing(functions: Session, db: Connection) -> None:
    synced(functions)
    for mode in (None, "", "some", "RAW"):
        with pytest.raises(InvalidArgument):
            functions.value("set_content_mode", "ann", mode)
    with pytest.raises(AccountNotConnected):
        functions.rows("connect_account", "ann", "bo@mail.example", b"other", None, "raw")
    for mode in ("full", "raw"):
        with pytest.raises(AccountNotConnected):
            functions.value("set_content_mode", "nobody", mode)
    assert account(functions)["content_mode"] == "full"
    assert queue_of(db) == {}


def test_other_users_mail_is_left_alone(functions: Session, db: Connection) -> None:
    synced(functions, "bo")
    connected(functions)
    assert functions.value("set_content_mode", "ann", "raw") == 0
    assert queue_of(db, "bo") == {}


def test_an_interval_makes_an_account_sync_by_itself_and_null_does_not(
    functions: Session,
) -> None:
    connected(functions)
    functions.rows("set_sync_interval", "ann", timedelta(minutes=15))
    assert account(functions)["sync_interval"] == timedelta(minutes=15)
    functions.rows("set_sync_interval", "ann", None)
    assert functions.rows("enqueue_due_syncs") == []
    functions.rows("set_sync_interval", "ann", timedelta(minutes=1))
    assert len(functions.rows("enqueue_due_syncs")) == 1


def test_bad_settings_are_refused(functions: Session) -> None:
    connected(functions)
    for function, value in [
        ("set_sync_interval", timedelta(seconds=59)),
        ("set_sync_interval", timedelta.max),
    ]:
        with pytest.raises(InvalidArgument):
            functions.rows(function, "ann", value)
    for function, value in [
        ("set_sync_interval", timedelta(hours=1)),
    ]:
        with pytest.raises(AccountNotConnected):
            functions.rows(function, "nobody", value)
