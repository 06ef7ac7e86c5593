"""Every order in which actors can make their calls, tried on the real functions in one transaction.

Depth first: a call is made in a savepoint, what can come after it is explored, and it is undone.
An actor is at a place in its program, which is all it remembers beside the run it holds. If
tables and actors are as they were before, apart from the names of tasks, nothing new can follow.
The search turns back there, so it also counts orders that it does not walk.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from service.postgres.calls import Connection, Row
from tests.model.clock import pass_time, stop_time


@dataclass(frozen=True)
class Stand:
    """Where an actor stands: its next step, and the task it holds or believes to hold."""

    place: int = 0
    task_id: str | None = None


Content = dict[str, Any]
Step = Callable[["World", Stand], tuple[Stand, str]]
Programs = Mapping[str, tuple[Step, ...]]


class Violation(AssertionError):
    """A rule that broke, and after which calls."""


class World:
    """The database, as actors call it. A refusal is an answer: the SQLSTATE."""

    def __init__(self, db: Connection) -> None:
        self.db = db

    def call(self, function: str, *arguments: object) -> list[Row] | str:
        statement = sql.SQL("select * from gmail_sync.{}({})").format(
            sql.Identifier(function), sql.SQL(", ").join(sql.Placeholder() * len(arguments))
        )
        try:
            with self.db.transaction():
                return self.db.execute(statement, arguments).fetchall()
        except psycopg.Error as error:
            return str(error.sqlstate)

    def content(self) -> Content:
        row = self.db.execute(CONTENT).fetchone()
        assert row is not None
        content: Content = row["content"]
        return content

    @contextmanager
    def undone(self) -> Iterator[None]:
        with self.db.transaction(force_rollback=True):
            pass_time(self.db)
            yield


@dataclass
class Search:
    """`rules` check the content before and after a call, with its actor's stand before it. They
    also check each new state, and name what is broken. `limit` is the number of calls in a row."""

    world: World
    programs: Programs
    rules: Callable[[Content, Content, Stand], str | None]
    in_each_state: Callable[[World], str | None]
    limit: int = 1000
    calls: int = 0

    def __post_init__(self) -> None:
        self._orders: dict[str, int] = {}

    @property
    def states(self) -> int:
        return len(self._orders)

    def run(self) -> int:
        """The number of orders. Raises Violation."""
        with self.world.undone():
            stop_time(self.world.db)
            return self._follow(dict.fromkeys(self.programs, Stand()), self.world.content(), [])

    def _follow(self, stands: dict[str, Stand], content: Content, trace: list[str]) -> int:
        key = state_key(stands, content, len(trace) if self.limit < 1000 else 0)
        if key not in self._orders:
            if broken := self.in_each_state(self.world):
                raise Violation(told(trace, broken))
            self._orders[key] = 0
            if len(trace) < self.limit:
                orders = sum(self._moves(stands, content, trace))
                self._orders[key] = max(1, orders)
        return self._orders[key]

    def _moves(self, stands: dict[str, Stand], content: Content, trace: list[str]) -> Iterator[int]:
        for actor, stand in stands.items():
            if stand.place == len(self.programs[actor]):
                continue
            with self.world.undone():
                after_stand, answer = self.programs[actor][stand.place](self.world, stand)
                stop_time(self.world.db)
                after = self.world.content()
                self.calls += 1
                moved = {**stands, actor: after_stand}
                if (after, moved) == (content, stands):
                    continue
                line = f"{actor:<12}{answer}"
                if broken := self.rules(content, after, stand):
                    raise Violation(told([*trace, line], broken))
                yield self._follow(moved, after, [*trace, line])


def state_key(stands: dict[str, Stand], content: Content, depth: int) -> str:
    """The same for states that only differ in the names of tasks."""
    key = json.dumps([depth, content, [[s.place, s.task_id] for s in stands.values()]])
    for number, run in enumerate(content["runs"]):
        key = key.replace(run["task_id"], f"run {number + 1}")
    return key


def told(trace: list[str], broken: str) -> str:
    lines = [f"{number:>3}  {line}" for number, line in enumerate(trace, 1)]
    return "\n".join([f"{broken}, after:", *lines])


def on(stand: Stand, **changes: Any) -> Stand:
    """The actor at its next step."""
    return replace(stand, place=stand.place + 1, **changes)


CONTENT = """
select jsonb_build_object(
  'runs', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'task_id', r.task_id, 'outcome', r.outcome, 'is_syncing', r.is_syncing,
      'claimed', r.claimed_at is not null, 'type', r.sync_type, 'source', r.source,
      'phase', r.phase, 'attempt', r.attempt, 'resumes', r.resumes, 'follow_up', r.follow_up,
      'progress', r.progress_percentage, 'stats', r.current_stats, 'cause', z.cause,
      'due', r.not_before <= clock_timestamp(), 'progressed', r.progressed_at > r.claimed_at,
      'error', r.error_message is not null
    ) order by r.started_at), '[]')
    from gmail_sync.user_sync_status r
    left join gmail_sync._running_run z using (task_id)
  ),
  'queue', (
    select coalesce(jsonb_agg(jsonb_build_array(message_id, attempts, dead)
      order by message_id), '[]')
    from gmail_sync.fetch_queue
  ),
  'batches', (
    select coalesce(jsonb_agg(jsonb_build_array(task_id, message_ids) order by id), '[]')
    from gmail_sync.fetch_batch
  ),
  'stored', (
    select coalesce(jsonb_agg(message_id order by message_id), '[]') from gmail_sync.message
  ),
  'touched', (
    select coalesce(jsonb_object_agg(bucket, n), '{}')
    from (select bucket, count(*) as n from gmail_sync.touched group by bucket) t
  ),
  'account', (select status from gmail_sync.account)
) as content
"""
