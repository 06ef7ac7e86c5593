"""A sync that finds nothing new, beside the one request to Gmail that it needs.

An incremental sync, from the click to its end, takes turns with one history.list. The latter uses
the same google client over an open connection. One figure has a latency of 80 ms a request, about
what Google takes. The other has none, so only our own work is left.
"""

import time
from collections.abc import Iterator

from google.oauth2.credentials import Credentials

from service.gmail.api import GmailApi
from service.gmail.client import GmailClient
from tests.benchmarks.figure import Figure
from tests.benchmarks.gmail import TOKEN
from tests.benchmarks.machine import Database, Installation, gmail, installed
from tests.benchmarks.turns import Turns

BAR = 2.0
LATENCY = 0.08  # seconds
USER = "user-42"


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield from figures(installation, repetitions=30)


def figures(installation: Installation, repetitions: int) -> Iterator[Figure]:
    credentials = Credentials(token=TOKEN)  # type: ignore[no-untyped-call]
    with (
        gmail("generated", 300) as mailbox,
        installation.database() as database,
        database.worker(mailbox.url),
        GmailClient(GmailApi(mailbox.url), credentials) as client,
    ):
        database.connect_user(USER)
        for _ in range(3):  # a full sync, and two that warm what they touch
            database.finished(database.start(USER), pause=0.01)
        for latency in (LATENCY, 0.0):
            mailbox.delay(latency)
            pairs = [(sync(database), round_trip(client)) for _ in range(repetitions)]
            yield figure(latency, pairs)


def sync(database: Database) -> float:
    """Seconds from the click to the end."""
    run = database.finished(database.start(USER), pause=0.01)
    assert (run["sync_type"], run["current_stats"]["found"]) == ("incremental", 0)
    seconds: float = (run["finished_at"] - run["started_at"]).total_seconds()
    return seconds


def round_trip(client: GmailClient) -> float:
    """Seconds of one history.list that finds nothing."""
    cursor = client.profile().history_id
    began = time.perf_counter()
    page = client.history(cursor)
    seconds = time.perf_counter() - began
    assert page.records == []
    return seconds


def figure(latency: float, pairs: list[tuple[float, float]]) -> Figure:
    syncs, lists = ([1000 * seconds for seconds in side] for side in zip(*pairs, strict=True))
    turns = Turns(syncs, lists)
    said = f"{1000 * latency:.0f} ms latency a request" if latency else "no latency"
    return Figure(
        name="nothing_new" if latency else "nothing_new_no_latency",
        what=f"incremental sync with nothing new, {said}",
        beside="one history.list",
        value=turns.ratio,
        bar=BAR if latency else None,
        direction="at most",
        details=turns.details("sync_ms", "history_list_ms"),
    )
