import re
import uuid
from collections.abc import Callable

import psycopg
import pytest

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import (
    announced,
    claimed,
    connected,
    insert_run,
    only,
    queued,
    run_of,
    set_run,
    set_settings,
    shift,
    successor_of,
    together,
    zombie,
)

Sessions = Callable[[int], list[Session]]
Locked = Callable[[str], psycopg.Connection[Row]]


def running(db: Connection, user: str = "ann") -> int:
    count: int = only(
        db,
        "select count(*) from gmail_sync.user_sync_status where user_id = %s and is_syncing",
        user,
    )
    return count


def test_makes_a_queued_run_named_after_the_user(functions: Session, db: Connection) -> None:
    started = functions.row("start_sync", "ann", p_source="api")
    assert started is not None
    assert started["created"] is True
    assert re.fullmatch(r"sync_ann_[0-9a-f]{8}_\d{10}", started["task_id"])
    run = run_of(db, started["task_id"])
    assert (run["phase"], run["claimed_at"], run["source"], run["attempt"]) == (
        "queued", None, "api", 1,
    )  # fmt: skip


def test_ten_clicks_are_one_run(functions: Session, db: Connection) -> None:
    clicks = [functions.rows("start_sync", "ann")[0] for _ in range(10)]
    assert len({click["task_id"] for click in clicks}) == 1
    assert [click["created"] for click in clicks] == [True] + 9 * [False]
    assert running(db) == 1


def test_fifty_clicks_at_once_are_one_run(sessions: Sessions, db: Connection) -> None:
    open_sessions = sessions(50)
    clicks = together(50, lambda i: open_sessions[i].rows("start_sync", "ann")[0])
    assert len({click["task_id"] for click in clicks}) == 1
    assert sum(click["created"] for click in clicks) == 1
    assert running(db) == 1


def test_fifty_clicks_at_once_on_a_zombie_have_one_successor(
    sessions: Sessions, functions: Session, db: Connection
) -> None:
    dead = zombie(functions, db)
    open_sessions = sessions(50)
    clicks = together(50, lambda i: open_sessions[i].value("start_sync_idempotent", "ann"))
    assert set(clicks) <= {dead, successor_of(db, dead)["task_id"]}
    assert running(db) == 1


def test_many_users_start_at_once(sessions: Sessions, db: Connection) -> None:
    open_sessions = sessions(20)
    started = together(
        20, lambda i: [open_sessions[i].row("start_sync", f"user {n}") for n in range(10)]
    )
    rows = [row for batch in started for row in batch if row]
    assert len({row["task_id"] for row in rows}) == 10
    assert sum(row["created"] for row in rows) == 10


def test_a_click_heals_a_stuck_user_without_any_reaper(functions: Session, db: Connection) -> None:
    insert_run(db, task_id="stuck", progress_percentage=40, found=5, pending=3, new=2)
    shift(db, "stuck", "-61 s", "updated_at")
    started = functions.rows("start_sync", "ann")[0]
    assert run_of(db, "stuck")["outcome"] == "reaped"
    healed = run_of(db, started["task_id"])
    assert started["created"] is False
    assert (healed["resumes"], healed["progress_percentage"], healed["found"]) == ("stuck", 40, 5)
    assert functions.value("claim_sync", uuid.uuid4()) == healed["task_id"]


def test_a_click_after_the_last_try_makes_a_run_of_its_own(
    functions: Session, db: Connection
) -> None:
    dead = zombie(functions, db)
    set_run(db, dead, attempt=12)
    started = functions.rows("start_sync", "ann")[0]
    assert started["created"] is True
    assert run_of(db, dead)["outcome"] == "failed"
    assert run_of(db, started["task_id"])["resumes"] is None


def test_does_not_wait_for_a_locked_zombie(
    functions: Session, db: Connection, locked: Locked
) -> None:
    dead = zombie(functions, db)
    locked("select from gmail_sync.user_sync_status for update")
    db.execute("set statement_timeout = '2 s'")
    assert only(db, "select gmail_sync.start_sync_idempotent('ann')") == dead


def test_leaves_other_users_zombies_alone(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db, "bo")
    queued(functions, "ann")
    assert run_of(db, dead)["is_syncing"]


def test_refuses_what_is_no_user(functions: Session) -> None:
    for user in [None, "", " ", "a\tb", "\x7f", "u" * 256]:
        with pytest.raises(InvalidArgument):
            functions.value("start_sync_idempotent", user)


def test_takes_what_is_a_user(functions: Session) -> None:
    for user in ["u" * 255, "Zoë's ‘mail’; drop --", "%s_{}\\", "0"]:
        assert functions.value("start_sync_idempotent", user).startswith(f"sync_{user}_")


def test_refuses_an_unknown_source(functions: Session) -> None:
    for source in [None, "", "resume", "cron"]:
        with pytest.raises(InvalidArgument):
            functions.value("start_sync_idempotent", "ann", p_source=source)


def test_no_word_on_forcing_means_not_forced(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    assert run_of(db, queued(functions, p_force_full=None))["sync_type"] == "incremental"


@pytest.mark.parametrize(
    ("account", "force", "kind"),
    [
        ("history_id = 7", False, "incremental"),
        ("history_id = 7", True, "full"),
        ("history_id = null", False, "full"),
        ("history_id = 7, listing_history_id = 9", False, "full"),
    ],
)
def test_the_account_tells_what_kind_of_sync_it_needs(
    functions: Session, db: Connection, account: str, force: bool, kind: str
) -> None:
    connected(functions)
    db.execute(f"update gmail_sync.account set {account}".encode())
    assert run_of(db, queued(functions, p_force_full=force))["sync_type"] == kind


def incremental(functions: Session, db: Connection) -> str:
    connected(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    return queued(functions)


def test_forcing_upgrades_an_unclaimed_run(functions: Session, db: Connection) -> None:
    task_id = incremental(functions, db)
    assert queued(functions, p_force_full=True) == task_id
    run = run_of(db, task_id)
    assert (run["sync_type"], run["follow_up"]) == ("full", None)


def test_forcing_a_claimed_incremental_run_is_followed_by_a_full_one(
    functions: Session, db: Connection
) -> None:
    task_id = incremental(functions, db)
    functions.value("claim_sync", uuid.uuid4())
    assert queued(functions, p_force_full=True) == task_id
    run = run_of(db, task_id)
    assert (run["sync_type"], run["follow_up"]) == ("incremental", "full")
    queued(functions, p_source="push")
    assert run_of(db, task_id)["follow_up"] == "full"


def test_forcing_a_claimed_full_run_asks_for_nothing(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    queued(functions, p_force_full=True)
    assert run_of(db, task_id)["follow_up"] is None


def test_a_push_on_a_claimed_run_asks_for_one_more(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    assert queued(functions, p_source="push") == task_id
    assert run_of(db, task_id)["follow_up"] == "incremental"


def test_full_wins_over_what_a_push_asked_for(functions: Session, db: Connection) -> None:
    task_id = incremental(functions, db)
    functions.value("claim_sync", uuid.uuid4())
    queued(functions, p_source="push")
    queued(functions, p_force_full=True)
    assert run_of(db, task_id)["follow_up"] == "full"


def test_a_push_on_an_unclaimed_run_asks_for_nothing(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    assert queued(functions, p_source="push") == task_id
    assert run_of(db, task_id)["follow_up"] is None


@pytest.mark.parametrize("source", ["api", "sql", "schedule"])
def test_a_plain_click_on_a_claimed_run_changes_nothing(
    functions: Session, db: Connection, source: str
) -> None:
    task_id = claimed(functions)
    before = run_of(db, task_id)
    assert queued(functions, p_source=source) == task_id
    assert run_of(db, task_id) == before


def backed_off(functions: Session, db: Connection) -> str:
    task_id = queued(functions, connected(functions), p_source="schedule")
    shift(db, task_id, "5 min", "not_before")
    return task_id


@pytest.mark.parametrize("source", ["api", "sql"])
def test_a_person_makes_a_backed_off_run_due(
    functions: Session, db: Connection, source: str
) -> None:
    task_id = backed_off(functions, db)
    assert functions.rows("claim_sync", uuid.uuid4()) == []
    assert queued(functions, p_source=source) == task_id
    assert run_of(db, task_id)["source"] == source
    assert functions.value("claim_sync", uuid.uuid4()) == task_id


@pytest.mark.parametrize("source", ["push", "schedule"])
def test_no_machine_makes_a_backed_off_run_due(
    functions: Session, db: Connection, source: str
) -> None:
    task_id = backed_off(functions, db)
    assert queued(functions, p_source=source) == task_id
    assert functions.rows("claim_sync", uuid.uuid4()) == []


def test_nobody_cuts_short_a_wait_for_google(functions: Session, db: Connection) -> None:
    task_id = backed_off(functions, db)
    shift(db, task_id, "5 min", "waiting_until")
    due = run_of(db, task_id)["not_before"]
    queued(functions, p_source="api")
    assert run_of(db, task_id)["not_before"] == due
    shift(db, task_id, "-1 s", "waiting_until")
    queued(functions, p_source="api")
    assert functions.value("claim_sync", uuid.uuid4()) == task_id


def test_making_a_run_due_wakes_the_workers(functions: Session, db: Connection) -> None:
    task_id = backed_off(functions, db)
    db.execute("listen gmail_sync")
    queued(functions, p_source="api")
    woken = announced(db, 1)
    assert woken == [task_id]


@pytest.mark.parametrize(
    ("started", "due", "wakes"),
    [
        ("-2 s", "-2 s", True),
        ("-4 s", "-4 s", False),
        ("-4 s", "-2 s", True),
        ("-4 s", "1 min", True),
    ],
    ids=["just queued", "waits for a worker", "just due", "not due"],
)
def test_a_new_run_wakes_the_workers_unless_all_are_busy(
    functions: Session, db: Connection, started: str, due: str, wakes: bool
) -> None:
    other = queued(functions, "bo")
    shift(db, other, started, "started_at")
    shift(db, other, due, "not_before")
    db.execute("listen gmail_sync")
    task_id = queued(functions)
    db.execute("select pg_notify('gmail_sync', 'last')")
    woken = announced(db, 1 + wakes)
    assert woken == [task_id, "last"][not wakes :]


def test_a_person_lends_priority_to_a_scheduled_run(functions: Session, db: Connection) -> None:
    queued(functions, connected(functions, "bo"), p_source="push")
    scheduled = queued(functions, connected(functions), p_source="schedule")
    queued(functions, "ann", p_source="sql")
    assert functions.value("claim_sync", uuid.uuid4()) == scheduled


def test_a_start_never_looks_at_the_account(functions: Session) -> None:
    assert queued(functions, "nobody's account").startswith("sync_")


def test_a_start_reads_the_heartbeat_timeout_anew(functions: Session, db: Connection) -> None:
    dead = zombie(functions, db)
    set_settings(db, heartbeat_timeout="5 min")
    assert queued(functions) == dead
    set_settings(db, heartbeat_timeout="60 s")
    assert queued(functions) != dead
