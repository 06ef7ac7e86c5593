"""Moves a slot from one node to another while its users are served.

copy      The early parts of all its users, and what a journal says has changed since.
          Then the slot is closed at the source for the rest; see Part.
switch    Each router leads the slot to the target, and the target opens it.
clear     The source deletes the slot's rows in pieces.
undo      In place of a switch: the target deletes them, and the source opens the slot.

The router keeps the step, so a mover that was killed goes on where it was: each step may be done
twice. A slot is open on at most one node, as slot_elsewhere says on each.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from db.router.generate import BY_SLOT, CLUSTER, SLOTS
from db.router.install import partition, share_quota
from db.router.moving import (
    OPEN_WEBHOOKS,
    PARTS,
    Connection,
    MoveError,
    Table,
    journal,
    tables_of,
)

Report = Callable[[str], None]

CHUNK_USERS = 50
PIECE_ROWS = 5000
# So few changes are copied while the slot is closed.
FEW_CHANGES = 500
MAX_PASSES = 10
# For transactions that were open before the slot was closed, and before that is tried.
CLOSED_SECONDS = 3.0
OPEN_SECONDS = 60.0
# A lock that is waited for holds up all others who ask for the table.
LOCK_TIMEOUT = "500 ms"
LOCK_TRIES = 60
SWITCH_TRIES = 6
# A server may notice late that a mover was killed.
OTHER_MOVER_SECONDS = 5.0
UNDOABLE = ("copy", "undo")

_ONE_MOVER = "pg_try_advisory_lock(hashtext('gmail_sync move'), 0)"
# Between its passes, the reaper of an older pg_cron sleeps in a transaction. What a pass changes
# late is lost with the source's rows; the target's reaper finds it again.
_TRANSACTIONS = """
select pid, xact_start, application_name from pg_stat_activity
where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
  and backend_type not in ('autovacuum worker', 'parallel worker', 'walsender')
  and query !~ 'gmail_sync[.](reap_loop|run_reaper)[(]'
"""


class State(NamedTuple):
    """The row of gmail_sync_route.move: the move that is not finished."""

    slot: int
    source: int
    target: int
    step: str
    copied_to: str
    is_compared: bool


@contextmanager
def only_mover(routers: Sequence[Connection]) -> Iterator[None]:
    """Raises MoveError while another mover is at work."""
    for router in routers:
        gives_up_at = time.monotonic() + OTHER_MOVER_SECONDS
        while not _value(router, f"select {_ONE_MOVER}"):
            if time.monotonic() > gives_up_at:
                raise MoveError("another gmail-sync router move or spread is at work: wait for it")
            time.sleep(0.1)
    try:
        yield
    finally:
        for router in routers:
            router.execute("select pg_advisory_unlock_all()")


def unfinished(routers: Sequence[Connection]) -> State | None:
    """The move that has begun and not finished."""
    return next(filter(None, map(_state, routers)), None)


def _state(router: Connection) -> State | None:
    row = router.execute(
        "select slot, source, target, step, copied_to, is_compared from gmail_sync_route.move"
    ).fetchone()
    return State(*row) if row else None


def node_of(router: Connection, slot: int) -> int:
    """The node to which the router leads a slot. Raises MoveError."""
    row = router.execute(
        "select node from gmail_sync_route.slot where slot = %s", [slot]
    ).fetchone()
    if row is None:
        raise MoveError(f"there is no slot {slot}: they are 0 to {SLOTS - 1}")
    return int(row[0])


def move(
    routers: Sequence[Connection],
    nodes: Sequence[Connection],
    slot: int,
    target: int,
    report: Report,
) -> None:
    """Move a slot, or go on with its move. Raises MoveError."""
    with only_mover(routers):
        state = unfinished(routers)
        if state is None:
            source = node_of(routers[0], slot)
            if source == target:
                report(f"slot {slot} is at node {target} already")
                return
            state = State(slot, source, target, "copy", "", False)
        elif (state.slot, state.target) != (slot, target) or state.step == "undo":
            raise MoveError(_finish_first(state))
        mover = Mover(routers, nodes, state, report)
        mover.check()
        mover.go_on()


def undo(
    routers: Sequence[Connection], nodes: Sequence[Connection], slot: int, report: Report
) -> None:
    """Undo a move that has not been switched. Raises MoveError."""
    with only_mover(routers):
        state = unfinished(routers)
        if state is None or state.slot != slot:
            raise MoveError(
                f"slot {slot} is not being moved" if state is None else _finish_first(state)
            )
        if state.step not in UNDOABLE:
            raise MoveError(
                f"slot {slot} has been switched to node {state.target} already: finish the move,"
                f" then move it back with --to {state.source}"
            )
        Mover(routers, nodes, state, report).undo()


def _finish_first(state: State) -> str:
    command = f"gmail-sync router move {state.slot}"
    ways = [f"{command} --to {state.target}"] if state.step != "undo" else []
    ways += [f"{command} --undo"] if state.step in UNDOABLE else []
    return f"slot {state.slot} is being moved; run first: {' or: '.join(ways)}"


class Mover:
    """One move; `state` says how far it is."""

    def __init__(
        self,
        routers: Sequence[Connection],
        nodes: Sequence[Connection],
        state: State,
        report: Report,
    ) -> None:
        if max(state.source, state.target) >= len(nodes):
            raise MoveError(f"there is no node {max(state.source, state.target)}: see --nodes")
        self._routers, self._state, self._report = routers, state, report
        self._keeper = next((router for router in routers if _state(router)), routers[0])
        self._nodes = nodes
        self._source, self._target = nodes[state.source], nodes[state.target]
        # Events of webhooks may be of no user.
        self._in_slot = f"t.user_id <> '' and gmail_sync._user_slot(t.user_id) = {state.slot}"
        for node, role in ((self._source, "origin"), (self._target, "replica")):
            # Values are compared as text. At the target no trigger or foreign key acts on copies.
            node.execute(
                "set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set extra_float_digits = 1;"
                " set search_path = pg_catalog, pg_temp; set statement_timeout = 0;"
                " set idle_in_transaction_session_timeout = 0;"
                f" set session_replication_role = {role}".encode()
            )
        self._tables = tables_of(self._source)
        self._early = [table for table in self._tables if table.part.early]

    def check(self) -> None:
        """Raises MoveError for what would fail later."""
        state = self._state
        nodes = {state.source: self._source, state.target: self._target}
        versions = {
            n: _value(node, "select gmail_sync.schema_version()") for n, node in nodes.items()
        }
        if len(set(versions.values())) > 1:
            raise MoveError(
                f"the nodes' schemas differ ({versions}): run gmail-sync migrate at each node, then"
                " gmail-sync router install"
            )
        for router in self._routers:
            if not _value(
                router, "select count(*) from gmail_sync_route.node where node = %s", state.target
            ):
                raise MoveError(
                    f"a router does not know node {state.target}: run gmail-sync router install"
                )
        self._require_all_routers()
        if state.step == "copy" and self._is_open(self._target):
            raise MoveError(
                f"slot {state.slot} is open at node {state.target}, where it must be closed: run"
                " gmail-sync router install"
            )
        profiles = "select array_agg(name order by name) from gmail_sync.quota_profile"
        missing = set(_value(self._source, profiles)) - set(_value(self._target, profiles))
        if missing:
            raise MoveError(
                f"node {state.target} lacks the quota profiles {', '.join(sorted(missing))}: insert"
                " them there, with their costs"
            )

    def _require_all_routers(self) -> None:
        """One that does not hear of the move would read at a node without the mail."""
        given = {
            _value(router, "select id from gmail_sync_route.router") for router in self._routers
        }
        known = {
            router_id
            for node in (self._source, self._target)
            for (router_id,) in node.execute("select id from gmail_sync_slots.router")
        }
        if left_out := known - given:
            raise MoveError(
                f"{len(known)} routers lead to these nodes, and --router names {len(given)} of"
                " them: name all hosts. If one is gone for good, run at each node: delete from"
                f" gmail_sync_slots.router where id = '{min(left_out)}'"
            )

    def go_on(self) -> None:
        """Do all steps that are left."""
        if self._state.step == "copy":
            self._copy()
            self._close_and_switch()
        if self._state.step == "switch":
            for router in self._routers:
                _retry(partial(self._lead, router))
            self._open()
        self._drop_journal()
        self._clear(self._source)
        self._report(f"node {self._state.source} is cleared")
        self._keeper.execute("delete from gmail_sync_route.move")
        self._report(f"slot {self._state.slot} is at node {self._state.target}")

    def undo(self) -> None:
        """Delete what was copied, and open the slot at the source."""
        self._set(step="undo")
        self._open_source()
        self._drop_journal()
        self._clear(self._target)
        self._report(f"node {self._state.target} is cleared")
        self._keeper.execute("delete from gmail_sync_route.move")
        self._report(f"slot {self._state.slot} stays at node {self._state.source}")

    # Copying, while the slot is open

    def _copy(self) -> None:
        # The target cannot see that words are missing, but it queues what is in index_backlog.
        self._source.execute("select gmail_sync._queue_lost_words()")
        if not _value(self._keeper, "select count(*) from gmail_sync_route.move"):
            self._clear(self._target)
            self._keeper.execute(
                "insert into gmail_sync_route.move (slot, source, target) values (%s, %s, %s)",
                [self._state.slot, self._state.source, self._state.target],
            )
        for statement in journal(self._early, self._state.slot):
            _retry(partial(self._alter, statement))
        self._report("changes are noted")
        if not self._state.is_compared:
            self._copy_users()
            self._catch_up(compares_all=True)
            self._set(is_compared=True)
            self._report("the copies are equal")

    def _copy_users(self) -> None:
        users = _users(self._source, self._early, self._in_slot)
        left = [user for user in users if user > self._state.copied_to]
        for chunk in _chunks(left):
            with self._target.transaction():
                for table in self._early:
                    self._replace(table, self._of(chunk))
            self._set(copied_to=chunk[-1])
            self._report(f"copied {users.index(chunk[-1]) + 1} of {len(users)} users")

    def _catch_up(self, *, compares_all: bool = False, is_closed: bool = False) -> int:
        """Copy what the journal names, and compare. Returns the number of changes.

        The transaction at the source reads as of one moment, so copies equal it although syncs go
        on. It commits last: if the target's does not commit, the journal is as before.
        """
        with self._source.transaction(), self._target.transaction():
            self._source.execute("set transaction isolation level repeatable read")
            changes = self._take_changes()
            rows = [
                (table, table.is_changed if table.part.early else self._in_slot)
                for table in self._tables
                if (table.name in changes if table.part.early else is_closed)
            ]
            for table, where in rows:
                self._replace(table, where)
            if is_closed:
                self._raise_sequences()
            for table, where in rows:
                self._compare(table, where)
            if compares_all:
                self._compare_users()
        return sum(changes.values())

    def _take_changes(self) -> dict[str, int]:
        """Take the journal into a table of both sessions. Returns the number for each table."""
        nodes = (self._source, self._target)
        for node in nodes:
            node.execute(
                "create temp table changed (relation text, user_id text, item text) on commit drop"
            )
        self._source.execute(
            "with taken as (delete from gmail_sync_move.changed returning *)"
            " insert into changed select distinct * from taken"
        )
        self._pipe("select * from changed", "changed")
        for node in nodes:
            node.execute("analyze changed")
        counts = "select relation, count(*) from changed group by relation"
        return dict(_execute(self._source, counts).fetchall())

    def _replace(self, table: Table, where: str) -> None:
        _execute(self._target, table.delete(where))
        self._pipe(table.rows(where), f"gmail_sync.{table.name} ({table.copied})")

    def _pipe(self, rows: str, to: str) -> None:
        with (
            self._source.cursor().copy(f"copy ({rows}) to stdout (format binary)".encode()) as out,
            self._target.cursor().copy(f"copy {to} from stdin (format binary)".encode()) as into,
        ):
            for data in out:
                into.write(data)

    # Comparing

    def _compare_users(self) -> None:
        users = {
            user
            for node in (self._source, self._target)
            for user in _users(node, self._early, self._in_slot)
        }
        for chunk in _chunks(sorted(users)):
            for table in self._early:
                self._compare(table, self._of(chunk))

    def _compare(self, table: Table, where: str) -> None:
        facts = [
            {user: tuple(rest) for user, *rest in _execute(node, table.facts(where))}
            for node in (self._source, self._target)
        ]
        here, there = facts
        if different := [user for user in {**here, **there} if here.get(user) != there.get(user)]:
            user = min(different)
            raise MoveError(
                f"table {table.name} differs for {len(different)} users, of {user!r} it has"
                f" {here.get(user)} at node {self._state.source} and {there.get(user)} at node"
                f" {self._state.target} (rows, sum of hashes). Nothing was switched: undo the move"
                " with --undo, and move again"
            )

    # Closing and switching

    def _close_and_switch(self) -> None:
        if self._is_open(self._source):
            for _ in range(MAX_PASSES):
                if self._catch_up() < FEW_CHANGES:
                    break
            self._wait_for_transactions(OPEN_SECONDS)
        try:
            self._close()
            self._catch_up(is_closed=True)
            self._report("the rest is copied and equal")
            _retry(partial(self._lead, self._keeper), tries=SWITCH_TRIES)
        except BaseException:
            # Not if the switch was committed all the same.
            if (state := _state(self._keeper)) and state.step == "copy":
                self._open_source()
            raise
        self._state = self._state._replace(step="switch")
        self._report("switched")

    def _close(self) -> None:
        with self._source.transaction():
            self._note_closed("coalesce(closed_at, clock_timestamp())")
            closed = self._source.execute(
                "insert into gmail_sync.slot_elsewhere (slot, is_listed) values (%s, true)"
                " on conflict do nothing",
                [self._state.slot],
            ).rowcount
            if closed:
                self._audit(self._source, "close")
        self._report("closed")
        self._wait_for_transactions(CLOSED_SECONDS)
        # One by one: a worker may wait for its run, and hold another lock.
        for (task_id,) in _execute(
            self._source,
            "select t.task_id from gmail_sync.user_sync_status t"
            f" where t.is_syncing and t.claimed_at is not null and {self._in_slot}",
        ):
            self._source.execute(
                "select gmail_sync.handover_sync(%s, 'the mailbox moves to another server',"
                " clock_timestamp(), false)",
                [task_id],
            )
        self._wait_for_transactions(CLOSED_SECONDS)
        self._report("runs are handed over")

    def _wait_for_transactions(self, seconds: float) -> None:
        """Until every transaction has ended that is open at the source now: it may have begun
        before the slot was closed."""
        before = {row[:2]: row for row in _execute(self._source, _TRANSACTIONS)}
        gives_up_at = time.monotonic() + seconds
        while before:
            now = {row[:2] for row in _execute(self._source, _TRANSACTIONS)}
            before = {key: row for key, row in before.items() if key in now}
            if before and time.monotonic() > gives_up_at:
                pid, since, application = min(before.values(), key=lambda row: row[1])
                raise MoveError(
                    f"process {pid} ({application or 'without a name'}) at node"
                    f" {self._state.source} has had a transaction open since {since:%H:%M:%S}: end"
                    " it, then run this command again. The slot is open at its node as before"
                )
            time.sleep(0.01)

    def _raise_sequences(self) -> None:
        for sequence in self._sequences():
            last = _value(self._source, f"select last_value from {sequence}")
            self._target.execute(
                f"select setval(%s, %s) from {sequence} where last_value < %s".encode(),
                [sequence, last, last],
            )

    def _sequences(self) -> list[str]:
        """Those of numbers that are copied: the target's next ones are larger."""
        of_columns = [
            _value(
                self._source,
                "select pg_get_serial_sequence(%s, %s)",
                f"gmail_sync.{table.name}",
                column,
            )
            for table in self._tables
            for column in table.sequences
        ]
        return ["gmail_sync.message_change", *of_columns]

    def _lead(self, router: Connection) -> None:
        """Lead the slot to the target, functions and views at once."""
        slot, target = self._state.slot, self._state.target
        with router.transaction():
            router.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'".encode())
            router.execute(
                "update gmail_sync_route.slot set node = %s where slot = %s", [target, slot]
            )
            place = _value(
                router,
                "select o.option_value from pg_foreign_server s"
                " cross join lateral pg_options_to_table(s.srvoptions) o"
                " where s.srvname = %s and o.option_name = %s",
                CLUSTER,
                f"p{slot}",
            )
            router.execute(
                sql.SQL("alter server {} options (set {} {})").format(
                    sql.Identifier(CLUSTER),
                    sql.Identifier(f"p{slot}"),
                    sql.Literal(re.sub(r"dbname=\S+", f"dbname=node{target}", str(place))),
                )
            )
            for view in BY_SLOT:
                router.execute(f"drop foreign table gmail_sync_router.{view}_{slot}".encode())
                for statement in partition(view, slot, target):
                    router.execute(statement.encode())
            # Of the keeper: the others have no such row.
            router.execute("update gmail_sync_route.move set step = 'switch'")

    def _open(self) -> None:
        """Open the slot at the target; all routers lead there."""
        route = _execute(self._keeper, "select slot, node from gmail_sync_route.slot")
        share_quota(self._nodes, dict(route.fetchall()))
        with self._target.transaction():
            opened = self._target.execute(
                "delete from gmail_sync.slot_elsewhere where slot = %s", [self._state.slot]
            ).rowcount
            if opened:
                _execute(
                    self._target,
                    "insert into gmail_sync.schedule (user_id)"
                    f" select t.user_id from gmail_sync.account t where {self._in_slot}",
                )
                _execute(
                    self._target,
                    "select gmail_sync._notify_run(t.task_id, t.user_id)"
                    f" from gmail_sync.user_sync_status t where t.is_syncing and {self._in_slot}",
                )
                _execute(self._target, OPEN_WEBHOOKS.format(in_slot=self._in_slot))
                self._audit(self._target, "open")
        self._source.execute(
            "update gmail_sync.slot_elsewhere set is_listed = false where slot = %s",
            [self._state.slot],
        )
        seconds = _value(
            self._keeper,
            "select extract(epoch from clock_timestamp() - closed_at)::float"
            " from gmail_sync_route.slot where slot = %s",
            self._state.slot,
        )
        self._note_closed("null")
        self._set(step="clear")
        self._report(f"open at node {self._state.target}, after {seconds or 0:.2f} s closed")

    # Opening again and clearing

    def _open_source(self) -> None:
        with self._source.transaction():
            opened = self._source.execute(
                "delete from gmail_sync.slot_elsewhere where slot = %s", [self._state.slot]
            ).rowcount
            if opened:
                self._audit(self._source, "open")
                _execute(
                    self._source,
                    "select gmail_sync._notify_run(t.task_id, t.user_id)"
                    f" from gmail_sync.user_sync_status t where t.is_syncing and {self._in_slot}",
                )
        self._note_closed("null")
        if opened:
            self._report(f"open at node {self._state.source} again")

    def _note_closed(self, closed_at: LiteralString) -> None:
        """So that each router has a push brought again for which no node has a user."""
        for router in self._routers:
            router.execute(
                f"update gmail_sync_route.slot set closed_at = {closed_at} where slot = %s",
                [self._state.slot],
            )

    def _drop_journal(self) -> None:
        """Table by table: a trigger is dropped under a lock that excludes readers."""
        for table in self._early:
            if _value(self._source, "select to_regnamespace('gmail_sync_move')"):
                drop = f"drop function if exists gmail_sync_move.{table.name} cascade"
                _retry(partial(self._alter, drop))
        self._source.execute("drop schema if exists gmail_sync_move cascade")

    def _alter(self, statement: str) -> None:
        """Make or drop what needs a lock on a table of the source."""
        with self._source.transaction():
            self._source.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'".encode())
            _execute(self._source, statement)

    def _clear(self, node: Connection) -> None:
        """Delete the slot's rows, in pieces."""
        node.execute("set session_replication_role = replica")
        # Accounts and running runs first: lists of all users have them twice until then. Among them
        # streams of webhooks: a sender would repeat what the other node sends now.
        early = {name for name, parts in PARTS.items() if all(part.early for part in parts)}
        names = sorted(PARTS, reverse=True)
        for name in sorted(names, key=early.__contains__):
            self._clear_table(node, name)

    def _clear_table(self, node: Connection, table: str) -> None:
        users = [
            user
            for (user,) in _execute(
                node,
                f"select distinct t.user_id::text from gmail_sync.{table} t where {self._in_slot}",
            )
        ]
        for chunk in _chunks(users):
            piece = (
                f"select t.ctid from gmail_sync.{table} t where {self._of(chunk)}"
                f" limit {PIECE_ROWS}"
            )
            delete = f"delete from gmail_sync.{table} where ctid = any (array({piece}))"
            while _execute(node, delete).rowcount == PIECE_ROWS:
                pass

    # Small things

    def _of(self, users: list[str]) -> str:
        return f"t.user_id = any ({sql.Literal(users).as_string(self._source)}::text[])"

    def _is_open(self, node: Connection) -> bool:
        return not _value(
            node, "select count(*) from gmail_sync.slot_elsewhere where slot = %s", self._state.slot
        )

    def _set(self, **values: object) -> None:
        names = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in values.items()
        )
        self._keeper.execute(sql.SQL("update gmail_sync_route.move set {}").format(names))
        self._state = self._state._replace(**values)  # type: ignore[arg-type]

    def _audit(self, node: Connection, what: str) -> None:
        state = self._state
        detail = {
            "action": f"router move: {what}",
            "slot": state.slot,
            "from": state.source,
            "to": state.target,
        }
        node.execute(
            "select gmail_sync._record_audit_event('operator_act', null, %s)", [json.dumps(detail)]
        )


def _execute(connection: Connection, statement: str) -> psycopg.Cursor[Any]:
    return connection.execute(statement.encode())


def _value(connection: Connection, query: str, *arguments: object) -> Any:
    row = connection.execute(query.encode(), arguments).fetchone()
    return row[0] if row else None


def _users(node: Connection, tables: list[Table], in_slot: str) -> list[str]:
    """In the order of Python, not of a locale."""
    names = sorted({table.name for table in tables})
    query = " union ".join(
        f"select t.user_id::text from gmail_sync.{name} t where {in_slot}" for name in names
    )
    return sorted(user for (user,) in _execute(node, query))


def _chunks(users: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(users), CHUNK_USERS):
        yield users[start : start + CHUNK_USERS]


def _retry(action: Callable[[], object], tries: int = LOCK_TRIES) -> None:
    """Do what waits for a lock no longer than LOCK_TIMEOUT, until it gets it."""
    for left in reversed(range(tries)):
        try:
            action()
            return
        except psycopg.errors.LockNotAvailable as error:
            if not left:
                raise MoveError(
                    f"a long query holds a lock: {error}. End it, then run this command again"
                ) from error
        time.sleep(0.2)
