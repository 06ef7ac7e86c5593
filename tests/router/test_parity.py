"""Each function at a node and through the router: the same rows, types and errors."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.types.json import Jsonb

from db.router.install import FETCHED_ROWS
from db.router.routes import ROUTES, Absent
from service.demo.routed import superuser
from service.postgres.calls import Session, connect
from tests.cluster import Cluster
from tests.functions.conftest import busy_user, claimed, listed, message, store, taken
from tests.functions.mail.test_export_messages import ATTACHMENT
from tests.functions.routines import Routine, login, routines
from tests.router.conftest import NODES, Installation, clear, spread, user_at

pytestmark = pytest.mark.gate

ROLES = ("gmail_sync_app", "gmail_sync_reader", "gmail_sync_service", "gmail_sync_dba")
# The random part of a task_id, and a time.
CHANGES = re.compile(r"(?<=_)[0-9a-f]{8}_\d+|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00")
# They change with the clock.
GUESSES = {"eta_seconds", "messages_a_minute"}
VOID = 2278
CALLS = ("typical", "null", "empty")
VIEWS = ("attachments", "labels", "messages", "running_syncs", "sync_runs", "zombie_syncs")
# They name the nodes.
DIFFERENT = {"scheduler_status", "sync_health"}


class Answer(NamedTuple):
    """The columns and rows of a call, or its error."""

    columns: list[tuple[str, int]]
    rows: list[list[object]]
    error: tuple[str | None, ...] | None


def answer(connection: psycopg.Connection[Any], statement: str) -> Answer:
    try:
        cursor = connection.execute(statement.encode())
    except psycopg.Error as error:
        texts = error.diag.message_primary, error.diag.message_detail, error.diag.message_hint
        return Answer([], [], (error.sqlstate, *map(settled, texts)))
    columns = [(column.name, column.type_code) for column in cursor.description or []]
    if [kind for _, kind in columns] == [VOID]:
        # '' of one language of functions, NULL of another.
        return Answer(columns, [], None)
    rows = [
        [
            None if name in GUESSES else settled(value)
            for (name, _), value in zip(columns, row, strict=True)
        ]
        for row in cursor.fetchall()
    ]
    return Answer(columns, rows, None)


def settled(value: Any) -> Any:
    """A value without what differs from call to call."""
    if isinstance(value, datetime | timedelta):
        return type(value).__name__
    return CHANGES.sub("", value) if isinstance(value, str) else value


class Called(NamedTuple):
    """A function, and the names of its arguments."""

    routine: Routine
    names: list[str]

    def statement(self, kind: str, user: str, task_id: str) -> str:
        """A call for a user and its run; the other arguments are typical, NULL or empty."""
        place = {"p_user_id": user, "p_task_id": task_id, "p_actor": user}
        given = {i: f"'{place[name]}'" for i, name in enumerate(self.names) if name in place}
        if kind == "empty":
            given = dict.fromkeys(given, "''")
        return self.routine.call(given, "null" if kind == "null" else None)


@contextmanager
def logged_in(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with (
        connect(cluster.url(), "test") as db,
        login(cluster, "gmail_sync", db, *ROLES) as connection,
    ):
        yield connection


@pytest.fixture(scope="module")
def at_node(installation: Installation) -> Iterator[psycopg.Connection[Any]]:
    with logged_in(installation.nodes[0]) as connection:
        yield connection


@pytest.fixture(scope="module")
def at_router(installation: Installation) -> Iterator[psycopg.Connection[Any]]:
    with logged_in(installation.router) as connection:
        yield connection


@pytest.fixture(scope="module")
def called(installation: Installation) -> list[Called]:
    """Each function of the catalog that is on the router."""
    clear(installation)
    with connect(installation.node_urls[0], "test") as db:
        names = {
            row["proname"]: row["proargnames"] or []
            for row in db.execute(
                "select proname, proargnames from pg_proc"
                " where pronamespace = 'gmail_sync'::regnamespace"
            )
        }
        found = [
            Called(routine, names[routine.name][: len(routine.types)])
            for routine in routines(db)
            if not isinstance(ROUTES.get(routine.name, Absent("a helper")), Absent)
        ]
    assert len(found) == sum(not isinstance(route, Absent) for route in ROUTES.values())
    return found


@pytest.fixture
def functions(installation: Installation) -> Iterator[Session]:
    with closing(Session(installation.node_urls[0], "test")) as session:
        yield session


@pytest.mark.parametrize("kind", CALLS)
def test_a_call_through_the_router_is_the_call_at_the_node(
    functions: Session,
    called: list[Called],
    at_node: psycopg.Connection[Any],
    at_router: psycopg.Connection[Any],
    kind: str,
) -> None:
    differ: list[str] = []
    for number, each in enumerate(called):
        if each.routine.name in DIFFERENT:
            continue
        user = f"{kind}-{number}"
        end_runs(functions)
        statement = each.statement(kind, user, busy_user(functions, user))
        with at_node.transaction(force_rollback=True):
            direct = answer(at_node, statement)
        routed = answer(at_router, statement)
        if direct != routed:
            differ.append(f"{statement}\n  node:   {direct}\n  router: {routed}")
    assert not differ, "\n".join(differ)


@pytest.fixture
def reader(functions: Session) -> str:
    """A user with a row in each view but that of zombies, which pg_cron would end."""
    end_runs(functions)
    task_id = claimed(functions, "reader")
    functions.rows("store_labels", task_id, Jsonb([{"id": "M", "name": "M"}]))
    listed(functions, task_id, "s")
    taken(functions, task_id)
    store(functions, task_id, message("s", "M", attachments=[ATTACHMENT]))
    return "reader"


def test_each_view_through_the_router_is_the_view_at_the_node(
    reader: str, at_node: psycopg.Connection[Any], at_router: psycopg.Connection[Any]
) -> None:
    for view in VIEWS:
        statement = f"select * from gmail_sync.{view} where user_id = '{reader}'"
        direct = answer(at_node, statement)
        assert answer(at_router, statement) == direct
        assert (bool(direct.rows), direct.error) == (view != "zombie_syncs", None), view


def test_a_mailbox_by_view_is_read_whole_and_in_order(
    functions: Session, at_node: psycopg.Connection[Any], at_router: psycopg.Connection[Any]
) -> None:
    end_runs(functions)
    task_id = claimed(functions, "collector")
    ids = [f"{number:03}" for number in range(2 * FETCHED_ROWS + 1)]
    listed(functions, task_id, *ids)
    while batch := taken(functions, task_id, 100):
        store(functions, task_id, *map(message, batch))
    statement = (
        "select message_id from gmail_sync.messages where user_id = 'collector'"
        " order by internal_date desc, message_id desc"
    )
    direct = answer(at_node, statement)
    assert len(direct.rows) == len(ids)
    assert answer(at_router, statement) == direct


def test_a_run_started_through_the_router_keeps_the_trace_of_its_call(
    installation: Installation,
) -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    with superuser(installation.router_url) as router:
        router.execute(f"set gmail_sync.traceparent = '{trace}'")
        router.execute("select gmail_sync.start_sync_idempotent('traced')")
        router.execute("reset gmail_sync.traceparent")
        router.execute("select gmail_sync.start_sync_idempotent('untraced')")
    with superuser(installation.node_urls[0]) as node:
        runs = node.execute(
            "select user_id, traceparent from gmail_sync.user_sync_status"
            " where user_id in ('traced', 'untraced')"
        ).fetchall()
    assert dict(runs) == {"traced": trace, "untraced": None}


def end_runs(functions: Session) -> None:
    """The next claim then gets the run of the next user."""
    for run in functions.rows("list_running_syncs"):
        functions.value("cancel_sync", run["task_id"])


def test_the_audit_trail_names_who_calls_at_the_router(installation: Installation) -> None:
    """The login and the person, not the router's login at the node."""
    application = "gmail-sync account by os:ann"
    with superuser(installation.router_url) as router:
        router.execute(f"set application_name = '{application}'")
        router.execute("select gmail_sync.connect_account('audited', 'a@mail.example', 'sealed')")
        (event,) = router.execute(
            "select actor, role, application from gmail_sync.list_audit_events('audited')"
        ).fetchall()
    assert event == ("os:ann", "postgres", application)


def test_a_deleted_user_is_forgotten_as_an_operator_at_each_node(
    installation: Installation,
) -> None:
    with spread(installation), superuser(installation.router_url) as router:
        ann, bo, cy = (user_at(installation, node, "forgotten") for node in range(NODES))
        for user in (ann, bo, cy):
            router.execute(
                "select gmail_sync.connect_account(%s, 'a@mail.example', 'sealed'::bytea)", [user]
            )
            router.execute(
                "select gmail_sync.record_audit_event('operator_read', %s, '{}', %s)", [ann, user]
            )
        assert acts_of(router, ann) >= NODES
        assert router.execute("select gmail_sync.delete_account(%s)", [ann]).fetchone() == (True,)
        assert acts_of(router, ann) == 0


def acts_of(router: psycopg.Connection[Any], actor: str) -> int:
    (found,) = router.execute(
        "select count(*) from gmail_sync.list_audit_events() where actor = %s"
        " and act = 'operator_read'",
        [actor],
    ).fetchone() or (0,)
    return int(found)
