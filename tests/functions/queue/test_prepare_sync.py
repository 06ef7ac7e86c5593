"""prepare_sync, and what claim_sync prepares."""

import uuid

import pytest

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, connected, counts, only, queued, shift, taken

COUNTED_BY_A_CLAIM = 5_000


def claim_with_a_queue_of(functions: Session, db: Connection, size: int) -> Row:
    """A claimed run of ann, who has so many messages to fetch, every tenth given up."""
    queued(functions, connected(functions))
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead, error_message)"
        " select 'ann', lpad(n::text, 6, '0'), 'listed', n %% 10 = 0, 'why'"
        " from generate_series(1, %s) n",
        [size],
    )
    (claim,) = functions.rows("claim_sync", uuid.uuid4())
    return claim


def test_a_claim_counts_a_short_queue(functions: Session, db: Connection) -> None:
    claim = claim_with_a_queue_of(functions, db, COUNTED_BY_A_CLAIM - 1)

    assert claim["counted_to"] is None
    assert counts(db, claim["task_id"]) == {"found": 4_500, "pending": 4_500}


def test_what_a_claim_has_left_is_counted_in_steps(functions: Session, db: Connection) -> None:
    claim = claim_with_a_queue_of(functions, db, 7_000)
    task_id = claim["task_id"]
    assert counts(db, task_id) == {"found": 4_500, "pending": 4_500}

    after = claim["counted_to"]
    steps = [after := functions.value("prepare_sync", task_id, after, 1_500) for _ in "12"]

    assert steps == ["006500", None]
    assert counts(db, task_id) == {"found": 6_300, "pending": 6_300}


def test_nothing_is_counted_twice(functions: Session, db: Connection) -> None:
    task_id = claim_with_a_queue_of(functions, db, 100)["task_id"]
    taken(functions, task_id, 5)

    assert functions.value("prepare_sync", task_id, "") is None
    assert counts(db, task_id) == {"found": 90, "pending": 90}


def test_what_waits_is_not_counted(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, attempts, not_before)"
        " values ('ann', 'm', 'listed', 6, now() + interval '20 s')"
    )

    assert functions.value("prepare_sync", task_id, "") is None
    assert counts(db, task_id) == {}
    assert only(db, "select count(*) from gmail_sync.touched") == 0


def test_a_new_chain_begins_its_counts_in_steps_that_survive_a_lost_worker(
    functions: Session, db: Connection
) -> None:
    functions.value("release_sync", claimed(functions), "stopped")
    # An ended chain has stored most, and left the rest, of which half is fetched once more.
    db.execute(
        "insert into gmail_sync.touched (user_id, message_id, bucket, settled)"
        " select 'ann', lpad(n::text, 6, '0'),"
        " case when n % 10 = 0 then 'pending' else 'new' end,"
        " case when n % 20 <> 0 then 'new' end"
        " from generate_series(1, 12000) n"
    )
    db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason)"
        " select user_id, message_id, 'listed' from gmail_sync.touched where bucket = 'pending'"
    )
    queued(functions)
    (claim,) = functions.rows("claim_sync", uuid.uuid4())
    task_id = claim["task_id"]
    assert (claim["counted_to"], counts(db, task_id)) == ("", {"found": 500, "pending": 500})
    shift(db, task_id, "-61 s", "updated_at")
    functions.rows("reap_zombie_syncs")
    db.execute("update gmail_sync.user_sync_status set not_before = now() where is_syncing")

    (claim,) = functions.rows("claim_sync", uuid.uuid4())
    task_id, after = claim["task_id"], claim["counted_to"]
    assert counts(db, task_id) == {"found": 1_000, "pending": 1_000}
    while after is not None:
        after = functions.value("prepare_sync", task_id, after)

    assert counts(db, task_id) == {"found": 1_200, "pending": 1_200}
    assert only(db, "select count(*) from gmail_sync.touched where settled is null") == 1_200
    assert only(db, "select count(*) from gmail_sync.touched") == 1_200


@pytest.mark.parametrize("limit", [0, 10_001])
def test_other_numbers_at_a_time_are_refused(functions: Session, limit: int) -> None:
    task_id = claimed(functions)
    with pytest.raises(InvalidArgument):
        functions.value("prepare_sync", task_id, "", limit)
