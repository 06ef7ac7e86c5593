"""The demo of several nodes, run as its users run it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.router.conftest import missing_package

ROOT = Path(__file__).parents[2]
# In this order, with anything between them.
STEPS = (
    r"^ 0 +ann dan gina jon +80 *$",
    r"^ 1 +ben eve hugo kim +80 *$",
    r"^ 2 +cleo finn ida leo +80 *$",
    r"^Node 2 is killed",
    r"^  ann ben dan eve gina hugo jon kim: synced",
    r"^  cleo finn ida leo: 503 database_unavailable: The database does not respond",
    r"^  cleo in SQL: a node cannot be asked: .*08006",
    r"^  health: .*node 2 cannot be asked: ",
    r"^Node 2 is back",
    r"^  cleo finn ida leo: synced, with the mail that came meanwhile",
    r"^Slot \d+, in which ann is, moves from node 0 to node 1",
    r"^  open at node 1, after \d+\.\d\d s closed$",
    r"^\d+ messages came during the move\. Node 1 has all \d+ messages of ann, each once",
    r"^ 0 +dan gina jon +63 *$",
    r"^ 1 +ann ben eve hugo kim +\d+ *$",
    r"^ 2 +cleo finn ida leo +84 *$",
)


@pytest.mark.gate
def test_make_demo_with_nodes_shows_a_node_that_dies_and_a_slot_that_moves(
    cluster: Cluster,
) -> None:
    if missing := missing_package(cluster):
        pytest.skip(missing)
    result = subprocess.run(
        ["make", "demo", "NODES=3", "ONCE=1", "MESSAGES=20"],
        cwd=ROOT,
        # As from a shell: a make within make says which directory it leaves.
        env={name: value for name, value in os.environ.items() if "MAKE" not in name},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert re.search(".*".join(STEPS), result.stderr, re.M | re.S), result.stderr
    summary = json.loads(result.stdout)
    mail = re.search(r"^(\d+) messages came during", result.stderr, re.M)
    assert mail
    messages = 12 * 21 + int(mail[1])
    assert summary == {"outcome": "succeeded", "nodes": 3, "users": 12, "messages": messages}
