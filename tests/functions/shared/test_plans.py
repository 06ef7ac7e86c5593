"""With a million ended runs, ten thousand running ones, and mail of fifty users, each frequent
function uses the index made for it. The plans suit any user. A search of 100,000 messages visits
few of them."""

import json
import re
from collections.abc import Iterator

import pytest
from psycopg.errors import Diagnostic
from psycopg.types.json import Jsonb

from service import migrate
from service.postgres.calls import Connection, Session, connect
from tests.cluster import Cluster
from tests.functions.conftest import claimed, listed, message, only, stored_messages
from tests.functions.crowd import add_ended_runs, add_running_runs
from tests.functions.mailboxes import add_mailboxes, search_indexes_dropped

pytestmark = pytest.mark.gate

MAIL_TABLES = {
    "account", "attachment", "fetch_queue", "index_queue", "message", "message_words", "touched",
    "user_sync_status",
}  # fmt: skip
# What is called as often as there are users, syncs or messages, and the index it cannot do without.
RUNS = {
    "cancel_sync": ("uniq_task_id", "select gmail_sync.cancel_sync('running-7')"),
    "claim_sync": (
        "runs_of_people_waiting",
        "select * from gmail_sync.claim_sync(gen_random_uuid())",
    ),
    "enqueue_due_syncs": (
        "checks_by_time",
        "select * from gmail_sync.enqueue_due_syncs()",
    ),
    "handover_sync": (
        "uniq_task_id",
        "select gmail_sync.handover_sync('running-7', 'stop', null, false)",
    ),
    "heartbeat": ("uniq_task_id", "select gmail_sync.heartbeat('running-7')"),
    "list_workers": ("runs_of_workers", "select * from gmail_sync.list_workers()"),
    "prune_sync_history": ("runs_by_end", "select gmail_sync.prune_sync_history()"),
    "reap_zombie_syncs": (
        "runs_of_workers",
        "select * from gmail_sync.reap_zombie_syncs()",
    ),
    "release_sync": ("uniq_task_id", "select gmail_sync.release_sync('running-7')"),
    "report_progress": (
        "uniq_task_id",
        "select gmail_sync.report_progress('running-7', now())",
    ),
    "start_sync_idempotent": (
        "uniq_user_running_sync",
        "select gmail_sync.start_sync_idempotent('user-7')",
    ),
    "sync_activity": ("runs_by_end", "select * from gmail_sync.sync_activity()"),
    "sync_health": ("runs_of_workers", "select * from gmail_sync.sync_health()"),
    "sync_history": ("runs_of_a_user", "select * from gmail_sync.sync_history('user-7')"),
    "sync_history, second page": (
        "runs_of_a_user",
        "select * from gmail_sync.sync_history('user-7', 20, 'ended-50007')",
    ),
    "sync_progress": (
        "runs_of_a_user",
        "select * from gmail_sync.sync_progress('{user-7,user-8}')",
    ),
    "sync_run": ("uniq_task_id", "select * from gmail_sync.sync_run('ended-7')"),
    "sync_status": ("runs_of_a_user", "select * from gmail_sync.sync_status('user-7')"),
}
MAIL = {
    "index_messages": ("index_queue_pkey", "select gmail_sync.index_messages()"),
    "search_messages": ("messages_by_date", "select * from gmail_sync.search_messages('user-7')"),
    "search_messages, second page": (
        "messages_by_date",
        "select * from gmail_sync.search_messages('user-7', p_before => 'm-500')",
    ),
    "search_messages, by label": (
        "messages_by_label",
        "select * from gmail_sync.search_messages('user-7', p_label_id => 'INBOX')",
    ),
    "search_messages, by words": (
        "messages_by_word",
        "select * from gmail_sync.search_messages('user-7', 'rare500')",
    ),
    "store_messages": (
        "fetch_queue_pkey",
        "select gmail_sync.store_messages('running-7', '[{}]', '{null}')",
    ),
    "take_messages": ("messages_to_fetch", "select * from gmail_sync.take_messages('running-7')"),
}
# A search, a label, and how many rows a page may visit. A candidate is visited up to twice: its
# words, and the message itself.
A_PAGE, A_PERIOD, A_BUDGET = 2 * 60, 2 * 6_000, 2 * 13_000
# The newest message of each year, where nothing is found.
THE_YEARS = 40
SEARCHES = {
    "none": (None, None, A_PAGE),
    "a word in every message": ("every", None, A_PERIOD),
    "a word in one of ten": ("tenth", None, A_PERIOD),
    "a word in one message": ("single", None, THE_YEARS),
    "a word in no message": ("nowhere", None, THE_YEARS),
    "a word that is only in old mail": ("yore", None, A_PERIOD),
    "frequent words that are never together": ("tenth elsewhere", None, THE_YEARS),
    "a rare phrase of frequent words": ('"kappa delta"', None, A_BUDGET),
    "without a word": ("-tenth", None, A_PERIOD),
    "a size": ("larger:12K", None, A_PERIOD),
    "a date": ("before:2020/1/1", None, A_PAGE),
    "a label of most messages": (None, "INBOX", A_PERIOD),
    "a label of one message": (None, "Label_1", THE_YEARS),
    "a label of no message": (None, "Label_0", THE_YEARS),
}


PART = {"part_id": "1", "mime_type": "text/plain", "size": 5, "inline": False}
MAIL_OF_SOME = """
    insert into gmail_sync.account (user_id, email, credentials, quota_profile)
    select 'user-' || n, 'user-' || n || '@mail.example', 'sealed', 'unlimited'
    from generate_series(1, 10000) n;

    insert into gmail_sync.message (
      user_id, message_id, thread_id, history_id, internal_date, label_ids, headers, snippet,
      size_estimate, change_number
    )
    select 'user-' || u, 'm-' || n, 't-' || n, 1, now() - n * interval '1 h', '{INBOX}', '[]', '',
      1000, nextval('gmail_sync.message_change')
    from generate_series(1, 50) u, generate_series(1, 1000) n;

    insert into gmail_sync.message_words (user_id, message_id, internal_date, words)
    select user_id, message_id, internal_date,
      array_to_tsvector(
        array(
          select gmail_sync._period_entry(user_id, period, internal_date)
          from unnest('{year,month,day}'::text[]) period
        ) || array[
          gmail_sync._search_key(user_id) || '.common',
          gmail_sync._search_key(user_id) || replace(message_id, 'm-', '.rare')
        ]
      )
    from gmail_sync.message;

    -- Not of the user who searches.
    insert into gmail_sync.index_queue (user_id, internal_date, message_id)
    select user_id, internal_date, message_id from gmail_sync.message where user_id = 'user-1';

    insert into gmail_sync.attachment (user_id, message_id, part_id, mime_type, size, inline)
    select user_id, message_id, '1', 'text/plain', 1, false from gmail_sync.message;

    insert into gmail_sync.fetch_queue (user_id, message_id, reason)
    select user_id, 'q-' || change_number, 'listed' from gmail_sync.message;

    insert into gmail_sync.touched (user_id, message_id, bucket)
    select user_id, message_id, 'pending' from gmail_sync.fetch_queue;
"""


@pytest.fixture(scope="module")
def crowded(cluster: Cluster) -> Iterator[Connection]:
    """A database with all of these, analyzed."""
    cluster.create_database("crowded")
    migrate.upgrade(cluster.url("crowded"))
    with connect(cluster.url("crowded"), "test") as db:
        db.execute("set statement_timeout = 0")
        add_ended_runs(db, 1_000_000)
        add_running_runs(db, 10_000, queued=True)
        with search_indexes_dropped(db):
            db.execute(MAIL_OF_SOME)
            add_mailboxes(db, ["large"], 100_000, 10)
        yield db
    cluster.drop_database("crowded")


def plans_of(db: Connection, call: str) -> str:
    """The plans of all statements a call runs, those within functions included."""
    plans: list[str] = []

    def collect(notice: Diagnostic) -> None:
        plans.append(notice.message_primary or "")

    db.add_notice_handler(collect)
    with db.transaction(force_rollback=True):
        db.execute(
            "load 'auto_explain';"
            "set local auto_explain.log_min_duration = 0;"
            "set local auto_explain.log_nested_statements = on;"
            "set local client_min_messages = log"
        )
        db.execute(call.encode())
    db.remove_notice_handler(collect)
    return "\n".join(plans)


def read_whole(plans: str) -> set[str]:
    """The tables that were read from end to end."""
    return set(re.findall(r"Seq Scan on (\w+)", plans))


def indexes_used(plans: str) -> set[str]:
    scan = r"(?:Index (?:Only )?Scan(?: Backward)? using|Bitmap Index Scan on) (\w+)"
    return set(re.findall(scan, plans))


@pytest.mark.parametrize("call", RUNS)
def test_runs_are_found_by_the_index_made_for_it(crowded: Connection, call: str) -> None:
    index, statement = RUNS[call]

    plans = plans_of(crowded, statement)

    assert index in indexes_used(plans)
    assert "user_sync_status" not in read_whole(plans)


@pytest.mark.parametrize("call", MAIL)
def test_mail_is_found_by_the_index_made_for_it(crowded: Connection, call: str) -> None:
    index, statement = MAIL[call]

    plans = plans_of(crowded, statement.replace("{}", json.dumps(message("m-1"))))

    assert index in indexes_used(plans)
    assert not read_whole(plans) & MAIL_TABLES


@pytest.mark.parametrize("function", ["heartbeat", "report_progress", "release_sync"])
def test_plans_are_those_for_any_run(crowded: Connection, function: str) -> None:
    assert "(task_id = $1)" in plans_of(crowded, RUNS[function][1])


def test_plans_are_those_for_any_user(crowded: Connection) -> None:
    call = MAIL["take_messages"][1]
    plans = plans_of(crowded, call)
    assert "(user_id)::text = " in plans
    assert "user-7" not in plans.replace(call, "")


@pytest.mark.parametrize("search", SEARCHES)
def test_a_page_of_a_search_visits_few_messages_of_a_large_mailbox(
    crowded: Connection, search: str
) -> None:
    query, label_id, most = SEARCHES[search]
    visited = """
        select sum(idx_tup_fetch)::integer as fetched, sum(seq_scan)::integer as scans
        from pg_stat_xact_user_tables
        where schemaname = 'gmail_sync' and relname in ('attachment', 'message', 'message_words')
    """
    before = None
    for _ in range(2):
        with crowded.transaction(force_rollback=True):
            crowded.execute("set local plan_cache_mode = force_generic_plan")
            (before_it,) = crowded.execute(visited).fetchall()
            rows = crowded.execute(
                "select * from gmail_sync.search_messages('large', %s, %s, p_before => %s)",
                [query, label_id, before],
            ).fetchall()
            (seen,) = crowded.execute(visited).fetchall()
        assert seen["fetched"] - before_it["fetched"] <= most
        assert seen["scans"] == before_it["scans"]
        if len(rows) < 50:
            break
        before = rows[-1]["message_id"]


def test_a_first_sync_visits_little_of_what_it_has_stored(
    functions: Session, db: Connection
) -> None:
    """Though its plans were made for empty tables, which nobody has analyzed since."""
    task_id = claimed(functions)
    ids = [f"m-{n:04}" for n in range(300)]
    listed(functions, task_id, *ids)
    db.execute("set plan_cache_mode = force_generic_plan")
    visited = """
        select idx_tup_fetch + seq_tup_read from pg_stat_xact_user_tables
        where relid = 'gmail_sync.message'::regclass
    """

    with db.transaction():
        for _ in range(len(ids) // 12):
            before = only(db, visited)
            taken = db.execute("select * from gmail_sync.take_messages(%s, 12)", [task_id])
            messages = [message(row["message_id"], attachments=[PART]) for row in taken]
            db.execute(
                "select gmail_sync.store_messages(%s, %s, %s::bytea[])",
                [task_id, Jsonb(messages), [None] * len(messages)],
            )
            # Each to be taken and to be counted, and as what its attachment and words refer to.
            assert only(db, visited) - before <= 4 * len(messages)
        before = only(db, visited)
        db.execute("select * from gmail_sync.search_messages('ann', 'nothing')")
        # Twice each, for their words are not indexed yet: to be read, and to be decided on.
        assert only(db, visited) - before <= 2 * len(ids) + 5
    assert len(stored_messages(db)) == len(ids)
