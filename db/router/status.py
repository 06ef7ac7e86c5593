"""What each node has: its slots and users, its schema, and whether it answers."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg

from db.connection import parse_url
from db.router.generate import SLOTS

CONNECT_SECONDS = 3
_FACTS = """
select (select count(*) from gmail_sync.account), gmail_sync.schema_version(),
  array(
    select s from generate_series(0, %s) s
    where s not in (select slot from gmail_sync.slot_elsewhere)
  )
"""


class StatusError(Exception):
    """The status cannot be read; the text says what to do."""


class NodeStatus(NamedTuple):
    """A node as the router's tables and its own answer have it; None: it does not answer.

    `slots` are those that the router leads to it, `open_slots` those that it takes for its own.
    """

    node: int
    address: str
    slots: int
    users: int | None
    schema: str | None
    open_slots: list[int] | None
    error: str | None


def statuses(
    routers: Sequence[psycopg.Connection[Any]], urls: Sequence[str]
) -> tuple[list[NodeStatus], list[str]]:
    """The status of each node, given as libpq URLs, node 0 first; and what is wrong with slots.

    It is that of the first router. Problems also say in what the others differ.
    """
    route, *others = map(_route, routers)
    nodes = [_status(number, url, route) for number, url in enumerate(urls)]
    return nodes, [*_problems(route, nodes), *_differences(route, others)]


def _route(router: psycopg.Connection[Any]) -> dict[int, int]:
    """The node of each slot."""
    try:
        rows = router.execute("select slot, node from gmail_sync_route.slot").fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise StatusError("the router is not installed: run gmail-sync router install") from error
    return dict(rows)


def _status(number: int, url: str, route: Mapping[int, int]) -> NodeStatus:
    place = parse_url(url)
    address = f"{place.get('host', '')}:{place.get('port', 5432)}/{place.get('dbname', '')}"
    slots = list(route.values()).count(number)
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS, autocommit=True) as connection:
            row = connection.execute(_FACTS, [SLOTS - 1]).fetchone()
    except psycopg.Error as error:
        reason = str(error).partition("\n")[0]
        return NodeStatus(number, address, slots, None, None, None, reason)
    users, schema, open_slots = row or (None, None, None)
    return NodeStatus(number, address, slots, users, schema, open_slots, None)


def _differences(route: Mapping[int, int], others: Sequence[Mapping[int, int]]) -> Iterator[str]:
    for number, other in enumerate(others, start=1):
        if slots := [str(slot) for slot in route if other.get(slot) != route[slot]]:
            yield (f"slot {', '.join(slots)}: the routers 0 and {number} lead to different nodes")


def _problems(route: Mapping[int, int], nodes: Sequence[NodeStatus]) -> list[str]:
    """Slots that are not open at their node, or at another one too, as after a restore."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    answering = {each.node for each in nodes if each.open_slots is not None}
    for slot, node in sorted(route.items()):
        at = [each.node for each in nodes if slot in (each.open_slots or ())]
        if others := [other for other in at if other != node]:
            found[f"led to node {node} and open at {' and '.join(map(str, others))}"].append(slot)
        if node not in at and node in answering:
            found[f"closed at node {node}, to which the router leads"].append(slot)
    return [f"slot {', '.join(map(str, slots))}: {problem}" for problem, slots in found.items()]
