"""Many users sync, first and again, while things break around them at random.

Then everything is mended. Every user must come out with the mail that CALM has, and processes and
database must hold no more than before. The worker is killed now and then, the `serve` never: what
it holds in the end has come together over the whole time.
"""

import random
import time
from collections.abc import Callable
from signal import SIGTERM
from typing import NamedTuple

from service.simulator import Fault as GmailFault
from tests.chaos.postgres import TERMINATE_OURS
from tests.chaos.processes import kill
from tests.chaos.proxy import Proxy
from tests.chaos.server import Resources
from tests.chaos.site import CALM, TABLES, Site
from tests.waiting import wait_until

USERS = [f"soaked-{number}" for number in range(12)]
LEASE_SECONDS, STALL_SECONDS = 4.0, 20.0
# What Gmail takes for a batch, so that syncs last; how long a wire is broken; from blow to blow.
BATCH_SECONDS = 0.3
BROKEN_SECONDS = 1.0
GAP_SECONDS = (0.1, 1.0)
PATIENCE_SECONDS = 180

UPDATES = """
    select n_tup_upd::float as updates, n_tup_hot_upd::float as hot
    from pg_stat_user_tables where relid = 'gmail_sync.user_sync_status'::regclass
"""
# But for settings, ledgers and notes, which are written to at any time.
DEAD = """
    select coalesce(sum(n_dead_tup), 0)::integer as rows from pg_stat_user_tables
    where schemaname = 'gmail_sync' and relname = any (%s)
"""
CONNECTIONS = """
    select count(*)::integer as number from pg_stat_activity
    where application_name like 'gmail-sync %%' and datname = current_database()
"""


class Held(NamedTuple):
    """By the `serve` and, of connections, by all of us, while nothing runs."""

    by_serve: Resources
    connections: int

    @classmethod
    def at(cls, site: Site) -> "Held":
        return cls(Resources.of(site.hosts[0].pid), site.execute(CONNECTIONS)[0]["number"])


class Soaked(NamedTuple):
    """How many blows were dealt, and the share of all updates of runs that were HOT."""

    blows: int
    hot: float
    before: Held
    after: Held


def soak(site: Site, seconds: float, dice: random.Random) -> Soaked:
    """Fails if a user does not have all the mail in the end, or still has a run. It also fails if a
    vacuum must leave dead rows because a transaction might still see them."""
    site.set_durations(LEASE_SECONDS, STALL_SECONDS)
    for user_id in USERS:
        site.start(user_id)
    settle(site)
    before, begun = Held.at(site), site.execute(UPDATES)[0]
    blows = storm(site, seconds, dice)
    settle(site)
    judge(site)
    wait_until(lambda: Held.at(site).connections <= before.connections, PATIENCE_SECONDS)
    now = site.execute(UPDATES)[0]
    hot = (now["hot"] - begun["hot"]) / (now["updates"] - begun["updates"])
    wait_until(lambda: dead_rows(site) == 0, PATIENCE_SECONDS)
    return Soaked(blows, hot, before, Held.at(site))


def storm(site: Site, seconds: float, dice: random.Random) -> int:
    """Syncs by users who are there or new, and after each a blow; how many."""
    blows = 0
    site.simulator.faults.add(GmailFault("batch", "latency", seconds=BATCH_SECONDS))
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        user_id = dice.choice(USERS)
        if dice.random() < 0.5:
            site.ask("delete_account", user_id)
        site.start(user_id)
        dice.choice(BLOWS)(site, dice)
        blows += 1
        time.sleep(dice.uniform(*GAP_SECONDS))
    site.simulator.faults.clear()
    return blows


def settle(site: Site) -> None:
    """One more sync of each user, and wait until nothing is left to do."""
    wait_until(site.is_up, PATIENCE_SECONDS)
    for user_id in USERS:
        site.ask("start_sync_idempotent", user_id)
    for user_id in USERS:
        site.wait_until_settled(user_id)


def dead_rows(site: Site) -> int:
    """What a vacuum leaves."""
    site.execute("vacuum")
    rows: int = site.execute(DEAD, ["user_sync_status", *TABLES])[0]["rows"]
    return rows


def judge(site: Site) -> None:
    calm = site.contents(CALM)
    for user_id in USERS:
        (last,) = site.execute("select * from gmail_sync.sync_status(%s)", user_id)
        assert last["outcome"] == "succeeded", last
        assert site.contents(user_id) == calm, user_id


def kill_worker(site: Site, _dice: random.Random) -> None:
    kill(site.hosts[1])


def drain_worker(site: Site, _dice: random.Random) -> None:
    worker = site.hosts[1]
    worker.signal(SIGTERM)
    worker.wait(PATIENCE_SECONDS)
    worker.start()


def terminate_connections(site: Site, _dice: random.Random) -> None:
    site.execute(TERMINATE_OURS)


def reset_wire(site: Site, dice: random.Random) -> None:
    a_wire(site, dice).reset()


def break_wire(site: Site, dice: random.Random) -> None:
    wire = a_wire(site, dice)
    wire.hold("there", "back")
    time.sleep(BROKEN_SECONDS)
    wire.heal()


def lose_answers(site: Site, dice: random.Random) -> None:
    wire = a_wire(site, dice)
    wire.hold("back")
    time.sleep(BROKEN_SECONDS)
    wire.reset()
    wire.heal()


def trouble_gmail(site: Site, dice: random.Random) -> None:
    method, action = dice.choice(
        [("batch", "error"), ("batch", "truncate"), ("*", "drop"), ("*", "html")]
    )
    site.simulator.faults.add(GmailFault(method, action, count=dice.randint(1, 5)))  # type: ignore[arg-type]


def a_wire(site: Site, dice: random.Random) -> Proxy:
    host = dice.choice(site.hosts)
    return dice.choice([host.postgres, host.gmail])


BLOWS: list[Callable[[Site, random.Random], None]] = [
    kill_worker,
    drain_worker,
    terminate_connections,
    reset_wire,
    break_wire,
    lose_answers,
    trouble_gmail,
]
