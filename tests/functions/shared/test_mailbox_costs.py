"""A call that handles a part of a mailbox reads as much of a large mailbox as of a small one."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from service.postgres.calls import Connection, connect
from tests.cluster import Cluster
from tests.conftest import fresh_database
from tests.functions.conftest import message, only

pytestmark = pytest.mark.gate

# Both are more than a claim handles at once.
MAILBOXES = (6_000, 40_000)
PAGE, BATCH = 500, 12
# Stored mail that is listed too, and as much that is still to be fetched.
MAIL = """
    insert into gmail_sync.account (user_id, email, credentials, quota_profile)
    values ('ann', 'ann@mail.example', 'sealed', 'unlimited');

    insert into gmail_sync.message (
      user_id, message_id, thread_id, history_id, internal_date, label_ids, headers, snippet,
      size_estimate, change_number
    )
    select 'ann', 'm' || n, 't' || n, 1, now() - n * interval '1 min', '{}', '[]', '', 1, n
    from generate_series(1, %(count)s) n;

    select setval('gmail_sync.message_change', %(count)s);

    insert into gmail_sync.index_queue (user_id, internal_date, message_id)
    select user_id, internal_date, message_id
    from gmail_sync.message where user_id = 'ann';

    insert into gmail_sync.fetch_queue (user_id, message_id, reason)
    select 'ann', 'q' || n, 'listed' from generate_series(1, %(count)s) n;

    insert into gmail_sync.touched (user_id, message_id, bucket)
    select user_id, message_id, 'pending'
    from gmail_sync.fetch_queue where user_id = 'ann';

    insert into gmail_sync.fetch_queue
      (user_id, message_id, reason, attempts, error_message, dead, not_before)
    select 'ann', 'f' || n, 'listed', 1, 'why', n %% 2 = 0,
      case when n %% 2 = 0 then 'epoch' else clock_timestamp() + interval '1 hour' end
    from generate_series(1, 20) n;

    insert into gmail_sync.mail_count values ('ann', %(count)s, 0);

    insert into gmail_sync.label (user_id, label_id, name, type)
    values ('ann', 'INBOX', 'INBOX', 'system');

    insert into gmail_sync.label_listing (user_id, message_id, label_id)
    select 'ann', '', 'INBOX'
    union all
    select user_id, message_id, 'INBOX' from gmail_sync.message where user_id = 'ann';

    insert into gmail_sync.listing (user_id, message_id)
    select user_id, message_id from gmail_sync.message where user_id = 'ann'
    union all
    select user_id, message_id from gmail_sync.fetch_queue where user_id = 'ann'
"""
# What a call needs, where it is more than a claim and a listing.
STATES = {
    "begin_listing": "listing_history_id = null, listing_complete = false",
    "reconcile_listing": "listing_complete = true",
    "delete_mail_step": "status = 'disconnected'",
    "prepare_sync": "counts_begun_to = '', backfilled_to = 'infinity', backfilled_to_id = ''",
}
CALLS = {
    "claim_sync": "gmail_sync.claim_sync(gen_random_uuid())",
    "prepare_sync": "gmail_sync.prepare_sync(%(task)s, '', 500)",
    "set_content_mode": "gmail_sync.set_content_mode('ann', 'raw')",
    "retry_failed_messages": "gmail_sync.retry_failed_messages('ann')",
    "settle_label_lists": "gmail_sync.settle_label_lists(%(task)s, 'm1000', 500)",
    "store_listing_page": "gmail_sync.store_listing_page(%(task)s, %(new_ids)s, 'more')",
    "begin_listing": "gmail_sync.begin_listing(%(task)s, 10, 10)",
    "take_messages": "gmail_sync.take_messages(%(task)s, 12)",
    "store_messages": "gmail_sync.store_messages(%(task)s, %(messages)s, %(raws)s::bytea[])",
    "reconcile_listing": "gmail_sync.reconcile_listing(%(task)s, 500)",
    "expire_history": "gmail_sync.expire_history(%(task)s)",
    "delete_mail_step": "gmail_sync.delete_mail_step('ann', 500)",
    "index_messages": "gmail_sync.index_messages(20)",
    "changes_since": "gmail_sync.changes_since('ann', 1000, 500)",
    "latest_changes": "gmail_sync.latest_changes('{ann}')",
    "list_threads": "gmail_sync.list_threads('ann', 50, 'm1000')",
    "export_messages": "gmail_sync.export_messages('ann', 'm1000', 500)",
    "refetch_messages": "gmail_sync.refetch_messages('ann', '{m1,m2,q3}')",
}


@pytest.fixture(scope="module")
def mailboxes(cluster: Cluster, template: str) -> Iterator[list[Connection]]:
    """Each in a database of its own: a plan that reads a whole table would read both."""
    with ExitStack() as down:
        yield [filled(down, cluster, template, count) for count in MAILBOXES]


def filled(down: ExitStack, cluster: Cluster, template: str, count: int) -> Connection:
    name = down.enter_context(fresh_database(cluster, template))
    db = down.enter_context(connect(cluster.url(name), "test"))
    for statement in MAIL.split(";"):
        db.execute(statement.encode(), {"count": count})
    db.execute("select gmail_sync.start_sync('ann')")
    db.execute("vacuum (analyze)")
    return db


def pages_read(db: Connection, call: str) -> int:
    """Pages that a call touches, in a transaction that is undone."""
    with db.transaction(force_rollback=True):
        db.execute("update gmail_sync.account set listing_history_id = 9")
        task_id = None
        if call != "claim_sync":
            task_id = only(db, "select task_id from gmail_sync.claim_sync(gen_random_uuid())")
        if call in STATES:
            db.execute(f"update gmail_sync.account set {STATES[call]}".encode())
        arguments = {
            "task": task_id,
            "new_ids": [f"new-{n}" for n in range(PAGE)],
            "messages": json.dumps([message(f"q{n}") for n in range(1, BATCH + 1)]),
            "raws": [None] * BATCH,
        }
        statement = f"explain (analyze, buffers, format json) select * from {CALLS[call]}"
        (row,) = db.execute(statement.encode(), arguments).fetchall()
    plan = row["QUERY PLAN"][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize("call", CALLS)
def test_a_call_reads_as_much_of_a_small_mailbox_as_of_a_large_one(
    mailboxes: list[Connection], call: str
) -> None:
    small, large = (pages_read(db, call) for db in mailboxes)
    assert large <= 1.3 * small + 100
