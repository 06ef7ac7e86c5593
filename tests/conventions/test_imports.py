"""Imports in service/ only point down.

The order: cli → demo → app → web → api → worker → webhooks → mailbox → accounts → google → gmail →
postgres → takeout → mime, i18n, config, logs, telemetry, threads, migrate → origin, version. The
simulator imports nothing of the rest.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Lowest first; a room imports from itself and from lower ranks.
RANKS: tuple[set[str], ...] = (
    {"simulator", "origin", "version"},
    {"config", "i18n", "logs", "migrate", "mime", "telemetry", "threads"},
    {"takeout"},
    {"postgres"},
    {"gmail"},
    {"google", "oidc"},
    {"accounts"},
    {"mailbox"},
    {"webhooks"},
    {"worker"},
    {"api"},
    {"web"},
    {"app"},
    {"demo"},
    {"cli"},
)
RANK_OF = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
# The service itself must not depend on the simulator.
SIMULATOR_USERS = {"simulator", "demo", "cli"}


def modules() -> dict[str, Path]:
    """Every module of service/, by its dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / "service").rglob("*.py"))
    }


def room_of(module: str) -> str:
    return module.split(".")[1]


@cache
def imports_of(module: str) -> frozenset[str]:
    """The modules of service/ that a module imports, anywhere in its text."""
    return frozenset(_imports(ast.parse(modules()[module].read_text("utf-8"))))


def _imports(tree: ast.Module) -> Iterator[str]:
    known = modules()
    for node in _nodes(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names if each.name in known)
            case ast.ImportFrom(module=str(source), names=names):
                for each in names:
                    name = f"{source}.{each.name}"
                    yield from {name, source} & known.keys() if name not in known else {name}


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only the type checker reads."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _nodes(child)


def test_long_lived_threads_are_started_in_one_way() -> None:
    starts = re.compile(r"threading\.Thread\(|create_task\(|Timer\(")
    rooms = ("accounts", "api", "app", "google", "mailbox", "postgres", "web", "webhooks", "worker")
    found = [
        name
        for name, path in modules().items()
        if name != "service" and room_of(name) in rooms and starts.search(path.read_text("utf-8"))
    ]
    assert found == []


ROOMED = [each for each in modules() if each != "service"]


@pytest.mark.parametrize("module", ROOMED)
def test_a_module_imports_only_from_lower_rooms(module: str) -> None:
    room = room_of(module)
    for imported in imports_of(module) - {"service"}:
        lower = room_of(imported)
        assert lower == room or RANK_OF[lower] < RANK_OF[room], f"{module} imports {imported}"


def test_only_the_demo_and_the_commands_use_the_simulator() -> None:
    users = {room_of(each) for each in ROOMED if "simulator" in map(room_of, imports_of(each))}
    assert users <= SIMULATOR_USERS


def test_modules_import_each_other_in_no_circle() -> None:
    graph = {each: imports_of(each) - {each} for each in ROOMED}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
