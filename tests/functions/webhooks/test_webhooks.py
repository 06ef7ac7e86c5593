"""Webhooks: what is queued, for whom, in which order, and what becomes of an attempt."""

import json
import uuid
from typing import Any

import pytest

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import (
    claimed,
    connected,
    history,
    message,
    only,
    raises_sqlstate,
    record,
    set_settings,
    store,
)

URL = "https://app.example/hooks"
LEASE = "60 s"


def added(functions: Session, user: str | None = "ann", *events: str) -> str:
    """The id of a new webhook; for all events if none are named."""
    row = functions.row("add_webhook", user, URL, list(events) or None)
    assert row is not None
    webhook_id: str = row["id"]
    return webhook_id


def claim(functions: Session, limit: int = 10, per_webhook: int = 8) -> list[Row]:
    return functions.rows("claim_webhook_deliveries", limit, per_webhook, LEASE)


def accept(functions: Session, delivery: Row, status: int = 200) -> bool:
    return answer(functions, delivery, status, None)


def answer(
    functions: Session, delivery: Row, status: int | None, error: str | None, **named: object
) -> bool:
    done: bool = functions.value(
        "record_webhook_delivery",
        delivery["webhook_id"], delivery["lease"], status, error, "0.1 s",
        **named,
    )  # fmt: skip
    return done


def refuse(functions: Session, delivery: Row, status: int = 500, **named: object) -> bool:
    return answer(functions, delivery, status, f"it answered {status}", **named)


def delivered(functions: Session) -> list[dict[str, Any]]:
    """Accepts all that is due, and returns the events without their times."""
    events = []
    while claims := claim(functions):
        for delivery in claims:
            event = json.loads(delivery["body"])
            assert event.pop("timestamp").endswith("Z")
            assert event["type"] == delivery["type"]
            events.append(event)
            assert accept(functions, delivery)
    return events


def ids(events: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """The events of messages, in order."""
    return [
        (event["type"].removeprefix("message."), event["data"]["message_ids"])
        for event in events
        if event["type"].startswith("message.")
    ]


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def age(db: Connection, interval: str) -> None:
    """Move the webhooks into the past, as if so much time had gone by since."""
    columns = {
        "webhook_stream": ("due_at", "first_attempt_at", "failing_since", "waiting_since"),
        "webhook": ("failing_since", "rotated_at"),
        "webhook_event": ("created_at",),
        "webhook_delivery": ("ended_at",),
    }
    for table, names in columns.items():
        changes = ", ".join(f"{name} = {name} - '{interval}'::interval" for name in names)
        db.execute(f"update gmail_sync.{table} set {changes}".encode())


def streams(db: Connection) -> list[Row]:
    return db.execute("select * from gmail_sync.webhook_stream order by user_id").fetchall()


def test_reports_what_is_stored_updated_and_deleted(functions: Session) -> None:
    task_id = claimed(functions)
    added(functions)

    store(functions, task_id, message("a"), message("b"))
    assert ids(delivered(functions)) == [("created", ["a", "b"])]
    store(functions, task_id, message("a", "INBOX"), message("b"))
    assert ids(delivered(functions)) == [("updated", ["a"])]
    history(functions, task_id, record(500, "messagesDeleted", "b"))
    assert ids(delivered(functions)) == [("deleted", ["b"])]
    store(functions, task_id, message("b"))
    assert ids(delivered(functions)) == [("created", ["b"])]
    store(functions, task_id, message("b"))
    assert delivered(functions) == []


def test_neighbours_of_a_type_are_one_event_and_the_order_is_that_of_the_changes(
    functions: Session,
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"), message("b"))
    added(functions)
    for changed in (
        message("c"), message("d"), message("a", "X"), message("b", "X"), message("e"),
    ):  # fmt: skip
        store(functions, task_id, changed)

    events = delivered(functions)

    assert ids(events) == [("created", ["c", "d"]), ("updated", ["a", "b"]), ("created", ["e"])]
    numbers = [event["data"]["change_number"] for event in events]
    assert numbers == sorted(numbers)
    changes = functions.rows("changes_since", "ann", 0)
    assert [change["message_id"] for change in changes] == [*"cdabe"]
    assert numbers[-1] == changes[-1]["change_number"]
    assert [c["message_id"] for c in functions.rows("changes_since", "ann", numbers[0])] == [*"abe"]


def test_a_message_that_changes_again_before_it_is_reported_comes_once(functions: Session) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, message("a"), message("b"))
    store(functions, task_id, message("a", "X"))

    assert ids(delivered(functions)) == [("created", ["b", "a"])]


def test_an_event_of_many_messages_comes_in_parts(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, *(message(f"m{n:04}") for n in range(1001)))

    parts = ids(delivered(functions))

    assert [len(part) for _, part in parts] == [500, 500, 1]
    assert [i for _, part in parts for i in part] == [f"m{n:04}" for n in range(1001)]


def test_a_webhook_gets_the_events_that_it_wants(functions: Session) -> None:
    task_id = claimed(functions)
    added(functions, "ann", "message.deleted", "sync.failed")
    store(functions, task_id, *(message(f"m{n:04}") for n in range(501)), message("x"))
    history(functions, task_id, record(500, "messagesDeleted", "x"))
    store(functions, task_id, message("z"))
    functions.value("release_sync", task_id, "Gmail is away")

    assert types(delivered(functions)) == ["message.deleted", "sync.failed"]


def test_a_run_that_ends_is_reported_after_its_messages(functions: Session) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, message("a"))
    functions.value("release_sync", task_id)

    events = delivered(functions)

    assert types(events) == ["message.created", "sync.finished"]
    data = events[1]["data"]
    assert data.pop("statistics")["new"] == 1
    number = functions.rows("changes_since", "ann", 0)[-1]["change_number"]
    assert data == {
        "user_id": "ann", "task_id": task_id, "outcome": "succeeded", "sync_type": "full",
        "error_message": None, "change_number": number,
    }  # fmt: skip


def test_what_changes_after_an_event_is_reported_after_it(functions: Session) -> None:
    added(functions, "ann", "message.created", "sync.finished")
    for message_id in "ab":
        task_id = claimed(functions)
        store(functions, task_id, message(message_id))
        functions.value("release_sync", task_id)

    assert [event["data"].get("message_ids") for event in delivered(functions)] == [
        ["a"], None, ["b"], None,
    ]  # fmt: skip


def test_a_run_that_fails_or_is_cancelled_is_reported_and_one_that_goes_on_is_not(
    functions: Session,
) -> None:
    added(functions, None, "sync.finished", "sync.failed")
    functions.value("handover_sync", claimed(functions, "bo"), "quota")
    functions.value("release_sync", claimed(functions, "cy"), "Gmail is away")
    functions.value("cancel_sync", claimed(functions, "di"))

    reported = [(e["data"]["user_id"], e["data"]["outcome"]) for e in delivered(functions)]

    assert sorted(reported) == [("cy", "failed"), ("di", "cancelled")]


def test_an_account_is_reported_when_its_status_changes(functions: Session) -> None:
    added(functions)
    connected(functions)
    connected(functions)
    functions.value("mark_credentials_rejected", "ann", b"sealed", "reauth_required", "revoked")
    functions.value("begin_disconnect", "ann")
    functions.value("disconnect_account", "ann")

    assert [(e["type"], e["data"]["status_code"]) for e in delivered(functions)] == [
        ("account.connected", None),
        ("account.reauth_required", "reauth_required"),
        ("account.disconnected", None),
    ]


def test_what_is_rolled_back_is_never_reported(functions: Session, db: Connection) -> None:
    connected(functions)
    added(functions)
    task_id = claimed(functions)
    db.execute("begin")
    db.execute("set local role gmail_sync_service")
    db.execute(
        "select gmail_sync.store_messages(%s, %s, array[null::bytea])",
        [task_id, json.dumps([message("a")])],
    )
    db.execute("rollback")

    assert delivered(functions) == []


def test_a_webhook_hears_of_its_user_and_one_for_all_of_each(functions: Session) -> None:
    mine, everybodys = added(functions, "ann"), added(functions, None)
    for user in ("ann", "bo"):
        store(functions, claimed(functions, user), message("a"))

    heard = set()
    while claims := claim(functions):
        for delivery in claims:
            heard.add((delivery["webhook_id"], delivery["user_id"]))
            accept(functions, delivery)

    assert heard == {(mine, "ann"), (everybodys, "ann"), (everybodys, "bo")}


def test_nothing_is_queued_without_a_webhook(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("a"))
    functions.value("release_sync", task_id)

    assert streams(db) == []
    assert only(db, "select count(*) from gmail_sync.webhook_event") == 0
    assert not functions.rows("list_webhooks", "ann")


def test_a_store_that_changes_nothing_leaves_the_streams_alone(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, message("a"))
    delivered(functions)
    row = "select ctid::text || xmax::text from gmail_sync.webhook_stream"
    before = only(db, row)
    store(functions, task_id, message("a"))

    assert only(db, row) == before


def test_one_event_of_a_user_is_sent_at_a_time(functions: Session) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, message("a"))
    (first,) = claim(functions)
    store(functions, task_id, message("b"))
    assert claim(functions) == []

    accept(functions, first)

    assert ids(delivered(functions)) == [("created", ["b"])]


def test_a_lapsed_lease_gives_the_same_event_to_another(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, message("a"))
    (first,) = claim(functions)
    store(functions, task_id, message("b"))
    age(db, "61 s")

    (second,) = claim(functions)

    assert second["lease"] != first["lease"]
    assert {k: v for k, v in second.items() if k != "lease"} == {
        k: v for k, v in first.items() if k != "lease"
    }
    assert not accept(functions, first)
    assert accept(functions, second)
    assert ids(delivered(functions)) == [("created", ["b"])]


def test_a_refused_event_is_tried_again_as_the_specification_proposes(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, message("a"))
    bodies, waits = set(), []
    for attempt in range(1, 8):
        (delivery,) = claim(functions)
        assert delivery["attempt"] == attempt
        bodies.add((delivery["event_id"], delivery["body"]))
        refuse(functions, delivery)
        assert claim(functions) == []
        waits.append(
            only(
                db,
                "select extract(epoch from due_at - now())::float from gmail_sync.webhook_stream",
            )
        )
        age(db, f"{waits[-1] + 1} s")

    assert len(bodies) == 1
    for wait, proposed in zip(waits, (5, 300, 1800, 7200, 18000, 36000, 36000), strict=True):
        assert 0.8 * proposed - 2 <= wait <= 1.2 * proposed
    assert ids(delivered(functions)) == [("created", ["a"])]
    (row,) = functions.rows("list_webhooks", "ann")
    assert row["failing_since"] is None


def test_a_receiver_says_when_to_come_back(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, message("a"))
    for wait, asked in ((3600, "1 hour"), (86400, "30 days")):
        (delivery,) = claim(functions)
        refuse(functions, delivery, 429, p_retry_after=asked)
        seconds = only(
            db, "select extract(epoch from due_at - now())::float from gmail_sync.webhook_stream"
        )
        assert wait - 5 <= seconds <= wait
        age(db, f"{wait} s")


def test_a_receiver_that_is_back_gets_what_waits_at_once(
    functions: Session, db: Connection
) -> None:
    added(functions, None, "message.created")
    for user in ("ann", "bo", "cy"):
        store(functions, claimed(functions, user), message("a"))
    for delivery in claim(functions):
        refuse(functions, delivery)
    age(db, "1 hour")
    (probe,) = claim(functions)
    assert claim(functions) == [], "a webhook that fails gets one attempt at a time"
    db.execute(
        "update gmail_sync.webhook_stream set due_at = now() + interval '10 h' where lease is null"
    )

    accept(functions, probe)

    assert len(ids(delivered(functions))) == 2


def test_410_ends_a_webhook_until_it_is_replayed(functions: Session) -> None:
    task_id = claimed(functions)
    webhook_id = added(functions)
    store(functions, task_id, message("a"))
    refuse(functions, claim(functions)[0], 410)
    store(functions, task_id, message("b"))
    functions.value("release_sync", task_id)

    assert claim(functions) == []
    (row,) = functions.rows("list_webhooks", "ann")
    assert row["disabled_reason"] == "it answered 410 Gone"
    assert row["waiting"] == 1
    with pytest.raises(InvalidArgument, match="disabled"):
        functions.value("test_webhook", "ann", webhook_id)
    assert functions.value("replay_webhook", "ann", webhook_id)
    assert ids(delivered(functions)) == [("created", ["a"]), ("created", ["b"])]


def test_nothing_waits_for_a_disabled_webhook(functions: Session, db: Connection) -> None:
    waiting = "select count(*) from gmail_sync.webhook_stream where waiting_since is not null"
    added(functions, None, "message.created")
    tasks = {user: claimed(functions, user) for user in ("ann", "bo")}
    for task_id in tasks.values():
        store(functions, task_id, message("a"))
    assert only(db, waiting) == 2
    refuse(functions, claim(functions)[0], 410)
    assert only(db, waiting) == 0
    for task_id in tasks.values():
        store(functions, task_id, message("b"))
    assert only(db, waiting) == 0
    # As if it was disabled at the moment of a store.
    db.execute("update gmail_sync.webhook_stream set waiting_since = now()")
    assert claim(functions) == []
    assert only(db, waiting) == 0


def test_a_webhook_that_accepts_nothing_for_days_is_disabled_in_sight_of_everybody(
    functions: Session, db: Connection
) -> None:
    webhook_id = added(functions, None)
    task_id = claimed(functions)
    store(functions, task_id, message("a"))
    for _ in range(12):
        age(db, "12 h")
        for delivery in claim(functions):
            refuse(functions, delivery, 503)

    (row,) = functions.rows("list_webhooks", None)
    assert row["disabled_reason"].startswith("it accepted nothing since ")
    health = functions.value("sync_health")
    assert any(f"webhook {webhook_id} is disabled" in reason for reason in health["reasons"])
    assert health["webhooks"] == {
        "total": 1, "failing": 0, "disabled": 1,
        "accepted": 0, "refused": 11, "unanswered": 0, "oldest_seconds": None,
    }  # fmt: skip
    assert functions.value("replay_webhook", None, webhook_id)
    assert not any("webhook" in reason for reason in functions.value("sync_health")["reasons"])
    # What it was refused is not lost.
    assert ("created", ["a"]) in ids(delivered(functions))


def test_a_disabled_webhook_of_one_user_does_not_make_the_installation_unhealthy(
    functions: Session,
) -> None:
    store_to = claimed(functions)
    added(functions, "ann")
    store(functions, store_to, message("a"))
    refuse(functions, claim(functions)[0], 410)

    assert not any("webhook" in reason for reason in functions.value("sync_health")["reasons"])


def test_an_event_that_is_refused_for_a_day_while_others_are_accepted_is_given_up(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    added(functions)
    store(functions, task_id, message("poison"))
    (poison,) = claim(functions)
    refuse(functions, poison)
    store(functions, task_id, message("b"))
    functions.value("test_webhook", "ann", poison["webhook_id"])
    assert types(delivered(functions)) == ["webhook.test"]
    age(db, "25 h")

    (last,) = claim(functions)
    assert last["event_id"] == poison["event_id"]
    refuse(functions, last)

    assert ids(delivered(functions)) == [("created", ["b"])]


def test_a_test_does_not_wait_behind_events_that_are_refused(functions: Session) -> None:
    webhook_id = added(functions)
    store(functions, claimed(functions), message("a"))
    refuse(functions, claim(functions)[0])

    event_id = functions.value("test_webhook", "ann", webhook_id)

    (delivery,) = claim(functions)
    assert (delivery["event_id"], delivery["type"]) == (event_id, "webhook.test")
    accept(functions, delivery, 204)
    newest, _ = functions.rows("list_webhook_deliveries", "ann", webhook_id)
    assert (newest["event_id"], newest["http_status"]) == (event_id, 204)


def test_replay_reports_what_changed_after_a_number_once_more(functions: Session) -> None:
    task_id = claimed(functions)
    webhook_id = added(functions)
    store(functions, task_id, message("a"))
    store(functions, task_id, message("b"), message("c"))
    delivered(functions)
    first = functions.rows("changes_since", "ann", 0)[0]["change_number"]

    functions.value("replay_webhook", "ann", webhook_id, first)
    assert ids(delivered(functions)) == [("created", ["b", "c"])]
    functions.value("replay_webhook", "ann", webhook_id, 0)
    assert ids(delivered(functions)) == [("created", ["a", "b", "c"])]
    functions.value("replay_webhook", "ann", webhook_id)
    assert delivered(functions) == []


def test_replay_reaches_mail_that_is_older_than_the_webhook(functions: Session) -> None:
    for user in ("ann", "bo"):
        store(functions, claimed(functions, user), message("a"))
    webhook_id = added(functions, None)
    assert delivered(functions) == []

    functions.value("replay_webhook", None, webhook_id, 0)

    assert ids(delivered(functions)) == [("created", ["a"])] * 2


def test_who_sends_during_a_replay_records_nothing(functions: Session) -> None:
    webhook_id = added(functions)
    store(functions, claimed(functions), message("a"))
    (delivery,) = claim(functions)

    functions.value("replay_webhook", "ann", webhook_id, 0)

    assert not accept(functions, delivery)
    assert ids(delivered(functions)) == [("created", ["a"])]


def test_secrets_overlap_for_a_day(functions: Session, db: Connection) -> None:
    row = functions.row("add_webhook", "ann", URL)
    assert row is not None
    secrets = [row["secret"]]
    for _ in range(3):
        secrets.insert(0, functions.value("rotate_webhook_secret", "ann", row["id"]))
    functions.value("test_webhook", "ann", row["id"])
    (delivery,) = claim(functions)
    assert delivery["secrets"] == secrets[:3]
    age(db, "25 h")

    (delivery,) = claim(functions)

    assert delivery["secrets"] == secrets[:1]
    assert len(set(secrets)) == 4
    assert all(secret.startswith("whsec_") for secret in secrets)


def test_slow_webhooks_leave_room_for_others(functions: Session) -> None:
    added(functions, None)
    for user in "abcde":
        store(functions, claimed(functions, user), message("m"))
    only_e = added(functions, "e")
    functions.value("test_webhook", "e", only_e)

    heard = [delivery["webhook_id"] for delivery in claim(functions, 10, 3)]

    assert len(heard) == 4
    assert heard.count(only_e) == 1


def test_senders_share_what_is_due_without_waiting(functions: Session, db: Connection) -> None:
    added(functions, None)
    for user in "abcd":
        store(functions, claimed(functions, user), message("m"))
    db.execute("begin")
    taken = db.execute("select user_id from gmail_sync.claim_webhook_deliveries(2)").fetchall()

    others = claim(functions)

    assert sorted(row["user_id"] for row in [*taken, *others]) == [*"abcd"]
    db.execute("rollback")
    assert len(claim(functions)) == 2


@pytest.mark.parametrize(
    "url",
    ["ftp://app.example/", "app.example", "https://a b", "", "https://user:pw@app.example/",
     "https://app.example/" + 2000 * "x", None],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(functions: Session, url: str | None) -> None:
    with pytest.raises(InvalidArgument, match="webhook is not valid"):
        functions.row("add_webhook", "ann", url)


def test_unknown_events_are_refused(functions: Session) -> None:
    for events in (["message.sent"], [], [None], ["sync.failed", None]):
        with pytest.raises(InvalidArgument, match="webhook is not valid"):
            functions.row("add_webhook", "ann", URL, events)


def test_a_user_has_twenty_webhooks_at_most(functions: Session) -> None:
    for _ in range(20):
        added(functions)
    with pytest.raises(InvalidArgument, match="20 webhooks"):
        added(functions)
    added(functions, "bo")


def test_nobody_reaches_the_webhook_of_another(functions: Session) -> None:
    mine = added(functions, "ann")
    for user in ("bo", None):
        assert functions.value("remove_webhook", user, mine) is False
        assert functions.value("rotate_webhook_secret", user, mine) is None
        assert functions.value("test_webhook", user, mine) is None
        assert functions.value("replay_webhook", user, mine, 0) is False
        assert functions.rows("list_webhook_deliveries", user, mine) == []
        assert functions.rows("list_webhooks", user) == []
    assert functions.value("remove_webhook", "ann", mine) is True
    assert functions.value("remove_webhook", "ann", mine) is False


def test_a_removed_webhook_leaves_nothing(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    webhook_id = added(functions)
    store(functions, task_id, message("a"))
    functions.value("release_sync", task_id)
    (delivery,) = claim(functions)
    refuse(functions, delivery)

    functions.value("remove_webhook", "ann", webhook_id)

    for table in ("webhook", "webhook_stream", "webhook_event", "webhook_delivery"):
        assert only(db, f"select count(*) from gmail_sync.{table}") == 0
    assert not accept(functions, delivery)


def test_a_deleted_user_is_in_no_stream_and_no_history(functions: Session, db: Connection) -> None:
    added(functions, "ann")
    added(functions, None)
    task_id = claimed(functions)
    store(functions, task_id, message("a"))
    delivered(functions)
    store(functions, task_id, message("b"))
    functions.value("delete_account", "ann")

    assert claim(functions) == []
    assert only(db, "select count(*) from gmail_sync.webhook") == 1
    for table in ("webhook_stream", "webhook_event", "webhook_delivery"):
        assert only(db, f"select count(*) from gmail_sync.{table}") == 0


def test_old_history_and_what_a_dead_webhook_missed_are_pruned(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    added(functions)
    functions.value("release_sync", task_id)
    (delivery,) = claim(functions)
    refuse(functions, delivery, 410)
    functions.value("prune_sync_history")
    assert only(db, "select count(*) from gmail_sync.webhook_event") == 1
    age(db, "6 days")

    functions.value("prune_sync_history")

    assert only(db, "select count(*) from gmail_sync.webhook_event") == 0
    assert only(db, "select count(*) from gmail_sync.webhook_delivery") == 0


def test_the_sender_is_woken_once_for_a_stream_with_nothing_to_do(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    added(functions)
    db.execute("listen gmail_sync_webhooks")
    store(functions, task_id, message("a"))
    store(functions, task_id, message("b"))

    assert len(list(db.notifies(timeout=1, stop_after=2))) == 1


def test_the_retry_settings_are_checked(db: Connection) -> None:
    with raises_sqlstate("23514", "durations_are_positive"):
        set_settings(db, webhook_retry_period="0 s")


def test_a_claim_is_bounded(functions: Session) -> None:
    with pytest.raises(InvalidArgument, match="limit 101"):
        claim(functions, 101)
    assert answer(functions, {"webhook_id": "x", "lease": uuid.uuid4()}, 200, None) is False


def test_events_contain_messages_only_for_a_webhook_that_asks(functions: Session) -> None:
    functions.row("add_webhook", "ann", URL, ["message.created", "message.deleted"], True)
    added(functions, "ann", "message.created")
    task_id = claimed(functions)
    store(functions, task_id, message("a", "INBOX", subject="é", recipients="cy@x"), message("b"))

    plain, full = sorted(delivered(functions), key=lambda event: len(event["data"]))

    assert sorted(plain["data"]) == ["change_number", "message_ids", "user_id"]
    assert full["data"]["messages_left_out"] == 0
    assert [m["message_id"] for m in full["data"]["messages"]] == full["data"]["message_ids"]
    assert full["data"]["messages"][0] == {
        "message_id": "a", "thread_id": "t-a", "internal_date": "2023-11-14T22:13:20.000000Z",
        "label_ids": ["INBOX"], "subject": "é", "sender": "Bo <bo@mail.example>",
        "recipients": "cy@x", "snippet": "hello", "size_estimate": 1000,
    }  # fmt: skip
    history(functions, task_id, record(500, "messagesDeleted", "b"))
    (deleted,) = delivered(functions)
    assert sorted(deleted["data"]) == ["change_number", "message_ids", "user_id"]


def test_content_is_that_of_the_attempt_and_stored_nowhere(
    functions: Session, db: Connection
) -> None:
    functions.row("add_webhook", "ann", URL, ["message.created"], True)
    task_id = claimed(functions)
    store(functions, task_id, message("a", subject="before"), message("b", subject="private"))
    (first,) = claim(functions)
    assert "private" in first["body"]
    refuse(functions, first)
    history(functions, task_id, record(500, "messagesDeleted", "b"))
    store(functions, task_id, message("a", subject="after"))
    age(db, "10 s")

    (second,) = claim(functions)

    assert second["event_id"] == first["event_id"]
    data = json.loads(second["body"])["data"]
    assert data["message_ids"] == ["a", "b"]
    assert [m["subject"] for m in data["messages"]] == ["after"]
    assert data["messages_left_out"] == 0
    assert "after" not in str(streams(db))


def test_what_exceeds_the_limit_of_content_is_left_out(functions: Session, db: Connection) -> None:
    set_settings(db, webhook_content_limit=10_000)
    functions.row("add_webhook", "ann", URL, ["message.created"], True)
    long = "é" * 50_000
    store(
        functions, claimed(functions),
        *(message(f"m{n}", subject=long, sender=long, recipients=long) for n in range(9)),
    )  # fmt: skip

    (delivery,) = claim(functions)

    data = json.loads(delivery["body"])["data"]
    assert [m["message_id"] for m in data["messages"]] == ["m0"]
    assert data["messages"][0]["subject"] == long[:998]
    assert (data["messages_left_out"], len(data["message_ids"])) == (8, 9)
    assert len(delivery["body"].encode()) < 10_500


def test_health_counts_attempts_and_the_longest_wait(functions: Session, db: Connection) -> None:
    assert functions.value("sync_health")["webhooks"]["oldest_seconds"] is None
    added(functions)
    for user in ("ann", "bo"):
        task_id = claimed(functions, user)
        added(functions, user, "message.created")
        store(functions, task_id, message("a"))
    age(db, "1 min")
    first, second, third = claim(functions)
    accept(functions, first)
    refuse(functions, second)
    answer(functions, third, None, "no answer")

    counts = functions.value("sync_health")["webhooks"]

    assert [counts[name] for name in ("accepted", "refused", "unanswered")] == [1, 1, 1]
    assert 60 <= counts["oldest_seconds"] < 120
    age(db, "1 day")
    delivered(functions)
    assert functions.value("sync_health")["webhooks"]["oldest_seconds"] is None


def test_a_claim_takes_no_more_turns_of_a_webhook_than_of_another(functions: Session) -> None:
    for user in ("ann", "bo", "cy"):
        for _ in range(3):
            added(functions, user, "message.created")
        store(functions, claimed(functions, user), message("a"))
    everybodys = added(functions, None, "message.created")
    for user in ("di", "ed", "fay"):
        store(functions, claimed(functions, user), message("a"))

    heard = [delivery["webhook_id"] for delivery in claim(functions, 10)]

    assert len(set(heard)) == 10
    assert heard.count(everybodys) == 1


def test_types_of_events_are_defined_once(functions: Session, db: Connection) -> None:
    added(functions, "ann")
    (row,) = functions.rows("list_webhooks", "ann")
    assert row["events"] == functions.value("webhook_event_types")
    added(functions, "bo", "sync.failed", "message.created", "sync.failed")
    (row,) = functions.rows("list_webhooks", "bo")
    assert row["events"] == ["message.created", "sync.failed"]
    listing = "select prosrc from pg_proc where prosrc ~ 'account.reauth_required.*account.disconn'"
    assert db.execute(listing).fetchall() == []
