"""procrastinate, with its own connectors and their pools.

procrastinate.py install URL | ask URL distinct|hot WARM_UP SECONDS | request URL TIMES | work URL
"""

import asyncio
import json
import sys
import time
from contextlib import suppress

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued

from tests.benchmarks.peers.load import CONNECTIONS, Stretch, in_threads, pauses


def install(url: str) -> None:
    with App(connector=SyncPsycopgConnector(conninfo=url)).open() as app:
        app.schema_manager.apply_schema()


def ask(url: str, kind: str, *seconds: str) -> float:
    """With threads, which are the faster of its two ways (asyncio: half as many requests)."""
    connector = SyncPsycopgConnector(
        conninfo=url, min_size=CONNECTIONS, max_size=CONNECTIONS, kwargs={"autocommit": True}
    )
    with App(connector=connector).open() as app:

        def ask_for(user: str) -> None:
            with suppress(AlreadyEnqueued):
                app.configure_task("sync", queueing_lock=user).defer()

        return in_threads([ask_for] * CONNECTIONS, kind, Stretch(*seconds))


def request(url: str, times: str) -> list[float]:
    """When each was committed."""
    asked = []
    with App(connector=SyncPsycopgConnector(conninfo=url)).open() as app:
        for pause in pauses(int(times)):
            time.sleep(pause)
            app.configure_task("sync").defer()
            asked.append(time.time())
    return asked


def work(url: str) -> None:
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="sync")
    async def sync() -> None:
        print(time.time(), flush=True)

    async def run() -> None:
        async with app.open_async():
            await app.run_worker_async()

    asyncio.run(run())


COMMANDS = {"install": install, "ask": ask, "request": request, "work": work}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
