"""What each node has: its slots and users, its schema, and whether it answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from db.connection import parse_url

CONNECT_SECONDS = 3


class NodeStatus(NamedTuple):
    """A node as the router's tables and its own answer have it; None: it does not answer."""

    node: int
    address: str
    slots: int
    users: int | None
    schema: str | None
    error: str | None


def statuses(router: psycopg.Connection[Any], urls: Sequence[str]) -> list[NodeStatus]:
    """The status of each node, given as libpq URLs, node 0 first."""
    rows = router.execute(
        "select n.node, count(s.slot) from gmail_sync_route.node n"
        " left join gmail_sync_route.slot s using (node) group by n.node order by n.node"
    )
    return [_status(node, slots, urls[node]) for node, slots in rows.fetchall()]


def _status(node: int, slots: int, url: str) -> NodeStatus:
    place = parse_url(url)
    address = f"{place.get('host', '')}:{place.get('port', 5432)}/{place.get('dbname', '')}"
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS, autocommit=True) as connection:
            row = connection.execute(
                "select (select count(*) from gmail_sync.account), gmail_sync.schema_version()"
            ).fetchone()
    except psycopg.Error as error:
        return NodeStatus(node, address, slots, None, None, str(error).partition("\n")[0])
    users, schema = row or (None, None)
    return NodeStatus(node, address, slots, users, schema, None)
