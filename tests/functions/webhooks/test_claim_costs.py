"""A claim costs what it returns, however many events wait for their time or their webhook."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from service.postgres.calls import Connection, connect
from tests.cluster import Cluster
from tests.conftest import fresh_database
from tests.functions.conftest import only

pytestmark = pytest.mark.gate

SIZES = (100, 10_000, 100_000)
# Two claims that differ by the depth of an index only.
MORE_PAGES = 25
WEBHOOKS = """
    insert into gmail_sync.webhook (id, url, events, secrets, starts_after, failing_since)
    select 'wh_' || n, 'https://app.example/', '{sync.failed}', '{x}', 0, now()
    from generate_series(0, 2) n;
"""
EVENT = "'msg_' || n, 'sync.failed', '{}'"
# What there is besides the one event that can be sent.
WAITING = {
    "each has a webhook that is down": f"""
        insert into gmail_sync.webhook (id, url, events, secrets, starts_after, failing_since)
        select 'wh_down' || n, 'https://app.example/', '{{sync.failed}}', '{{x}}', 0, now()
        from generate_series(1, %(size)s) n;
        insert into gmail_sync.webhook_stream (webhook_id, user_id, change_number, waiting_since,
          due_at, attempts, event_id, event_type, event_body)
        select 'wh_down' || n, 'ann', 0, now(), now() + interval '1 hour', 3, {EVENT}
        from generate_series(1, %(size)s) n
    """,
    "all wait for webhooks that have an attempt": f"""
        update gmail_sync.webhook set failing_since = null where id = 'wh_0';
        insert into gmail_sync.webhook_stream (webhook_id, user_id, change_number, waiting_since,
          due_at, lease, event_id, event_type, event_body)
        select 'wh_' || n %% 3, 'leased' || n, 0, now(), now() + interval '1 min',
          gen_random_uuid(), {EVENT}
        from generate_series(0, 21) n
        where n %% 3 = 0 or n < 3;
        insert into gmail_sync.webhook_stream (webhook_id, user_id, change_number, waiting_since,
          event_id, event_type, event_body)
        select 'wh_' || n %% 3, 'waits' || n, 0, now() - interval '1 hour', {EVENT}
        from generate_series(1, %(size)s) n
    """,
}
READY = f"""
    insert into gmail_sync.webhook (id, url, events, secrets, starts_after)
    select 'wh_ready', 'https://app.example/', '{{sync.failed}}', '{{x}}', 0;
    insert into gmail_sync.webhook_stream (webhook_id, user_id, change_number, waiting_since,
      event_id, event_type, event_body)
    select 'wh_ready', 'ann', 0, now(), {EVENT}
    from generate_series(1, 1) n
"""
CLAIM = "gmail_sync.claim_webhook_deliveries(10)"


@pytest.fixture(params=WAITING)
def installations(
    request: pytest.FixtureRequest, cluster: Cluster, template: str
) -> Iterator[list[Connection]]:
    """Of each size one, in a database of its own."""
    with ExitStack() as down:
        yield [filled(down, cluster, template, request.param, size) for size in SIZES]


def filled(down: ExitStack, cluster: Cluster, template: str, waiting: str, size: int) -> Connection:
    name = down.enter_context(fresh_database(cluster, template))
    db = down.enter_context(connect(cluster.url(name), "test"))
    # Plans made for empty tables stay.
    only(db, f"select count(*) from {CLAIM}")
    for statement in f"{WEBHOOKS};{WAITING[waiting]};{READY}".split(";"):
        if statement.strip():
            db.execute(statement.encode(), {"size": size})
    return db


def pages_read(db: Connection, call: str) -> int:
    """Pages that a call touches, in a transaction that is undone."""
    statement = f"explain (analyze, buffers, format json) select * from {call}"
    for _ in "warm-up", "measure":
        with db.transaction(force_rollback=True):
            (row,) = db.execute(statement.encode()).fetchall()
    plan = row["QUERY PLAN"][0]["Plan"]
    assert plan["Actual Rows"] == 1
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["not analyzed", "analyzed"])
def test_a_claim_reads_as_much_with_few_as_with_many_that_wait(
    installations: list[Connection], is_analyzed: bool
) -> None:
    if is_analyzed:
        for db in installations:
            db.execute("vacuum (analyze)")
    read = {size: pages_read(db, CLAIM) for size, db in zip(SIZES, installations, strict=True)}
    assert max(read.values()) <= min(read.values()) + MORE_PAGES, read
