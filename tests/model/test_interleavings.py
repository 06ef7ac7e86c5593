"""The lease protocol holds in every order of its calls, and not without its fence.

The gate walks one cast of actors; GMAIL_SYNC_CHAOS=1 larger ones.
"""

import uuid

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, listed, message
from tests.model.clock import install_clock, pass_time, stop_time
from tests.model.interleavings import Content, Programs, Search, Stand, Step, Violation, World, on
from tests.model.profile import LONG

MAIL = {"m1", "m2"}
DAYS = 2 * 24 * 3600
LOST = "SY001"


def claim(world: World, stand: Stand) -> tuple[Stand, str]:
    rows = world.call("claim_sync", uuid.uuid4())
    if not rows:
        return stand, "claims nothing"
    assert isinstance(rows, list), rows
    return on(stand, task_id=rows[0]["task_id"]), f"claims {rows[0]['task_id']}"


def take(world: World, stand: Stand) -> tuple[Stand, str]:
    answer = world.call("take_messages", stand.task_id)
    return going_on(stand, answer == LOST), f"takes mail for {stand.task_id}"


def store(world: World, stand: Stand) -> tuple[Stand, str]:
    mail = Jsonb([message(message_id) for message_id in sorted(MAIL)])
    answer = world.call("store_messages", stand.task_id, mail, [None] * len(MAIL))
    return going_on(stand, answer == LOST), f"stores mail for {stand.task_id}"


def beat(world: World, stand: Stand) -> tuple[Stand, str]:
    answer = world.call("heartbeat", stand.task_id)
    return going_on(stand, answer == [{"heartbeat": False}]), f"beats for {stand.task_id}"


def release(world: World, stand: Stand) -> tuple[Stand, str]:
    world.call("release_sync", stand.task_id)
    return going_on(stand, True), f"releases {stand.task_id}"


WORK: tuple[Step, ...] = (claim, take, store, beat, release)


def going_on(stand: Stand, is_over: bool) -> Stand:
    """The next step, or the end of the program: a worker drops a run that it has lost."""
    return Stand(len(WORK)) if is_over else on(stand)


def reap(world: World, stand: Stand) -> tuple[Stand, str]:
    rows = world.call("reap_zombie_syncs")
    assert isinstance(rows, list), rows
    return stand, "reaps " + ", ".join(f"{r['task_id']}, makes {r['successor']}" for r in rows)


def wait(world: World, stand: Stand) -> tuple[Stand, str]:
    pass_time(world.db, 66)
    return on(stand), "66 s pass"


def click(world: World, stand: Stand) -> tuple[Stand, str]:
    world.call("start_sync", "ann", False, "api")
    return on(stand), "clicks"


def push(world: World, stand: Stand) -> tuple[Stand, str]:
    world.call("start_sync", "ann", False, "push")
    return on(stand), "pushes"


def cancel(world: World, stand: Stand) -> tuple[Stand, str]:
    [task_id] = [run["task_id"] for run in world.content()["runs"] if not run["resumes"]][:1]
    world.call("cancel_sync", task_id)
    return on(stand), f"cancels {task_id} or what took it over"


def drain(world: World, stand: Stand) -> tuple[Stand, str]:
    running = [run["task_id"] for run in world.content()["runs"] if run["is_syncing"]]
    world.call("handover_sync", running[0] if running else "none", "drain", None, False)
    return on(stand), f"hands over {running}"


def disconnect(world: World, stand: Stand) -> tuple[Stand, str]:
    world.call("disconnect_account", "ann")
    return on(stand), "disconnects"


LEASE: Programs = {
    "worker A": WORK, "worker B": WORK, "reaper": (reap,), "time": (wait, wait),
}  # fmt: skip
MORE_CASTS: dict[str, Programs] = {
    "a click": {**LEASE, "person": (click,)},
    "a push": {**LEASE, "Gmail": (push,)},
    "a cancelled run": {**LEASE, "person": (cancel, click)},
    "a drain": {**LEASE, "operator": (drain,)},
    "a disconnect": {**LEASE, "person": (disconnect, click)},
    "three workers": {**LEASE, "worker C": WORK},
}
CASTS: dict[str, Programs] = {"two workers": LEASE, **(MORE_CASTS if LONG else {})}


def rules(before: Content, after: Content, stand: Stand) -> str | None:
    """What a call broke."""
    runs = {run["task_id"]: run for run in after["runs"]}
    ended = [run for run in before["runs"] if not run["is_syncing"]]
    held = next((run for run in before["runs"] if run["task_id"] == stand.task_id), None)
    running = [run for run in after["runs"] if run["is_syncing"]]
    if held and not held["is_syncing"] and after != before:
        return "a task without its lease wrote"
    if any(runs.get(run["task_id"]) != run for run in ended):
        return "a run changed after its end"
    if len(running) > 1:
        return "a user has two runs"
    for run in running:
        counts = {name: n for name, n in run["stats"].items() if n and name != "found"}
        if run["claimed"] and counts != after["touched"]:
            return f"the counts {counts} are not those of the messages, {after['touched']}"
    if set(after["stored"]) | {row[0] for row in after["queue"]} != MAIL:
        return "a message was lost"
    return None


def works(world: World) -> bool:
    """One worker goes through its program; whether there was anything to do."""
    stand, _ = claim(world, Stand())
    while 0 < stand.place < len(WORK):
        stand, _ = WORK[stand.place](world, stand)
    return stand.place > 0


def help_comes(world: World) -> str | None:
    """Whether a fresh worker gets everything done once those that are there have fallen silent."""
    with world.undone():
        pass_time(world.db, DAYS)
        world.call("reap_zombie_syncs")
        pass_time(world.db, DAYS)
        while works(world):
            pass
        content = world.content()
        stuck = [run["task_id"] for run in content["runs"] if run["is_syncing"]]
        last = content["runs"][-1]
        if stuck:
            return f"{stuck} is neither claimed nor reaped"
        if last["outcome"] == "succeeded" and set(content["stored"]) != MAIL:
            return f"{last['task_id']} succeeded without its mail"
    return None


@pytest.fixture
def world(db: Connection, functions: Session) -> World:
    """A user with a queued run and two messages to fetch."""
    install_clock(db)
    task_id = claimed(functions)
    listed(functions, task_id, *sorted(MAIL))
    functions.value("reconcile_listing", task_id)
    functions.value("handover_sync", task_id, "drain", None, False)
    stop_time(db)
    return World(db)


@pytest.mark.parametrize("cast", CASTS)
def test_the_lease_holds_in_every_order(world: World, cast: str) -> None:
    search = Search(world, CASTS[cast], rules, help_comes)
    orders = search.run()
    print(f"{cast}: {orders:,} orders, {search.states:,} states, {search.calls:,} calls")
    assert orders > 500


UNFENCED = """
create or replace function gmail_sync._lease_owner(p_task_id text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$ select user_id from gmail_sync.user_sync_status where task_id = p_task_id $$;

create or replace function gmail_sync._raise_lease_lost(p_task_id text) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$ $$;
"""


def test_without_the_fence_an_order_is_found_in_which_a_lost_task_writes(
    world: World, db: Connection
) -> None:
    db.execute(UNFENCED.encode())
    found = shortest_violation(world)
    print(found)
    lines = str(found).splitlines()
    assert lines[0] == "a task without its lease wrote, after:"
    assert [line.split()[1] for line in lines[1:]] == ["worker", "time", "reaper", "worker"]


def shortest_violation(world: World) -> Violation:
    for limit in range(1, 12):
        try:
            Search(world, LEASE, rules, lambda _: None, limit).run()
        except Violation as violation:
            return violation
    raise AssertionError("no order breaks a rule")
