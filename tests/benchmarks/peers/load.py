"""The same load for each side: who is asked for, by how many, for how long."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle

CONNECTIONS = 8
HOT_USERS = 10
# Between requests that should find a worker idle, in seconds.
PAUSES = (0.05, 0.15)


def users(kind: str) -> Iterator[str]:
    """`distinct`: a new one each time; `hot`: ten over and over. Threads may share it."""
    numbers = count() if kind == "distinct" else cycle(range(HOT_USERS))
    return map("user-{}".format, numbers)


def in_threads(asks: Sequence[Callable[[str], object]], kind: str, seconds: float) -> float:
    """Requests a second of as many threads as there are `asks`, once each has asked once."""
    names = users(kind)

    def go_on(ask: Callable[[str], object]) -> int:
        asked, ends_at = 0, time.perf_counter() + seconds
        while time.perf_counter() < ends_at:
            ask(next(names))
            asked += 1
        return asked

    with ThreadPoolExecutor(len(asks)) as threads:
        list(threads.map(lambda ask: ask(next(names)), asks))
        return sum(threads.map(go_on, asks)) / seconds


async def in_tasks(
    asks: Sequence[Callable[[str], Awaitable[object]]], kind: str, seconds: float
) -> float:
    """The same of as many tasks."""
    names = users(kind)

    async def go_on(ask: Callable[[str], Awaitable[object]]) -> int:
        asked, ends_at = 0, time.perf_counter() + seconds
        while time.perf_counter() < ends_at:
            await ask(next(names))
            asked += 1
        return asked

    for ask in asks:
        await ask(next(names))
    return sum(await asyncio.gather(*map(go_on, asks))) / seconds


def pauses(requests: int) -> Iterator[float]:
    """Seconds to wait before each of so many requests."""
    return (random.uniform(*PAUSES) for _ in range(requests))
