"""From a committed request until an idle worker has it, beside two job queues.

Three workers wait with their default settings: ours with its four slots, procrastinate's and
pgqueuer's. All listen for notifications. The sides take turns with requests of their own at random
moments, one after another, fsync on. The jobs do nothing: ours are for users without an account.

The time begins when the requesting client knows that its request is committed. It ends when the
worker, whose claim is then committed, begins the job. Ours logs "run claimed", and the
peers' jobs print the time.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import Database, Installation, installed
from tests.benchmarks.peers.database import peer_database
from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.peers.load import pauses
from tests.benchmarks.turns import Turns
from tests.waiting import wait_until
from tests.worker.conftest import WorkerProcess

PEERS = ("procrastinate", "pgqueuer")
PERCENTILES = (50, 99)
ROUNDS = 5
REQUESTS = 200
NO_GMAIL = "http://localhost:1"


def measure() -> Iterator[Figure]:
    queues = Environment("queues")
    queues.install()
    with installed() as installation:
        yield from measured(queues, installation, ROUNDS, REQUESTS)


def measured(
    queues: Environment, installation: Installation, rounds: int, requests: int
) -> Iterator[Figure]:
    with ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        ours = stack.enter_context(our_side(installation, logs / "ours"))
        theirs = [
            stack.enter_context(side_of(queues, installation, peer, logs / peer)) for peer in PEERS
        ]
        for side in (ours, *theirs):
            side.warm_up()
        for _ in range(rounds):
            for side in (ours, *theirs):
                side.take_turn(requests)
    for peer in theirs:
        for percentile in PERCENTILES:
            yield figure(ours, peer, percentile)


class Side:
    """`ask` makes so many requests, and returns when each was committed, in seconds since 1970.

    `claims` returns when the worker began each job so far.
    """

    def __init__(
        self, name: str, ask: Callable[[int], list[float]], claims: Callable[[], list[float]]
    ) -> None:
        self.name = name
        self._ask = ask
        self._claims = claims
        self._asked: list[float] = []
        # Milliseconds to each claim, of each round.
        self._rounds: list[list[float]] = []

    def warm_up(self) -> None:
        """Until the worker has started and claimed a first job."""
        self._asked += self._ask(1)
        wait_until(self._all_claims)

    def take_turn(self, requests: int) -> None:
        self._asked += self._ask(requests)
        pairs = zip(self._asked, wait_until(self._all_claims), strict=True)
        self._rounds.append([1000 * (claimed - asked) for asked, claimed in pairs][-requests:])

    def percentile(self, percentile: int) -> list[float]:
        """Of each round, in milliseconds."""
        return [
            statistics.quantiles(each, n=100, method="inclusive")[percentile - 1]
            for each in self._rounds
        ]

    def _all_claims(self) -> list[float]:
        """Nothing while one is outstanding."""
        claims = self._claims()
        return claims if len(claims) == len(self._asked) else []


@contextmanager
def our_side(installation: Installation, log: Path) -> Iterator[Side]:
    with installation.database() as database:
        worker = WorkerProcess(database.environment(NO_GMAIL), log)
        try:
            yield Side("ours", partial(ask_us, database), partial(our_claims, log))
        finally:
            worker.kill()


def ask_us(database: Database, requests: int) -> list[float]:
    asked = []
    for pause in pauses(requests):
        time.sleep(pause)
        database.start(f"user-{time.monotonic_ns()}")
        asked.append(time.time())
    return asked


def our_claims(log: Path) -> list[float]:
    said = map(json.loads, log.read_text().splitlines())
    return [
        datetime.fromisoformat(each["timestamp"]).timestamp()
        for each in said
        if each["event"] == "run claimed"
    ]


@contextmanager
def side_of(
    queues: Environment, installation: Installation, peer: str, log: Path
) -> Iterator[Side]:
    with (
        peer_database(installation.cluster, queues, peer) as url,
        queues.running(log, peer, "work", url),
    ):
        yield Side(
            peer,
            lambda requests: queues.run(peer, "request", url, str(requests)),
            lambda: [float(line) for line in log.read_text().splitlines()],
        )


def figure(ours: Side, peer: Side, percentile: int) -> Figure:
    """Theirs to ours: above 1 ours is faster."""
    turns = Turns(peer.percentile(percentile), ours.percentile(percentile))
    return Figure(
        f"pickup_p{percentile}_{peer.name}",
        f"from request to claim, p{percentile}",
        f"{peer.name}'s worker",
        turns.ratio,
        bar=1,
        details=turns.details(f"{peer.name}_ms", "ms"),
    )
