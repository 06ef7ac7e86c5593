"""pgqueuer, over asyncpg and uvloop as its own command runs it.

pgqueuer.py install URL | ask URL distinct|hot WARM_UP SECONDS | request URL TIMES | work URL
"""

import asyncio
import json
import sys
import time

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from tests.benchmarks.peers.load import CONNECTIONS, Stretch, in_tasks, pauses


async def install(url: str) -> None:
    await Queries(await driver(url)).install()


async def ask(url: str, kind: str, *seconds: str) -> float:
    """A connection each: its pool answers fewer requests."""
    connections = [Queries(await driver(url)) for _ in range(CONNECTIONS)]
    asks = [
        lambda user, queries=queries: queries.enqueue(
            "sync", None, dedupe_key=user, on_conflict="skip"
        )
        for queries in connections
    ]
    return await in_tasks(asks, kind, Stretch(*seconds))


async def request(url: str, times: str) -> list[float]:
    """When each was committed."""
    asked = []
    queries = Queries(await driver(url))
    for pause in pauses(int(times)):
        await asyncio.sleep(pause)
        await queries.enqueue("sync", None)
        asked.append(time.time())
    return asked


async def work(url: str) -> None:
    queuer = PgQueuer(await driver(url))

    @queuer.entrypoint("sync")
    async def sync(job: Job) -> None:
        print(time.time(), flush=True)

    await queuer.run()


async def driver(url: str) -> AsyncpgDriver:
    return AsyncpgDriver(await asyncpg.connect(url))


COMMANDS = {"install": install, "ask": ask, "request": request, "work": work}

if __name__ == "__main__":
    print(json.dumps(uvloop.run(COMMANDS[sys.argv[1]](*sys.argv[2:]))))
