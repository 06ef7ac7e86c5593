"""A click when 100 new mails have arrived, beside fetching them one after another.

Each request to Gmail takes 80 ms more than the simulator needs, a batch as long as a single one. An
incremental sync runs from the click to its end: history, labels, batches, Postgres. It takes turns
with 100 times messages.get by the same google client over an open connection.
"""

import time
from collections.abc import Iterator

from google.oauth2.credentials import Credentials

from service.gmail.api import GmailApi
from service.gmail.client import GmailClient
from tests.benchmarks.figure import Figure
from tests.benchmarks.gmail import TOKEN
from tests.benchmarks.machine import Database, Gmail, Installation, gmail, installed
from tests.benchmarks.turns import Turns

BAR = 10.0
NEW = 100
LATENCY = 0.08  # seconds
USER = "user-42"


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield from figures(installation, repetitions=3)


def figures(
    installation: Installation, repetitions: int, new: int = NEW, latency: float = LATENCY
) -> Iterator[Figure]:
    with (
        gmail("generated", 300) as mailbox,
        installation.database() as database,
        database.worker(mailbox.url),
    ):
        database.connect_user(USER)
        for _ in range(2):  # a full sync, and an incremental one
            database.finished(database.start(USER))
        pairs = [pair(database, mailbox, new, latency) for _ in range(repetitions)]
    syncs, one_by_one = ([1000 * seconds for seconds in side] for side in zip(*pairs, strict=True))
    turns = Turns(one_by_one, syncs)
    yield Figure(
        name="sync_now",
        what=f'"Sync now" with {new} new mails, {1000 * latency:.0f} ms latency a request',
        beside="messages.get, one after another",
        value=turns.ratio,
        bar=BAR,
        details=turns.details("one_by_one_ms", "sync_ms"),
    )


def pair(database: Database, mailbox: Gmail, new: int, latency: float) -> tuple[float, float]:
    """Seconds of the sync that finds so many new mails, and of fetching them one by one."""
    mailbox.insert(new)
    mailbox.delay(latency)
    run = database.finished(database.start(USER))
    assert run["current_stats"]["new"] == new
    one_by_one = fetch(mailbox, new)
    mailbox.delay(0)
    return (run["finished_at"] - run["started_at"]).total_seconds(), one_by_one


def fetch(mailbox: Gmail, count: int) -> float:
    """Seconds to fetch the newest messages; their ids are known before."""
    credentials = Credentials(token=TOKEN)  # type: ignore[no-untyped-call]
    with GmailClient(GmailApi(mailbox.url), credentials) as client:
        ids = client.list_messages(max_results=count).ids
        began = time.perf_counter()
        for message_id in ids:
            client.message(message_id, "full")
        return time.perf_counter() - began
