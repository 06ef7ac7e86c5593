"""Operators' lists of all users: pages, filters, and the records that reading them leaves."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.postgres.calls import Connection, Session
from tests.api.conftest import Running, client_of, connect_account, problem
from tests.functions.conftest import insert_run, shift

WORKER = "0badcafe-0000-4000-8000-000000000001"
# By path: the users of all rows, and the record that reading them leaves.
LISTS = {
    "running-syncs": (["ann", "bob", "cy"], "running_syncs"),
    "accounts": (["ann", "bob", "cy"], "accounts"),
    "accounts-to-reconnect": (["bob", "cy"], "accounts_to_reconnect"),
    "dead-letters": (["ann", "ann", "cy"], "dead_letters"),
}


@pytest.fixture
def olga(running: Running) -> Iterator[httpx.Client]:
    """An operator."""
    with client_of(running, "olga", "operator") as client:
        yield client


@pytest.fixture
def trouble(functions: Session, db: Connection) -> None:
    for user in ("ann", "bob", "cy"):
        connect_account(functions, user)
        insert_run(db, task_id=f"t-{user}", user_id=user, claimed_by=WORKER)
    shift(db, "t-bob", "-61 s", "updated_at")
    db.execute(
        "update gmail_sync.account set status = 'suspended', status_code = 'client_gone'"
        " where user_id in ('bob', 'cy');"
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead, error_code) values"
        " ('ann', 'm1', 'listed', true, 'too_large'), ('ann', 'm2', 'listed', true, 'unreadable'),"
        " ('cy', 'm1', 'listed', true, 'too_large')"
    )
    for version in ("1", "2"):
        functions.rows("worker_heartbeat", uuid.UUID(version * 32), version, 4)


def path(name: str) -> str:
    return f"/api/operator/{name}"


def rows(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def users(answer: httpx.Response) -> list[str]:
    return [row["user_id"] for row in rows(answer)]


@pytest.mark.parametrize("name", [*LISTS, "workers"])
def test_it_is_for_operators_only(ann: httpx.Client, trouble: None, name: str) -> None:
    problem(ann.get(path(name)), 403, "operators_only")


@pytest.mark.parametrize("name", LISTS)
def test_all_users_are_listed_in_pages(
    olga: httpx.Client, db: Connection, trouble: None, name: str
) -> None:
    wanted, view = LISTS[name]
    whole = olga.get(path(name))
    assert (users(whole), whole.json()["next"]) == (wanted, None)
    found, after = [], None
    while True:
        page = olga.get(path(name), params={"limit": 1} | ({"after": after} if after else {}))
        found += rows(page)
        after = page.json()["next"]
        if after is None:
            break
        assert after == found[-1]["user_id"]
    assert [row["user_id"] for row in found] == wanted
    records = db.execute(
        "select act, detail, user_id from gmail_sync.audit_event where actor = 'olga'"
    ).fetchall()
    assert [tuple(record.values()) for record in records] == [
        ("operator_read", {"view": view}, None)
    ]


@pytest.mark.parametrize("name", LISTS)
def test_one_user_is_found(olga: httpx.Client, trouble: None, name: str) -> None:
    of_cy = [user for user in LISTS[name][0] if user == "cy"]
    assert users(olga.get(path(name), params={"user_id": "cy"})) == of_cy
    assert users(olga.get(path(name), params={"user_id": "nobody"})) == []


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"cause": "zombie"}, ["bob"]),
        ({"cause": "stalled"}, []),
        ({"worker": "0BADcafe"}, ["ann", "bob", "cy"]),
        ({"worker": "0badcafe", "cause": "silent"}, ["bob"]),
        ({"worker": "1"}, []),
    ],
)
def test_runs_are_found_by_cause_and_worker(
    olga: httpx.Client, trouble: None, filters: dict[str, str], wanted: list[str]
) -> None:
    assert users(olga.get(path("running-syncs"), params=filters)) == wanted


def test_a_page_by_cause_may_be_empty_and_have_a_next_one(
    olga: httpx.Client, db: Connection
) -> None:
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at)"
        " select 't' || n, to_char(n, 'FM0000'),"
        " now() - case when n = 3005 then interval '61 s' else '0 s' end"
        " from generate_series(1, 3010) n"
    )
    page = olga.get(path("running-syncs"), params={"cause": "silent"})
    assert (rows(page), page.json()["next"]) == ([], "3000")
    rest = olga.get(path("running-syncs"), params={"cause": "silent", "after": "3000"})
    assert (users(rest), rest.json()["next"]) == (["3005"], None)


def test_rows_have_what_the_page_shows(olga: httpx.Client, trouble: None) -> None:
    _, run, _ = rows(olga.get(path("running-syncs")))
    assert 61 <= run.pop("silent_for") < 120
    assert run == {
        "user_id": "bob", "task_id": "t-bob", "phase": "listing", "progress": 0, "done": 0,
        "found": 0, "worker": "0badcafe", "cause": "silent",
    }  # fmt: skip
    (account,) = rows(olga.get(path("accounts"), params={"user_id": "bob"}))
    assert (account["status"], account["sync_interval"]) == ("suspended", None)
    assert "credentials" not in account
    letters, _, _ = rows(olga.get(path("dead-letters")))
    assert (letters["error_code"], letters["messages"]) == ("too_large", 1)
    assert letters["example"] == "m1"


def test_workers_are_listed_in_pages(olga: httpx.Client, trouble: None, db: Connection) -> None:
    first = olga.get(path("workers"), params={"limit": 1})
    (worker,) = rows(first)
    assert (worker["worker"], worker["version"], worker["alive"]) == ("1" * 8, "1", True)
    assert 0 <= worker["seen_for"] < 60
    rest = olga.get(path("workers"), params={"after": first.json()["next"]})
    assert ([row["version"] for row in rows(rest)], rest.json()["next"]) == (["2"], None)
    # It names no user.
    acts = db.execute("select from gmail_sync.audit_event where act = 'operator_read'").fetchall()
    assert acts == []


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("running-syncs", {"cause": "tired"}),
        ("running-syncs", {"worker": "%"}),
        ("running-syncs", {"limit": "0"}),
        ("accounts", {"limit": "201"}),
        ("accounts", {"user_id": " "}),
        ("dead-letters", {"after": "a\0b"}),
        ("workers", {"after": "x"}),
    ],
)
def test_what_cannot_be_is_refused(olga: httpx.Client, name: str, bad: dict[str, str]) -> None:
    problem(olga.get(path(name), params=bad), 400, "invalid_request")
