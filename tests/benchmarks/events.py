"""How soon open streams show a change: after a click, and for a thousand streams of one run.

The service (without a worker) runs in a process of its own. Clicks and streams are HTTP, with one
connection each. A click is timed from its request to the first event of its run. The clicks of as
many users follow one another without a pause. No worker takes the runs, so after 3 s starts are no
longer announced by NOTIFY, as while all workers are busy. A change (a run begins, a run ends) is
timed from its commit until each stream has its event. Progress in between is queried once a second,
so it comes up to a second later.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import cast

from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import Database, Installation, installed
from tests.chaos.clicks import SMART
from tests.chaos.server import ApiServer, allow_descriptors, ask
from tests.chaos.streams import EVENTS

BAR = 250.0  # ms
PATIENCE_SECONDS = 60


class Stream(asyncio.Protocol):
    """An open stream of events, which notes when the newest came (perf_counter)."""

    def __init__(self, user_id: str) -> None:
        self._user_id = user_id
        self._told = asyncio.Event()
        self._at = 0.0
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        ask(self.transport, "GET", EVENTS, self._user_id)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        if b"data: " in data:
            self._at = time.perf_counter()
            self._told.set()

    async def next(self) -> float:
        """When the next event came."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._told.wait()
        self._told.clear()
        return self._at


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield from figures(installation, clicks=500, watchers=1000, changes=20)


def figures(
    installation: Installation, clicks: int, watchers: int, changes: int
) -> Iterator[Figure]:
    allow_descriptors(watchers + 200)
    with serving(installation) as (database, server):
        users = [f"user-{number}" for number in range(clicks)]
        for user in users:
            database.connect_user(user)
        yield figure(
            "click_to_event",
            "click to the first event of its run",
            asyncio.run(click(server, users)),
            {"clicks": clicks},
        )
    with serving(installation) as (database, server):
        yield figure(
            "fan_out",
            f"a run begins or ends, until all of {watchers:,} open streams know",
            asyncio.run(fan_out(server, database, watchers, changes)),
            {"streams": watchers, "changes": changes},
        )


@contextmanager
def serving(installation: Installation) -> Iterator[tuple[Database, ApiServer]]:
    with (
        installation.database() as database,
        TemporaryDirectory() as folder,
        ApiServer(database.url, Path(folder) / "server.log") as server,
    ):
        yield database, server


@asynccontextmanager
async def watching(server: ApiServer, users: Sequence[str]) -> AsyncIterator[list[Stream]]:
    """A stream for each user, after its first event."""
    streams: list[Stream] = []
    try:
        for user in users:
            stream = Stream(user)
            # One after another: a crowd that comes at once is not what is measured.
            await asyncio.get_running_loop().create_connection(
                lambda stream=stream: stream,  # type: ignore[misc]
                "127.0.0.1",
                server.port,
            )
            streams.append(stream)
            await stream.next()
        yield streams
    finally:
        for stream in streams:
            stream.transport.abort()
        await asyncio.gather(*(stream.closed.wait() for stream in streams))


async def click(server: ApiServer, users: Sequence[str]) -> list[float]:
    """Seconds from each user's click to the first event of the run."""
    waits = []
    async with watching(server, users) as streams:
        for user, stream in zip(users, streams, strict=True):
            reader, writer = await server.connect()
            began = time.perf_counter()
            ask(writer, "POST", SMART, user)
            waits.append(await stream.next() - began)
            assert b" 202 " in await reader.readline()
            writer.close()
            await writer.wait_closed()
    return waits


async def fan_out(
    server: ApiServer, database: Database, watchers: int, changes: int
) -> list[float]:
    """Seconds from each change until each stream has its event."""
    dice = random.Random(1)
    waits: list[float] = []
    async with watching(server, ["watched"] * watchers) as streams:
        for number in range(changes):
            # At any time between two of the questions that are asked once a second.
            await asyncio.sleep(dice.uniform(0.2, 1.2))
            committed = await asyncio.to_thread(change, database, begin=number % 2 == 0)
            waits += [await stream.next() - committed for stream in streams]
    return waits


def change(database: Database, *, begin: bool) -> float:
    """Have the watched user's run begin or end; when that was answered."""
    if begin:
        database.start("watched")
    else:
        (run,) = database.functions.rows("sync_status", "watched")
        database.functions.value("cancel_sync", run["task_id"])
    return time.perf_counter()


def figure(name: str, what: str, waits: list[float], details: dict[str, float]) -> Figure:
    milliseconds = [1000 * wait for wait in waits]
    p99 = quantiles(milliseconds, n=100)[98]
    told = {"p50_ms": median(milliseconds), "p99_ms": p99, "longest_ms": max(milliseconds)}
    return Figure(
        name=name,
        what=f"{what}, p99",
        beside="–",
        value=p99,
        bar=BAR,
        direction="at most",
        unit="ms",
        details={**details, **{key: round(value, 1) for key, value in told.items()}},
    )
