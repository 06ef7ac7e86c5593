"""The operators' page of a large installation, over HTTP, beside that of a small one.

The small one has 1,000 accounts, of which 100 sync, and 1,000 syncs have ended within a day. The
large one has a hundred times as many of each. Each has a service of its own in a process of its
own. They take turns over one connection each. A turn is the median time of some requests.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from service.api.auth.make_token import make_token
from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import Installation, installed
from tests.benchmarks.turns import take_turns
from tests.chaos.server import SECRET, ApiServer
from tests.functions.crowd import add_busy_day

BAR = 300.0  # ms
# Accounts, running syncs, and syncs that have ended.
SMALL, LARGE = (1_000, 100, 1_000), (100_000, 10_000, 100_000)
ROUNDS, REQUESTS = 5, 10


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield from figures(installation, SMALL, LARGE, ROUNDS, REQUESTS)


def figures(
    installation: Installation,
    small: tuple[int, int, int],
    large: tuple[int, int, int],
    rounds: int,
    times: int,
) -> Iterator[Figure]:
    with ExitStack() as down:
        of_small, of_large = (asker(installation, down, each, times) for each in (small, large))
        turns = take_turns(rounds, of_large, of_small)
    yield Figure(
        "operator_page",
        f"the operators' page, {large[0]:,} accounts, {large[1]:,} syncing",
        f"{statistics.median(turns.beside):,.0f} ms with {small[0]:,}, {small[1]:,} syncing",
        round(statistics.median(turns.ours), 1),
        bar=BAR,
        direction="at most",
        unit="ms",
        details={**turns.details("large_ms", "small_ms"), "ended_within_a_day": large[2]},
    )


def asker(
    installation: Installation, down: ExitStack, size: tuple[int, int, int], times: int
) -> Callable[[], float]:
    """Asks for the page of an installation of this size: the median milliseconds."""
    database = down.enter_context(installation.database())
    database.db.execute("set statement_timeout = 0")
    add_busy_day(database.db, *size)
    log = Path(down.enter_context(TemporaryDirectory())) / "server.log"
    server = down.enter_context(ApiServer(database.url, log))
    client = down.enter_context(requests.Session())
    client.headers["Authorization"] = (
        f"Bearer {make_token(SECRET, 'olga', ('operator',), timedelta(hours=1))}"
    )

    def milliseconds() -> float:
        began = time.perf_counter()
        answer = client.get(f"http://127.0.0.1:{server.port}/operator", timeout=60)
        assert "running-" in answer.text
        return 1000 * (time.perf_counter() - began)

    return lambda: statistics.median(milliseconds() for _ in range(times))
