"""What is one user's is nobody else's: every route, and the stream, asked by another."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from service.postgres.calls import Connection, Session
from tests.api.conftest import (
    Running,
    bearer,
    claim,
    client_of,
    connect_account,
    list_page,
    problem,
    store,
    stored,
    token,
)
from tests.waiting import PATIENCE_SECONDS, wait_until

SECRET_WORD = "zugzwang"
# Every route of the API, by what another user gets of what is ann's.
BY_ID = {
    ("GET", "/api/gmail/sync/{task_id}"),
    ("POST", "/api/gmail/sync/{task_id}/cancel"),
    ("GET", "/api/gmail/messages/{message_id}"),
    ("GET", "/api/gmail/messages/{message_id}/raw"),
    ("GET", "/api/gmail/messages/{message_id}/attachments"),
    ("GET", "/api/gmail/messages/{message_id}/attachments/{part_id}"),
    ("GET", "/api/gmail/threads/{thread_id}"),
    ("DELETE", "/api/webhooks/{webhook_id}"),
    ("POST", "/api/webhooks/{webhook_id}/test"),
    ("POST", "/api/webhooks/{webhook_id}/replay"),
    ("POST", "/api/webhooks/{webhook_id}/secret"),
}
OWN = {
    ("POST", "/api/gmail/sync/smart"),
    ("POST", "/api/gmail/sync/retry-failed"),
    ("GET", "/api/gmail/sync/status"),
    ("GET", "/api/gmail/sync/history"),
    ("GET", "/api/gmail/sync/events"),
    ("GET", "/api/gmail/messages"),
    ("GET", "/api/gmail/labels"),
    ("GET", "/api/gmail/threads"),
    ("GET", "/api/gmail/changes"),
    ("GET", "/api/gmail/sync/failed-messages"),
    ("GET", "/api/gmail/export.mbox"),
    ("GET", "/api/gmail/connect"),
    ("GET", "/api/gmail/connection"),
    ("DELETE", "/api/gmail/connection"),
    ("DELETE", "/api/gmail/account"),
    ("GET", "/api/webhooks"),
    ("POST", "/api/webhooks"),
    # That of another user has no attempts.
    ("GET", "/api/webhooks/{webhook_id}/deliveries"),
}
# They name no user; health names users to operators.
OF_ALL = {
    ("GET", "/api/gmail/sync/health"),
    ("GET", "/api/scheduler/status"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/schema"),
    ("GET", "/schema/openapi.json"),
    # Whose it is, its sealed cookie says.
    ("GET", "/api/gmail/callback"),
}
# Not for users at all.
NOT_FOR_USERS = {
    ("POST", "/api/gmail/push"),
    ("POST", "/api/operator/{action}"),
    ("GET", "/api/operator/accounts"),
    ("GET", "/api/operator/accounts-to-reconnect"),
    ("GET", "/api/operator/dead-letters"),
    ("GET", "/api/operator/running-syncs"),
    ("GET", "/api/operator/workers"),
    ("GET", "/api/operator/webhooks"),
    ("POST", "/api/operator/webhooks"),
    ("DELETE", "/api/operator/webhooks/{webhook_id}"),
    ("GET", "/api/operator/webhooks/{webhook_id}/deliveries"),
    ("POST", "/api/operator/webhooks/{webhook_id}/test"),
    ("POST", "/api/operator/webhooks/{webhook_id}/replay"),
    ("POST", "/api/operator/webhooks/{webhook_id}/secret"),
}


@pytest.fixture
def anns(running: Running, functions: Session) -> str:
    """The task_id of ann's running sync; she has a message `m1` and a label."""
    connect_account(functions, "ann")
    connect_account(functions, "bob")
    with client_of(running, "ann") as ann:
        task_id: str = ann.post("/api/gmail/sync/smart").json()["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, "m1", "m2")
    store(functions, task_id, stored("m1", subject=SECRET_WORD, body_text=SECRET_WORD))
    return task_id


@pytest.fixture(params=[(), ("operator",)], ids=["user", "operator"])
def bob(running: Running, anns: str, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Another user, also as one who may see operators' views."""
    with client_of(running, "bob", *request.param) as client:
        yield client


def routes(running: Running) -> set[tuple[str, str]]:
    document = httpx.get(f"{running.url}/schema/openapi.json", timeout=PATIENCE_SECONDS).json()
    return {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    } | {("GET", "/schema"), ("GET", "/schema/openapi.json")}


def test_every_route_is_accounted_for(running: Running) -> None:
    assert routes(running) == BY_ID | OWN | OF_ALL | NOT_FOR_USERS


def test_another_s_object_is_as_one_that_never_was(
    bob: httpx.Client, running: Running, anns: str
) -> None:
    with client_of(running, "ann") as ann:
        webhook = ann.post("/api/webhooks", json={"url": "https://app.example/"}).json()["id"]
    ids = {
        "webhook_id": (webhook, "wh_0"),
        "task_id": (anns, "sync_bob_00000000_1"),
        "message_id": ("m1", "no-such-id"),
        "thread_id": ("thread-m1", "no-such-id"),
    }
    for method, path in BY_ID:
        name = path[path.index("{") + 1 : path.index("}")]
        theirs, never = (
            bob.request(method, path.replace(f"{{{name}}}", each)) for each in ids[name]
        )
        assert theirs.status_code == 404
        assert theirs.content == never.content, path
        problem(theirs, 404, theirs.json()["code"])


def test_one_s_own_are_there(running: Running, anns: str) -> None:
    """Else the test above would show nothing."""
    with client_of(running, "ann") as ann:
        assert ann.get(f"/api/gmail/sync/{anns}").json()["task_id"] == anns
        assert ann.get("/api/gmail/messages/m1").json()["subject"] == SECRET_WORD
        assert len(ann.get("/api/gmail/messages").json()["messages"]) == 1
        assert len(ann.get("/api/gmail/threads").json()["threads"]) == 1
        assert len(ann.get("/api/gmail/threads/thread-m1").json()["messages"]) == 1
        assert len(ann.get("/api/gmail/changes").json()["changes"]) == 1


def test_lists_hold_one_s_own(bob: httpx.Client, anns: str) -> None:
    assert bob.get("/api/gmail/sync/status").json()["task_id"] is None
    assert bob.get("/api/gmail/sync/history").json()["runs"] == []
    assert bob.get("/api/gmail/messages").json()["messages"] == []
    assert bob.get("/api/gmail/labels").json()["labels"] == []
    assert bob.get("/api/gmail/threads").json()["threads"] == []
    assert bob.get("/api/gmail/changes").json()["changes"] == []
    found = bob.get("/api/gmail/messages", params={"q": SECRET_WORD})
    assert found.json()["messages"] == []
    assert bob.get("/api/gmail/sync/failed-messages").json()["messages"] == []
    assert SECRET_WORD not in bob.get("/api/gmail/export.mbox").text
    assert bob.get("/api/gmail/connection").json()["email"] == "bob@example.org"
    assert bob.get("/api/webhooks").json()["webhooks"] == []


def test_another_s_id_is_no_place_in_a_list(bob: httpx.Client, anns: str) -> None:
    for path, before in (
        ("/api/gmail/sync/history", anns),
        ("/api/gmail/messages", "m1"),
        ("/api/gmail/threads", "m1"),
    ):
        theirs = bob.get(path, params={"before": before})
        never = bob.get(path, params={"before": "no-such-id"})
        assert (theirs.status_code, theirs.content) == (never.status_code, never.content)


def test_what_one_does_touches_nobody_else(bob: httpx.Client, running: Running, anns: str) -> None:
    with client_of(running, "ann") as ann:
        before = ann.get(f"/api/gmail/sync/{anns}").json()
        started = bob.post("/api/gmail/sync/smart", params={"force_full": True}).json()
        assert started["task_id"] != anns
        assert started["user_id"] == "bob"
        assert bob.post("/api/gmail/sync/retry-failed").json()["retried"] == 0
        assert bob.post(f"/api/gmail/sync/{started['task_id']}/cancel").status_code == 200
        assert bob.delete("/api/gmail/connection", params={"delete_mail": True}).json()["done"]
        assert bob.delete("/api/gmail/account").status_code == 200
        assert ann.get(f"/api/gmail/sync/{anns}").json() == before
        assert ann.get("/api/gmail/messages/m1").json()["subject"] == SECRET_WORD


@pytest.mark.parametrize("name", ["user_id", "user", "sub", "as"])
def test_nobody_speaks_for_another_by_a_parameter(bob: httpx.Client, anns: str, name: str) -> None:
    answer = bob.get("/api/gmail/sync/status", params={name: "ann"})
    assert answer.json()["task_id"] is None
    answer = bob.get(
        "/api/gmail/sync/status", headers={"X-User-Id": "ann", "X-Forwarded-User": "ann"}
    )
    assert answer.json()["task_id"] is None


@pytest.mark.parametrize("user_id", ["ANN", "ann ", "ann%", "an_", "ann/", "ånn", "ann'--"])
def test_ids_that_look_alike_are_others(running: Running, anns: str, user_id: str) -> None:
    with client_of(running, user_id) as client:
        assert client.get(f"/api/gmail/sync/{anns}").status_code == 404
        assert client.get("/api/gmail/messages").json()["messages"] == []
        assert client.get("/api/gmail/sync/status").json()["task_id"] is None


def test_the_stream_tells_of_one_s_own_syncs_alone(
    bob: httpx.Client, functions: Session, anns: str
) -> None:
    lines: list[str] = []

    def listen() -> None:
        with bob.stream("GET", "/api/gmail/sync/events") as stream:
            for line in stream.iter_lines():
                lines.append(line)
                if '"user_id":"bob"' in line:
                    return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    wait_until(lambda: any(line.startswith("data:") for line in lines))
    # Ann's sync goes on and ends; then bob's begins. Events come in order.
    store(functions, anns, stored("m2"))
    functions.value("cancel_sync", anns)
    functions.value("start_sync_idempotent", "bob")
    listener.join(60)
    assert not listener.is_alive()
    told = "\n".join(lines)
    assert "ann" not in told
    assert '"user_id":"bob"' in told


def test_only_operators_are_told_who_is_concerned(
    running: Running, nobody: httpx.Client, anns: str, functions: Session, db: Connection
) -> None:
    db.execute("update gmail_sync.user_sync_status set updated_at = now() - interval '61 s'")
    for headers in ({}, bearer(token("ann")), bearer(token("bob"))):
        health = nobody.get("/api/gmail/sync/health", headers=headers).json()
        assert health["statistics"]["zombie_tasks"] == 1
        assert {zombie["user_id"] for zombie in health["zombie_task_details"]} == {None}
        assert anns not in str(health)
    with client_of(running, "bob", "operator") as operator:
        (zombie,) = operator.get("/api/gmail/sync/health").json()["zombie_task_details"]
    assert (zombie["user_id"], zombie["task_id"]) == ("ann", anns)
    for path in ("/metrics", "/api/scheduler/status", "/readyz"):
        assert anns not in nobody.get(path).text


def test_errors_do_not_tell_of_others(bob: httpx.Client, anns: str) -> None:
    for path in ("/api/gmail/messages/m1", f"/api/gmail/sync/{anns}"):
        assert "ann" not in bob.get(path).text
