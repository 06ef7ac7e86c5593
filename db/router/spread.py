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
    """The fewest moves after which no node has two slots more than another; the node `empty` has
    none. Raises MoveError."""
    left = {node: list(of_node) for node, of_node in slots.items()}
    emptied = []
    if empty is not None:
        if empty not in left:
            raise MoveError(
                f"there is no node {empty}: the router knows {', '.join(map(str, left))}"
            )
        emptied = left.pop(empty)
    if not left:
        raise MoveError("there is no other node: run gmail-sync router install with one more")
    steps = []
    counts = {node: len(of_node) for node, of_node in left.items()}

    def fewest() -> int:
        return min(counts, key=lambda node: (counts[node], node))

    for slot in emptied:
        steps.append(Step(slot, fewest()))
        counts[steps[-1].target] += 1
    while True:
        # It has got none of the emptied node's, for those went to the nodes with the fewest.
        most = max(counts, key=lambda node: (counts[node], node))
        target = fewest()
        if counts[most] - counts[target] < 2:
            return steps
        steps.append(Step(left[most].pop(), target))
        counts[most] -= 1
        counts[target] += 1
