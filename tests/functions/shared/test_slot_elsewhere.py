"""On a node, nothing is started, claimed or changed for users who live on another one."""

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.postgres.calls import Connection, Session
from service.postgres.errors import UserElsewhere
from tests.functions.conftest import (
    claimed,
    connected,
    email_of,
    only,
    queued,
    raises_sqlstate,
    run_of,
)
from tests.model.calls import OF_A_USER, call

PARTED = """
    create temporary table parted (user_id text) partition by hash (user_id);
    create temporary table part partition of parted for values with (modulus 64, remainder 0)
"""
WRONG_SLOTS = """
    select user_id from unnest(%s::text[]) user_id
    where not satisfies_hash_partition(
      'parted'::regclass, 64, gmail_sync._user_slot(user_id), user_id
    )
"""


def move_away(db: Connection, user: str = "ann") -> None:
    db.execute(
        "insert into gmail_sync.slot_elsewhere (slot) select gmail_sync._user_slot(%s)", [user]
    )


def move_back(db: Connection) -> None:
    db.execute("delete from gmail_sync.slot_elsewhere")


def copy_begins(db: Connection) -> None:
    """Rows of a user as a move copies them early."""
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)"
        " values ('ann', 'm', 'listed', true)"
    )
    db.execute(
        "insert into gmail_sync.audit_event (act, user_id, actor, role, application)"
        " values ('connected', 'ann', 'ann', 'app', ''), ('keys_rotated', null, 'os', 'dba', '')"
    )


def listed(functions: Session) -> tuple[list[str], list[str], int]:
    dead = [row["user_id"] for row in functions.rows("list_dead_letters")]
    trail = [row["user_id"] for row in functions.rows("list_audit_events")]
    return dead, trail, functions.value("sync_health")["dead_letters"]


def test_lists_of_all_users_leave_out_who_lives_elsewhere(
    functions: Session, db: Connection
) -> None:
    copy_begins(db)
    assert listed(functions) == (["ann"], [None, "ann"], 1)
    move_away(db)
    assert listed(functions) == ([], [None], 0)


def test_lists_have_users_until_the_other_node_lists_them(
    functions: Session, db: Connection
) -> None:
    copy_begins(db)
    move_away(db)
    db.execute("update gmail_sync.slot_elsewhere set is_listed = true")
    assert listed(functions) == (["ann"], [None, "ann"], 1)


@pytest.fixture(scope="module")
def parted(shared_db: Connection) -> Connection:
    shared_db.execute(PARTED.encode())
    return shared_db


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")), min_size=50
    )
)
def test_a_slot_is_the_partition_by_hash(parted: Connection, users: list[str]) -> None:
    assert parted.execute(WRONG_SLOTS, [users]).fetchall() == []


@pytest.mark.parametrize("function", OF_A_USER)
def test_a_function_that_writes_for_a_user_refuses_one_elsewhere(
    functions: Session, db: Connection, function: str
) -> None:
    connected(functions)
    move_away(db)
    with raises_sqlstate("SY006"):
        call(db, function, "ann")


def test_a_run_of_a_user_elsewhere_is_not_cancelled(functions: Session, db: Connection) -> None:
    task_id = queued(functions)
    move_away(db)
    with raises_sqlstate("SY006"):
        db.execute("select gmail_sync.cancel_sync(%s)", [task_id])
    assert run_of(db, task_id)["is_syncing"]


def test_progress_of_a_user_elsewhere_is_that_nodes_to_show(
    functions: Session, db: Connection
) -> None:
    task_id = queued(functions)
    move_away(db)
    assert functions.rows("sync_progress", ["ann"]) == []
    # The router still leads a reader here until the user has moved.
    assert functions.row("sync_status", "ann")["task_id"] == task_id  # type: ignore[index]
    move_back(db)
    (row,) = functions.rows("sync_progress", ["ann"])
    assert row["task_id"] == task_id


def test_an_operators_act_on_a_user_elsewhere_is_not_recorded(db: Connection) -> None:
    move_away(db)
    with raises_sqlstate("SY006"):
        db.execute("select gmail_sync.record_audit_event('operator_act', 'eve', '{}', 'ann')")
    db.execute("select gmail_sync.record_audit_event('operator_act', 'ann', '{}', 'bo')")


def test_a_claim_leaves_out_runs_of_users_elsewhere(functions: Session, db: Connection) -> None:
    ann, bo = queued(functions, "ann"), queued(functions, "bo")
    move_away(db, "ann")
    claims = [functions.value("claim_sync", uuid.uuid4()) for _ in range(2)]
    assert claims == [bo, None]
    move_back(db)
    assert functions.value("claim_sync", uuid.uuid4()) == ann


def test_a_claimed_run_of_a_user_elsewhere_can_be_handed_over(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    move_away(db)
    successor = functions.value("handover_sync", task_id, "moves")
    assert run_of(db, successor)["claimed_at"] is None


def test_the_schedule_keeps_users_elsewhere_for_when_they_come_back(
    functions: Session, db: Connection
) -> None:
    for user in ("ann", "bo"):
        functions.value("set_sync_interval", connected(functions, user), "1 hour")
    move_away(db, "ann")
    started = [
        run_of(db, row["enqueue_due_syncs"])["user_id"]
        for _ in range(2)
        for row in functions.rows("enqueue_due_syncs")
    ]
    assert started == ["bo"]
    move_back(db)
    (row,) = functions.rows("enqueue_due_syncs")
    assert run_of(db, row["enqueue_due_syncs"])["user_id"] == "ann"


def test_a_user_elsewhere_whose_check_is_due_is_not_started(
    functions: Session, db: Connection
) -> None:
    functions.value("set_sync_interval", connected(functions), "1 hour")
    db.execute("delete from gmail_sync.schedule")
    db.execute("insert into gmail_sync.schedule (user_id, check_at) values ('ann', now())")
    move_away(db)
    assert functions.rows("enqueue_due_syncs") == []
    move_back(db)
    assert len(functions.rows("enqueue_due_syncs")) == 1


def test_a_push_starts_runs_of_the_users_here(functions: Session, db: Connection) -> None:
    for user in ("ann", "bo"):
        functions.value("connect_account", user, "shared@mail.example", b"sealed")
    move_away(db, "ann")
    (row,) = functions.rows("receive_push", "shared@mail.example", 7)
    assert run_of(db, row["receive_push"])["user_id"] == "bo"


def test_webhooks_of_users_elsewhere_are_called_by_their_node(
    functions: Session, db: Connection
) -> None:
    for user in ("ann", "bo"):
        functions.rows("add_webhook", user, "https://app.example/")
        connected(functions, user)
    move_away(db, "ann")
    due = functions.rows("claim_webhook_deliveries", 10)
    assert [row["user_id"] for row in due] == ["bo"]
    move_back(db)
    due = functions.rows("claim_webhook_deliveries", 10)
    assert [row["user_id"] for row in due] == ["ann"]


def test_an_adoption_leaves_rows_of_users_elsewhere_to_their_node(db: Connection) -> None:
    db.execute(
        "create table public.legacy (task_id text, user_id text, is_syncing bool);"
        "insert into public.legacy (task_id, user_id, is_syncing)"
        " values ('a', 'ann', false), ('b', 'bo', false), ('c', null, false)"
    )
    adopt = "select action, row_count from gmail_sync.adopt_legacy_sync_status('public.legacy')"
    move_away(db, "ann")
    assert {tuple(row.values()) for row in db.execute(adopt).fetchall()} == {
        ("adopted", 1),
        ("left_out", 1),
    }
    move_back(db)
    db.execute(adopt.encode())
    assert only(db, "select user_id from gmail_sync.user_sync_status where task_id = 'a'") == "ann"


def test_mail_that_moves_is_not_miscounted(functions: Session, db: Connection) -> None:
    connected(functions)
    move_away(db)
    db.execute(
        "insert into gmail_sync.message (user_id, message_id, thread_id, history_id,"
        " internal_date, label_ids, headers, snippet, size_estimate, change_number)"
        " values ('ann', 'm', 'm', 1, now(), '{}', '{}', '', 1, 1)"
    )
    problems = "select count(*) from gmail_sync.check_sync_consistency()"
    assert only(db, problems) == 0
    move_back(db)
    assert only(db, problems) == 1


def test_reads_go_on(functions: Session, db: Connection) -> None:
    task_id = queued(functions, connected(functions))
    move_away(db)
    assert functions.rows("sync_run", task_id)[0]["user_id"] == "ann"
    assert functions.rows("get_account_credentials", "ann")[0]["email"] == email_of("ann")
    assert functions.rows("changes_since", "ann", 0) == []


def test_a_call_is_repeated_while_the_user_moves(
    functions: Session, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_away(db)
    pauses: list[float] = []
    monkeypatch.setattr("service.postgres.calls.time.sleep", pauses.append)
    with pytest.raises(UserElsewhere, match="user ann lives on another node"):
        queued(functions)
    assert len(pauses) == 3

    monkeypatch.setattr("service.postgres.calls.time.sleep", lambda _: move_back(db))
    assert run_of(db, queued(functions))["user_id"] == "ann"
