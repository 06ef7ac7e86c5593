"""The service calls stored functions, calls only those that exist, and writes no SQL of its own."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.adapt import PyFormat
from psycopg.types.array import ListBinaryDumper

from service.accounts.rows import AccountRow, CredentialsRow
from service.postgres.calls import connect
from service.postgres.pool import Pool
from service.worker.claim import Claim
from service.worker.fetch_batch import TakenMessage
from tests.conftest import SERVICE_LOGIN

SERVICE = Path(__file__).parents[2] / "service"
# How many arguments come before the function's name.
CALLERS = {"rows": 0, "row": 0, "value": 0, "rows_as": 1, "row_as": 1}
DATA_CHANGE = re.compile(
    r"\b(insert\s+into|delete\s+from|update\s+[\w.]+\s+set|truncate\s+(table\s+)?[\w.]+\s*;?$"
    r"|merge\s+into|copy\s+[\w.]+\s+(from|to)"
    r"|(create|alter|drop)\s+(or\s+replace\s+)?"
    r"(table|view|function|procedure|index|role|user|schema|trigger|extension|database)"
    r"|(grant|revoke)\s+\w+\s+(on|to|from))\b",
    re.IGNORECASE,
)
# The demo makes its own cluster: databases and logins are not the service's data.
EXCEPT = {SERVICE / "demo"}


@dataclass(frozen=True)
class Call:
    where: str
    function: str
    arguments: int | None  # None: not to be told from the text
    named: frozenset[str]


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SERVICE.rglob("*.py")):
        if not EXCEPT & set(path.parents):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls() -> Iterator[Call]:
    for path, tree in sources():
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CALLERS
                and len(node.args) > (position := CALLERS[node.func.attr])
                and isinstance(name := node.args[position], ast.Constant)
                and isinstance(name.value, str)
            ):
                continue
            starred = any(isinstance(each, ast.Starred) for each in node.args)
            # service/worker/fenced_calls.py puts the task_id before what it is given.
            before = 1 if ast.unparse(node.func.value) == "self._calls" else 0
            yield Call(
                f"{path.relative_to(SERVICE)}:{node.lineno}",
                name.value,
                None if starred else len(node.args) - position - 1 + before,
                frozenset(each.arg for each in node.keywords if each.arg),
            )


def mistake(call: Call, functions: dict[str, dict[str, Any]]) -> str | None:
    """What is wrong with a call, if anything is."""
    function = functions.get(call.function)
    if function is None:
        return "does not exist"
    if not function["allowed"]:
        return "may not be called by the service"
    if unknown := call.named - set(function["names"] or ()):
        return f"has no argument {unknown}"
    if call.arguments is not None:
        given = call.arguments + len(call.named)
        if not function["required"] <= given <= function["accepted"]:
            return f"takes {function['required']} to {function['accepted']}, not {given}"
    return None


def test_every_function_the_service_calls_exists(
    db: psycopg.Connection[dict[str, Any]],
) -> None:
    """Old bug: a route called a function that did not exist."""
    functions = {
        row["name"]: row
        for row in db.execute(
            "select proname as name, pronargs as accepted, pronargs - pronargdefaults as required,"
            " proargnames as names, has_function_privilege(%s, oid, 'execute') as allowed"
            " from pg_proc where pronamespace = 'gmail_sync'::regnamespace",
            [SERVICE_LOGIN],
        )
    }
    found = list(calls())
    assert {"start_sync", "sync_progress", "sync_health", "claim_sync", "list_accounts"} <= {
        call.function for call in found
    }
    mistakes = [
        f"{call.where}: {call.function} {wrong}"
        for call in found
        if (wrong := mistake(call, functions))
    ]
    assert mistakes == []


@pytest.mark.parametrize(
    ("function", "struct"),
    [
        ("claim_sync", Claim),
        ("take_messages", TakenMessage),
        ("list_accounts", AccountRow),
        ("get_account_credentials", CredentialsRow),
    ],
)
def test_a_struct_has_only_columns_that_its_function_returns(
    db: psycopg.Connection[dict[str, Any]], function: str, struct: type[msgspec.Struct]
) -> None:
    row = db.execute(
        "select proargnames as names from pg_proc"
        " where pronamespace = 'gmail_sync'::regnamespace and proname = %s",
        [function],
    ).fetchone()
    assert row is not None
    assert set(struct.__struct_fields__) - set(row["names"]) == set()


def test_every_connection_sends_lists_in_binary(service_url: str) -> None:
    """As text, raw mail would take twice its size."""
    with Pool(service_url, "test", 1) as pool, pool.connection() as pooled:
        assert pooled.adapters.get_dumper(list, PyFormat.AUTO) is ListBinaryDumper
    with connect(service_url, "test") as single:
        assert single.adapters.get_dumper(list, PyFormat.AUTO) is ListBinaryDumper


def test_the_service_holds_no_data_change_statement() -> None:
    found = [
        f"{path.relative_to(SERVICE)}:{node.lineno}: {match[0]}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if (match := DATA_CHANGE.search(node.value))
    ]
    assert found == []


def test_a_data_change_statement_would_be_found() -> None:
    for statement in (
        "INSERT INTO gmail_sync.settings",
        "update gmail_sync.account set status = 'x'",
        "delete\n  from t",
        "create or replace function f()",
        "alter table t",
        "drop table t",
        "truncate gmail_sync.message",
    ):
        assert DATA_CHANGE.search(statement), statement
