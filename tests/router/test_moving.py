"""Which tables a move takes along, and which moves spread slots."""

import psycopg
import pytest

from db.router.moving import MoveError, tables_of
from db.router.spread import Step, plan


def test_each_table_with_rows_of_users_moves(database_url: str) -> None:
    with psycopg.connect(database_url) as node:
        for table in tables_of(node):
            assert {table.part.item, *table.part.loose} <= {"", *table.columns}
        node.execute("create table gmail_sync.forgotten (user_id text)")
        with pytest.raises(MoveError, match="how to move forgotten"):
            tables_of(node)
        node.rollback()


def test_slots_go_from_full_nodes_to_empty_ones() -> None:
    slots = {0: list(range(64)), 1: [], 2: []}
    steps = plan(slots)
    assert counts_after(slots, steps) == [22, 21, 21]
    assert plan({0: [1, 2], 1: [3]}) == []
    # No slot moves twice.
    assert len({step.slot for step in steps}) == len(steps)


def test_a_node_is_emptied() -> None:
    slots = {0: list(range(30)), 1: list(range(30, 40)), 2: list(range(40, 64))}
    assert counts_after(slots, plan(slots, empty=2)) == [32, 32, 0]
    assert {step.slot for step in plan(slots, empty=1)} == set(slots[1])
    with pytest.raises(MoveError, match="no node 3"):
        plan(slots, empty=3)
    with pytest.raises(MoveError, match="no other node"):
        plan({0: [1]}, empty=0)


def counts_after(slots: dict[int, list[int]], steps: list[Step]) -> list[int]:
    node_of = {slot: node for node, of_node in slots.items() for slot in of_node}
    node_of |= dict(steps)
    return [list(node_of.values()).count(node) for node in slots]
