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


class Stretch:
    """So many seconds are asked and counted, after so many that are not."""

    def __init__(self, warm_up: str, seconds: str) -> None:
        self.seconds = float(seconds)
        self._begins_at = time.perf_counter() + float(warm_up)

    @property
    def is_counted(self) -> bool:
        return time.perf_counter() >= self._begins_at

    @property
    def is_over(self) -> bool:
        return time.perf_counter() >= self._begins_at + self.seconds


def in_threads(asks: Sequence[Callable[[str], object]], kind: str, stretch: Stretch) -> float:
    """Requests a second of as many threads as there are `asks`."""
    names = users(kind)

    def go_on(ask: Callable[[str], object]) -> int:
        counted = 0
        while not stretch.is_over:
            ask(next(names))
            counted += stretch.is_counted
        return counted

    with ThreadPoolExecutor(len(asks)) as threads:
        return sum(threads.map(go_on, asks)) / stretch.seconds


async def in_tasks(
    asks: Sequence[Callable[[str], Awaitable[object]]], kind: str, stretch: Stretch
) -> float:
    """The same of as many tasks."""
    names = users(kind)

    async def go_on(ask: Callable[[str], Awaitable[object]]) -> int:
        counted = 0
        while not stretch.is_over:
            await ask(next(names))
            counted += stretch.is_counted
        return counted

    return sum(await asyncio.gather(*map(go_on, asks))) / stretch.seconds


def pauses(requests: int) -> Iterator[float]:
    """Seconds to wait before each of so many requests."""
    return (random.uniform(*PAUSES) for _ in range(requests))
