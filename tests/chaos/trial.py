"""One sync of a new user while a fault strikes, and the judgement of what it left."""

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from service.postgres.calls import Row
from service.simulator import Fault as GmailFault
from tests.chaos.host import Host
from tests.chaos.site import CALM, PATIENCE_SECONDS, Site
from tests.chaos.witness import SyncEnded, Witness
from tests.waiting import wait_until

# The middle of a sync, as a share of the messages.
MIDDLE = 0.3
# What Gmail takes for a batch while blows are dealt, so that a sync has a middle.
BATCH_SECONDS = 0.5


@dataclass(frozen=True)
class Scene:
    """What a fault finds: a user's run in the middle of its sync."""

    site: Site
    user_id: str
    task_id: str
    witness: Witness

    def holder(self) -> Host:
        """The host that carries out the run."""
        found: list[Host | None] = []

        def claimed() -> bool:
            found[:] = [self.site.holder(self.user_id)]
            return found[0] is not None

        self.witness.wait_until(claimed)
        assert found[0] is not None
        return found[0]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Gmail answers no batch within, so the sync stays in its middle however long it takes."""
        faults = self.site.simulator.faults
        hang = faults.add(GmailFault("batch", "hang"))
        try:
            yield
        finally:
            faults.remove(hang.number)

    def wait_for_another_run(self) -> None:
        """Until the run is ended and its successor claimed."""
        self.witness.wait_until(
            lambda: self.witness.now["task_id"] != self.task_id and self.witness.now["claimed_at"]
        )

    def go_on(self) -> None:
        """Until more is done than now."""
        since = time.monotonic()
        self.witness.wait_until(lambda: self.witness.went_on_at(since))

    def run(self) -> Row:
        """The run that was struck, as it is now."""
        (row,) = self.site.execute("select * from gmail_sync.sync_run(%s)", self.task_id)
        return row


@dataclass(frozen=True)
class Fault:
    """One line of the matrix.

    `strike` breaks something and yields once it is broken, or once it has recovered by itself.
    The code after its `yield` runs when the sync continues. `run` says what must become of
    the run that was struck. Lease and stall timeout are in seconds, as is the shortest and longest
    `gap` between the blows of a long trial. `quick`: struck once in `make gate` too.
    """

    name: str
    strike: Callable[[Scene], AbstractContextManager[None]]
    asserted: str
    run: Literal["kept", "taken over", "either"] = "either"
    lease: float = 2.0
    stall: float = 60.0
    quick: bool = True
    blows: int = 10
    gap: tuple[float, float] = (0.2, 3.0)


@dataclass(frozen=True)
class Outcome:
    """Seconds to recover after each blow, and how many messages were fetched more than once."""

    recoveries: list[float]
    fetched_twice: int
    samples: int


def strike_once(site: Site, fault: Fault) -> Outcome:
    """Strike in the middle of a new user's sync. AssertionError: the mailbox, the counts or the
    run are not as they should be; SyncEnded: it was over too soon."""
    with _sync(site, fault) as witness:
        witness.wait_until(lambda: witness.done() >= MIDDLE)
        recovery = _blow(site, fault, witness)
    return _outcome(site, witness, [recovery])


def strike_often(site: Site, fault: Fault, most_blows: int, dice: random.Random) -> Outcome:
    """The same, at random moments of one sync."""
    recoveries: list[float] = []
    with _sync(site, fault) as witness, suppress(SyncEnded):
        while len(recoveries) < most_blows:
            witness.wait(dice.uniform(*fault.gap))
            recoveries.append(_blow(site, fault, witness))
    return _outcome(site, witness, recoveries)


@contextmanager
def _sync(site: Site, fault: Fault) -> Iterator[Witness]:
    """The witness of a new user's sync, which is slow within; judged once it is over."""
    wait_until(site.is_up, PATIENCE_SECONDS)
    site.set_durations(fault.lease, fault.stall)
    site.simulator.requests.reset()
    pace = site.simulator.faults.add(GmailFault("batch", "latency", seconds=BATCH_SECONDS))
    user_id = f"stormy-{secrets.token_hex(4)}"
    try:
        site.start(user_id)
        with Witness(site.cluster.url(), user_id) as witness:
            yield witness
            site.simulator.faults.remove(pace.number)
            witness.wait_until(witness.ended)
            site.wait_until_settled(user_id)
    finally:
        site.simulator.faults.remove(pace.number)
    witness.judge()
    _judge(site, user_id)
    site.ask("delete_account", user_id)


def _blow(site: Site, fault: Fault, witness: Witness) -> float:
    """Strike once; returns the seconds until the sync continued. They count from the fault if
    another run had to take over, else from the end of the fault."""
    witness.wait_until(site.is_up)
    task_id = witness.now["task_id"]
    scene = Scene(site, witness.user_id, task_id, witness)
    gone = task_id if fault.run == "taken over" else None
    since = time.monotonic()
    with fault.strike(scene):
        if gone is None:
            since = time.monotonic()
        witness.wait_until(lambda: witness.went_on_at(since, gone))
    if fault.run == "kept":
        assert witness.now["task_id"] == task_id, scene.run()
    at = witness.went_on_at(since, gone)
    assert at is not None
    return at - since


def _judge(site: Site, user_id: str) -> None:
    """Every run that was left to end did well, and together they brought what CALM has."""
    last_of_chains = """
        select r.outcome, r.new
        from gmail_sync.user_sync_status r
        where r.user_id = %s
          and not exists (select from gmail_sync.user_sync_status s where s.resumes = r.task_id)
    """
    runs = site.execute(last_of_chains, user_id)
    calm, stormy = site.contents(CALM), site.contents(user_id)
    assert {run["outcome"] for run in runs} == {"succeeded"}, runs
    assert sum(run["new"] for run in runs) == calm["message"].total(), runs
    for table, rows in calm.items():
        differ = sorted((rows - stormy[table]) + (stormy[table] - rows))
        assert differ == [], (table, len(differ), differ[:2])


def _outcome(site: Site, witness: Witness, recoveries: list[float]) -> Outcome:
    twice = len(site.simulator.requests.fetched_twice())
    return Outcome(recoveries, twice, len(witness.samples))
