"""Counts add up and the bar never goes back, whatever a run does in whatever order."""

import random
import uuid

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    history,
    listed,
    message,
    record,
    run_of,
    shift,
    store,
    taken,
)

BUCKETS = ("new", "updated", "unchanged", "deleted", "gone", "failed", "pending")
STEPS = 60


def step(functions: Session, task_id: str, chance: random.Random, number: int) -> None:
    """One write a worker might make, on a few of ten messages."""
    names = [f"m{n}" for n in sorted(chance.sample(range(10), chance.randint(1, 4)))]
    label = chance.choice("XY")
    action = chance.randrange(8)
    if action == 0:
        listed(functions, task_id, *names, token="more")
    elif action == 1:
        store(functions, task_id, *(message(name, label) for name in names))
    elif action == 2:
        kind = chance.choice(["messagesAdded", "messagesDeleted", "labelsAdded", "labelsRemoved"])
        labels = [label] if kind.startswith("labels") else []
        history(functions, task_id, *(record(1000 + number, kind, name, *labels) for name in names))
    elif action == 3:
        taken(functions, task_id, 3)
    elif action == 4:
        answer = chance.choice([{"gone": True}, {"permanent": True}, {}])
        failures = [{"message_id": name, "error_message": "x", **answer} for name in names]
        functions.rows("fail_messages", task_id, Jsonb(failures))
    elif action == 5:
        functions.rows("return_messages", task_id, names)
    elif action == 6:
        functions.value("retry_failed_messages", "ann")
    else:
        functions.rows("restart_listing", task_id) if chance.random() < 0.5 else listed(
            functions, task_id, *names
        )


@pytest.mark.parametrize("seed", range(4))
def test_counts_add_up_after_any_sequence(functions: Session, db: Connection, seed: int) -> None:
    chance = random.Random(seed)
    task_id = claimed(functions)
    progress = 0
    for number in range(STEPS):
        if chance.random() < 0.1:
            shift(db, task_id, "-61 s", "updated_at")
            functions.rows("reap_zombie_syncs")
            db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")
            task_id = functions.value("claim_sync", uuid.uuid4())
        step(functions, task_id, chance, number)
        run = run_of(db, task_id)
        touched = db.execute("select bucket, count(*)::int from gmail_sync.touched group by bucket")
        buckets = {row["bucket"]: row["count"] for row in touched}
        assert {name: run[name] for name in BUCKETS if run[name]} == buckets
        assert run["found"] == sum(buckets.values()) <= 10
        assert run["progress_percentage"] >= progress
        progress = run["progress_percentage"]
