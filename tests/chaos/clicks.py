"""A thousand clicks at once, by one user or by as many, as statements or as requests."""

import asyncio
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from statistics import quantiles
from threading import Barrier
from typing import NamedTuple

from service.postgres.calls import Connection, Session
from tests.chaos.server import ApiServer, ask

CLICKS = 1000
CONNECTIONS = 100
PATIENCE_SECONDS = 60
SMART = "/api/gmail/sync/smart"
CONNECT = """
    select count(gmail_sync.connect_account(
      user_id, user_id || '@mail.example', 'sealed'::bytea, 'unlimited'
    ))
    from unnest(%s::text[]) as u (user_id)
"""
TASKS = "select user_id, array_agg(task_id) as ids from gmail_sync.user_sync_status group by 1"


class Click(NamedTuple):
    user_id: str
    task_id: str
    seconds: float


class Clicks(list[Click]):
    """What each click was answered, and after how long."""

    def p99_milliseconds(self) -> float:
        return quantiles([click.seconds for click in self], n=100)[98] * 1000

    def judge(self, db: Connection) -> None:
        """Fail unless each user has one run, whose task_id each of the user's clicks returned."""
        runs = {row["user_id"]: row["ids"] for row in db.execute(TASKS)}
        assert runs == {click.user_id: [click.task_id] for click in self}
        told = {(click.user_id, click.task_id) for click in self}
        assert len(told) == len(runs)


def users(number: int) -> list[str]:
    """Who clicks, when CLICKS clicks come from so many."""
    return [f"user-{click % number}" for click in range(CLICKS)]


def connect_accounts(db: Connection, user_ids: Sequence[str]) -> None:
    """Without one, the API refuses a click."""
    db.execute(CONNECT, [sorted(set(user_ids))])


def as_statements(url: str, user_ids: Sequence[str]) -> Clicks:
    """The clicks over CONNECTIONS connections that begin at the same moment."""
    barrier = Barrier(CONNECTIONS)
    with ExitStack() as down, ThreadPoolExecutor(CONNECTIONS) as threads:

        def click_some(number: int) -> list[Click]:
            session = down.enter_context(closing(Session(url, f"clicks {number}")))
            session.value("schema_version")
            barrier.wait(PATIENCE_SECONDS)
            return [click(session, user_id) for user_id in user_ids[number::CONNECTIONS]]

        done = threads.map(click_some, range(CONNECTIONS), timeout=PATIENCE_SECONDS)
        return Clicks(click for clicks in done for click in clicks)


def click(session: Session, user_id: str) -> Click:
    began = time.monotonic()
    task_id = session.value("start_sync_idempotent", user_id)
    return Click(user_id, task_id, time.monotonic() - began)


def as_requests(server: ApiServer, user_ids: Sequence[str]) -> Clicks:
    """The clicks over as many open connections, all sent before any answer is read."""
    return asyncio.run(_requests(server, user_ids))


async def _requests(server: ApiServer, user_ids: Sequence[str]) -> Clicks:
    connections = [await server.connect() for _ in user_ids]

    async def request(user_id: str, number: int) -> Click:
        reader, writer = connections[number]
        began = time.monotonic()
        ask(writer, "POST", SMART, user_id)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        seconds = time.monotonic() - began
        writer.close()
        assert head.startswith(b"HTTP/1.1 202 "), head + body
        return Click(user_id, json.loads(body)["task_id"], seconds)

    async with asyncio.timeout(PATIENCE_SECONDS):
        done = [request(user_id, number) for number, user_id in enumerate(user_ids)]
        return Clicks(await asyncio.gather(*done))
