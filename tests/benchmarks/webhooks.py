"""What webhooks cost a store of messages, and how many events a minute a sender delivers.

A store of 50 messages is timed with a webhook for all users and without one, in turns. The events
are those of 100 users, to one receiver, a process of its own, on the same cores as Postgres.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from ipaddress import ip_network

import structlog
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session, connect
from service.webhooks.sender import WebhookSender
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import Server, running_server
from tests.benchmarks.turns import take_turns
from tests.functions.conftest import claimed, message, only

ROUNDS = 9
STORES = 40
BATCH = 50
EVENTS = 10_000
USERS = 100
BODY = "The quick brown fox jumps over the lazy dog. " * 60
RECEIVER = """
import time
from tests.webhooks.conftest import Receiver
receiver = Receiver()
print(receiver.url, flush=True)
time.sleep(3600)
"""
QUEUE = """
    insert into gmail_sync.webhook_event (webhook_id, user_id, type, data, change_number)
    select %(webhook)s, 'user-' || n %% %(users)s, 'sync.finished', '{}', 0
    from generate_series(1, %(events)s) n;
"""
START = """
    insert into gmail_sync.webhook_stream (webhook_id, user_id, change_number, waiting_since)
    select distinct webhook_id, user_id, 0, now() from gmail_sync.webhook_event
"""


def measure() -> Iterator[Figure]:
    with running_server() as server:
        yield from measured(server, ROUNDS, STORES, EVENTS)


def measured(server: Server, rounds: int, stores: int, events: int) -> Iterator[Figure]:
    with (
        server.database() as url,
        connect(url, "benchmark") as db,
        closing(Session(url, "benchmark")) as functions,
    ):
        yield _store_cost(db, functions, rounds, stores)
        db.execute("delete from gmail_sync.webhook")
        seconds = _deliver(url, db, functions, events)
    yield Figure(
        "webhook_events",
        f"{events:,} events of {USERS} users to one receiver",
        "10,000 a minute",
        round(60 * events / seconds / 10_000, 2),
        bar=1,
        details={"events_a_minute": round(60 * events / seconds)},
    )


def _store_cost(db: Connection, functions: Session, rounds: int, stores: int) -> Figure:
    task_id = claimed(functions)
    number = 0

    def stores_a_second(with_webhook: bool) -> float:
        nonlocal number
        db.execute("delete from gmail_sync.webhook")
        if with_webhook:
            functions.row("add_webhook", None, "https://app.example/")
        spent = 0.0
        for _ in range(stores):
            batch = [message(f"m{number + n:08}", body_text=BODY) for n in range(BATCH)]
            number += BATCH
            arguments = (task_id, Jsonb(batch), [None] * BATCH)
            began_at = time.perf_counter()
            functions.rows("store_messages", *arguments)
            spent += time.perf_counter() - began_at
        return stores / spent

    stores_a_second(False)
    turns = take_turns(rounds, partial(stores_a_second, True), partial(stores_a_second, False))
    return Figure(
        "webhook_store",
        f"stores of {BATCH} messages, one webhook",
        "without a webhook",
        turns.ratio,
        bar=0.97,
        details=turns.details("stores_a_second", "stores_a_second_without"),
    )


def _deliver(url: str, db: Connection, functions: Session, events: int) -> float:
    """How many seconds the delivery of so many events takes."""
    with _receiver() as address:
        webhook = functions.row("add_webhook", None, address)
        assert webhook is not None
        values = {"webhook": webhook["id"], "users": USERS, "events": events}
        db.execute(QUEUE.encode(), values)
        db.execute(START.encode())
        sender = WebhookSender(
            url, [ip_network("127.0.0.0/8")], structlog.wrap_logger(None, [_drop])
        )
        began_at = time.monotonic()
        sender.start()
        try:
            while only(db, "select count(*) from gmail_sync.webhook_event"):
                time.sleep(0.1)
            return time.monotonic() - began_at
        finally:
            sender.stop()


@contextmanager
def _receiver() -> Iterator[str]:
    command = [sys.executable, "-c", RECEIVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _drop(*_: object) -> None:
    raise structlog.DropEvent
