"""How fast workers sync mailboxes, beside how fast these could be downloaded at all.

A worker's full sync has the quota off: list, batch, parse, Postgres with fsync on. Two ceilings
throw everything away, in as many threads with as large batches. One is the same google client. The
other has our own coding of batches, which takes half its CPU. They take turns, each in a process of
its own with a simulator of its own. With two users, two workers sync at once, and two downloads run
at once. On a machine with few cores all of them share these, so only the ratio means anything
elsewhere. A further figure is the indexing of words, which workers do later in their spare time. A
first download, not counted, makes each simulator parse its mail.
"""

import json
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

from tests.benchmarks.figure import Figure
from tests.benchmarks.gmail import HAM, TOKEN
from tests.benchmarks.machine import (
    SYNC_SECONDS,
    Gmail,
    Installation,
    cpu_seconds,
    gmail,
    installed,
    process,
)
from tests.benchmarks.postgres import index_all
from tests.benchmarks.turns import Turns

BAR = 0.60
REAL, LARGE = 4_150, 400
# So many messages of a Gmail that is as far away as it is in fact.
FAR, FAR_SECONDS = 1_000, 0.08
MAIL = {
    "real": "real mail of 2002" if HAM.exists() else "generated mail",
    "large": "mail of 50 to 200 kB",
}


class Result(NamedTuple):
    """CPU in seconds, by who used it."""

    messages: int
    seconds: float
    cpu: dict[str, float]
    # Whose words are indexed a second, afterwards.
    index_rate: float = 0

    @property
    def rate(self) -> float:
        return self.messages / self.seconds


class Turn(NamedTuple):
    sync: Result
    google: Result
    ours: Result


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield from figures(installation, {"real": REAL, "large": LARGE}, repetitions=5)
        yield from figures(installation, {"real": FAR}, repetitions=2, delay=FAR_SECONDS)


def figures(
    installation: Installation, counts: dict[str, int], repetitions: int, delay: float = 0
) -> Iterator[Figure]:
    """`counts` are the messages of each kind of mailbox, `delay` the seconds each call takes."""
    for kind, count in counts.items():
        with ExitStack() as down:
            gmails = [down.enter_context(gmail(kind, count)) for _ in range(2)]
            download(gmails, "ours")
            for each in gmails:
                each.delay(delay)
            for users in (1, 2):
                turns = [
                    Turn(
                        sync(installation, gmails[:users]),
                        download(gmails[:users], "google"),
                        download(gmails[:users], "ours"),
                    )
                    for _ in range(repetitions)
                ]
                yield from compared(kind, users, turns, delay)
                if users == 1 and not delay:
                    yield indexing(kind, [turn.sync for turn in turns])


def sync(installation: Installation, gmails: list[Gmail]) -> Result:
    """Full syncs into an empty database, by one worker a mailbox that has started before."""
    with installation.database() as database, ExitStack() as down:
        users = [f"user-{number}" for number in range(len(gmails))]
        for user in users:
            database.connect_user(user)
        workers = [down.enter_context(database.worker(gmail.url)) for gmail in gmails]
        processes = {"worker": workers, "postgres": database.backends()}
        before = {who: cpu_seconds(pids) for who, pids in processes.items()}
        tasks = [database.start(user) for user in users]
        runs = [database.finished(task) for task in tasks]
        cpu = {who: cpu_seconds(pids) - before[who] for who, pids in processes.items()}
        indexed, index_seconds = index_all(database.db)
    took = max(run["finished_at"] for run in runs) - min(run["claimed_at"] for run in runs)
    messages = sum(run["current_stats"]["new"] for run in runs)
    return Result(messages, took.total_seconds(), cpu, indexed / index_seconds)


def download(gmails: list[Gmail], client: str) -> Result:
    """A ceiling; of which client, ceiling.py says."""
    with ExitStack() as down:
        clients = [
            down.enter_context(
                process(
                    ["-m", "tests.benchmarks.ceiling", gmail.url, TOKEN, client],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for gmail in gmails
        ]
        for client in clients:
            assert client.stdout
            assert client.stdout.readline() == b"ready\n"
        for client in clients:
            assert client.stdin
            client.stdin.write(b"\n")
            client.stdin.flush()
        done = [json.loads(client.communicate(timeout=SYNC_SECONDS)[0]) for client in clients]
    seconds = max(each["ended"] for each in done) - min(each["began"] for each in done)
    messages = sum(each["messages"] for each in done)
    return Result(messages, seconds, {"client": sum(each["cpu"] for each in done)})


def compared(kind: str, users: int, turns: list[Turn], delay: float) -> Iterator[Figure]:
    workers = "one worker" if users == 1 else f"{users} workers at once"
    what = f"full sync, quota off, {workers}: {MAIL[kind]}"
    name = f"throughput_{kind}_{users}"
    if delay:
        what += f", {1000 * delay:.0f} ms a call"
        name += "_far"
    synced = [turn.sync for turn in turns]
    for client, beside, bar in (
        ("google", "the same google client downloading and throwing away", BAR),
        ("ours", "the same with our own coding of batches", None),
    ):
        ceilings: list[Result] = [getattr(turn, client) for turn in turns]
        rates = Turns([each.rate for each in synced], [each.rate for each in ceilings])
        yield Figure(
            name=f"{name}_{client}",
            what=what,
            beside=beside,
            value=rates.ratio,
            bar=bar,
            details={
                "messages": synced[0].messages,
                **rates.details("messages_a_second", "ceiling_a_second"),
                "worker_cpu_ms_a_message": milliseconds(synced, "worker"),
                "postgres_cpu_ms_a_message": milliseconds(synced, "postgres"),
                "ceiling_cpu_ms_a_message": milliseconds(ceilings, "client"),
            },
        )


def milliseconds(results: list[Result], who: str) -> float:
    return round(1000 * statistics.median(each.cpu[who] / each.messages for each in results), 2)


def indexing(kind: str, synced: list[Result]) -> Figure:
    rates = Turns([each.index_rate for each in synced], [each.rate for each in synced])
    return Figure(
        name=f"throughput_{kind}_index",
        what=f"words indexed in a worker's spare time: {MAIL[kind]}",
        beside="one worker's full sync of the same",
        value=rates.ratio,
        details=rates.details("indexed_a_second", "messages_a_second"),
    )
