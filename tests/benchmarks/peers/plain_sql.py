"""gmail-sync as an application calls it: by SQL, through the driver that stands beside it.

plain_sql.py psycopg|asyncpg URL distinct|hot WARM_UP SECONDS
"""

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import asyncpg
import psycopg
import uvloop

from tests.benchmarks.peers.load import CONNECTIONS, Stretch, in_tasks, in_threads


def with_psycopg(url: str, kind: str, seconds: Sequence[str]) -> float:
    statement = "select gmail_sync.start_sync_idempotent(%s)"
    with ExitStack() as stack:
        connections = [
            stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(CONNECTIONS)
        ]
        asks = [
            lambda user, connection=connection: connection.execute(statement, [user]).fetchone()
            for connection in connections
        ]
        return in_threads(asks, kind, Stretch(*seconds))


async def with_asyncpg(url: str, kind: str, seconds: Sequence[str]) -> float:
    statement = "select gmail_sync.start_sync_idempotent($1)"
    connections = [await asyncpg.connect(url) for _ in range(CONNECTIONS)]
    asks = [
        lambda user, connection=connection: connection.fetchval(statement, user)
        for connection in connections
    ]
    return await in_tasks(asks, kind, Stretch(*seconds))


def main(driver: str, url: str, kind: str, *seconds: str) -> None:
    if driver == "psycopg":
        rate = with_psycopg(url, kind, seconds)
    else:
        rate = uvloop.run(with_asyncpg(url, kind, seconds))
    print(json.dumps(rate))


if __name__ == "__main__":
    main(*sys.argv[1:])
