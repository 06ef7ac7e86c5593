"""Which slots to move, so that each node has as many as the others."""

from collections.abc import Mapping
from typing import NamedTuple

from db.router.moving import Connection, MoveError


class Step(NamedTuple):
    """A slot to move, and where."""

    slot: int
    target: int


def slots_by_node(router: Connection) -> dict[int, list[int]]:
    """The slots of each node that the router knows."""
    rows = router.execute(
        "select n.node, array_remove(array_agg(s.slot order by s.slot), null)"
        " from gmail_sync_route.node n left join gmail_sync_route.slot s using (node)"
        " group by n.node order by n.node"
    )
    return dict(rows.fetchall())


def plan(slots: Mapping[int, list[int]], empty: int | None = None) -> list[Step]:
    """The moves after which no node has two slots more than another.

    With `empty`, only those that take all slots from that node. Raises MoveError.
    """
    if empty is not None and empty not in slots:
        raise MoveError(f"there is no node {empty}: see gmail-sync router status")
    counts = {node: len(of_node) for node, of_node in slots.items() if node != empty}
    if not counts:
        raise MoveError("there is no other node: run gmail-sync router install with one more")
    if empty is not None:
        return [_to_fewest(counts, slot) for slot in slots[empty]]
    left = {node: list(of_node) for node, of_node in slots.items()}
    steps = []
    while max(counts.values()) - min(counts.values()) > 1:
        most = max(counts, key=lambda node: (counts[node], node))
        counts[most] -= 1
        steps.append(_to_fewest(counts, left[most].pop()))
    return steps


def _to_fewest(counts: dict[int, int], slot: int) -> Step:
    """Move a slot to the node with the fewest, which then has one more."""
    target = min(counts, key=lambda node: (counts[node], node))
    counts[target] += 1
    return Step(slot, target)
