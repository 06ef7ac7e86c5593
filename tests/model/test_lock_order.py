"""No two calls lock crosswise: there is no deadlock, and no error except the documented ones.

Each pair of writing functions runs at the same moment, for the same user and for two. It does so in
each state of their runs, with a pause at each written row. The gate takes what is likeliest to
meet; GMAIL_SYNC_CHAOS=1 takes every pair.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import product
from threading import Barrier

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from service.postgres.calls import Connection, connect
from tests.model.calls import CALLS, POPULATE, USERS, call
from tests.model.profile import LONG

STATES = ("claimed", "queued", "zombie", "idle")
# A run may not succeed with messages pending: release_sync says so.
TOLD = {"SY001", "SY002", "SY003", "SY004", "SY005", "SY007", "23514"}
# Who locks much, or out of turn, meets everybody.
LIKELIEST = {
    "claim_sync", "delete_account", "disconnect_account with mail", "enqueue_due_syncs",
    "reap_zombie_syncs", "receive_push", "store_messages",
}  # fmt: skip
# One function's plans may find rows in another order than another's.
IN_THE_ORDER_OF_THE_TABLE = "-c deadlock_timeout=100ms -c lock_timeout=20s"
IN_THE_ORDER_OF_AN_INDEX = (
    f"{IN_THE_ORDER_OF_THE_TABLE} -c enable_seqscan=off -c enable_bitmapscan=off"
)


@pytest.fixture
def lanes(db: Connection, database_url: str) -> Iterator[tuple[Connection, ...]]:
    """Two connections to a database that can be populated, which learn of a deadlock at once."""
    db.execute(POPULATE.encode())
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(connect(make_conninfo(database_url, options=plans), "lane"))
            for plans in (IN_THE_ORDER_OF_THE_TABLE, IN_THE_ORDER_OF_AN_INDEX)
        )
        yield first, second


def meetings() -> Iterator[tuple[str, str, str]]:
    """Two functions, and the user that the second is called for."""
    for first, second in product(CALLS, repeat=2):
        if LONG:
            yield first, second, USERS[1]
        if LONG or first in LIKELIEST:
            yield first, second, USERS[0]


def error_of(lane: Connection, name: str, user: str, start: Barrier) -> str | None:
    """An error of a call that is not documented."""
    start.wait(20)
    try:
        lane.execute("select pg_sleep(0.02 * random())")
        call(lane, name, user)
    except psycopg.Error as error:
        return None if error.sqlstate in TOLD else f"{error.sqlstate} {error}"
    return None


def meet(
    threads: ThreadPoolExecutor, lanes: tuple[Connection, ...], names: tuple[str, str], other: str
) -> str:
    """Both calls at once, the second for this user: their errors."""
    start = Barrier(2)
    calls: list[Future[str | None]] = [
        threads.submit(error_of, lane, name, user, start)
        for lane, name, user in zip(lanes, names, (USERS[0], other), strict=True)
    ]
    return "\n".join(error for each in calls if (error := each.result(60)))


@pytest.mark.parametrize("state", STATES)
def test_no_two_calls_lock_crosswise(
    db: Connection, lanes: tuple[Connection, ...], state: str
) -> None:
    wrong: dict[tuple[str, ...], str] = {}
    with ThreadPoolExecutor(2) as threads:
        for *names, other in meetings():
            db.execute("select public.populate(%s)", [state])
            if errors := meet(threads, lanes, (names[0], names[1]), other):
                wrong[(*names, other)] = errors
    assert wrong == {}


@pytest.mark.parametrize(
    "function", ["adopt_legacy_sync_status", "enqueue_due_syncs", "receive_push"]
)
def test_runs_of_several_users_are_made_in_the_order_of_the_users(
    db: Connection, lanes: tuple[Connection, ...], function: str
) -> None:
    db.execute("select public.populate('idle')")
    db.execute("update gmail_sync.account set sync_interval = '2 min' where user_id = 'ann'")
    call(lanes[0], function, USERS[0])
    rows = db.execute(
        "select user_id from gmail_sync.user_sync_status where is_syncing order by ctid"
    )
    assert [row["user_id"] for row in rows] == ["ann", "bo"]


def test_every_function_that_writes_is_called(db: Connection) -> None:
    rows = db.execute(
        "select proname from pg_proc p where pronamespace = 'gmail_sync'::regnamespace"
        " and provolatile = 'v' and prokind = 'f' and prorettype <> 'trigger'::regtype"
        " and exists (select from aclexplode(proacl) where grantee <> proowner)"
        r" and proname not like '\_%'"
    )
    calls = {name.split()[0] for name in CALLS}
    assert {row["proname"] for row in rows} - calls == set()
