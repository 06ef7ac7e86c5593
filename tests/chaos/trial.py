"""One sync of a new user while a fault strikes, and the judgement of what it left."""

import random
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

from service.database import Row
from tests.chaos.host import Host
from tests.chaos.site import CALM, LEASE, Site
from tests.chaos.witness import Witness

# Where in the sync a fault strikes first, as a share of the messages.
FIRST_BLOW = 0.3


@dataclass(frozen=True)
class Scene:
    """What a fault finds: a user's run in the middle of its sync."""

    site: Site
    user_id: str
    task_id: str
    witness: Witness

    def holder(self) -> Host:
        return self.site.holder(self.user_id)

    def wait_for_another_run(self) -> None:
        """Until the run is ended and its successor claimed."""
        self.witness.wait_until(
            lambda: self.witness.now["task_id"] != self.task_id and self.witness.now["claimed_at"]
        )

    def run(self) -> Row:
        """The run that was struck, as it is now."""
        (row,) = self.site.execute("select * from gmail_sync.sync_run(%s)", self.task_id)
        return row


@dataclass(frozen=True)
class Fault:
    """One line of the matrix.

    `strike` breaks something and gives back once it is broken, or mended again where it mends
    itself; what follows its `yield` comes when the sync went on. `run` says what must become of
    the run that was struck. `gap` are the seconds between two blows of a long trial.
    """

    name: str
    strike: Callable[[Scene], AbstractContextManager[None]]
    asserted: str
    run: Literal["kept", "taken over", "either"] = "either"
    lease: float = LEASE
    gap: tuple[float, float] = (0.2, 3.0)
    quick: bool = True


@dataclass
class Outcome:
    """Seconds to recover after each blow, and how many messages were fetched once too often."""

    recoveries: list[float]
    fetched_twice: int
    samples: int


def attempt(
    site: Site, fault: Fault, most_blows: int = 1, dice: random.Random | None = None
) -> Outcome:
    """Sync a new user under the fault, which strikes in the middle or, with dice, at random
    moments. AssertionError: something is not as it should be."""
    site.set_lease(fault.lease)
    site.simulator.requests.reset()
    user_id = f"stormy-{secrets.token_hex(4)}"
    site.start(user_id)
    recoveries: list[float] = []
    with Witness(site.cluster.url(), user_id) as witness:
        if dice is None:
            witness.wait_until(lambda: witness.done() >= FIRST_BLOW)
        while len(recoveries) < most_blows:
            if dice is not None and _ended_within(witness, dice.uniform(*fault.gap)):
                break
            recoveries.append(_blow(site, fault, witness))
        witness.wait_until(witness.ended)
    _judge(site, witness, user_id)
    twice = len(site.simulator.requests.fetched_twice())
    site.ask("delete_account", user_id)
    return Outcome(recoveries, twice, len(witness.samples))


def _ended_within(witness: Witness, seconds: float) -> bool:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and not witness.ended():
        time.sleep(0.02)
    return witness.ended()


def _blow(site: Site, fault: Fault, witness: Witness) -> float:
    """Strike once; the seconds from then until the sync had gone on: from the blow if another
    worker had to take over, else from the end of what was broken."""
    task_id = witness.now["task_id"]
    scene = Scene(site, witness.user_id, task_id, witness)
    since = time.monotonic()
    gone = task_id if fault.run == "taken over" else None
    with fault.strike(scene):
        if gone is None:
            since = time.monotonic()
        witness.wait_until(lambda: witness.went_on_at(since, gone))
    if fault.run == "kept":
        assert witness.now["task_id"] == task_id, scene.run()
    at = witness.went_on_at(since, gone)
    assert at is not None
    return at - since


def _judge(site: Site, witness: Witness, user_id: str) -> None:
    run = witness.now
    assert run["outcome"] == "succeeded", run
    stats = run["current_stats"]
    assert stats["new"] == stats["found"], stats
    witness.judge()
    calm, stormy = site.contents(CALM), site.contents(user_id)
    for table, rows in calm.items():
        differ = sorted((rows - stormy[table]) + (stormy[table] - rows))
        assert differ == [], (table, len(differ), differ[:2])
