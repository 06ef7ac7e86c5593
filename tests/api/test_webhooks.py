"""Webhooks over REST: a user's own, and for operators those that hear of all users."""

from typing import Any

import pytest

from service.postgres.calls import Connection, Session
from tests.api.conftest import Running, client_of, problem
from tests.functions.conftest import only
from tests.functions.webhooks.test_webhooks import accept, claim

NEW = {"url": "https://app.example/hooks"}
OWN, FOR_ALL = "/api/webhooks", "/api/operator/webhooks"


@pytest.mark.parametrize(("base", "scopes"), [(OWN, ()), (FOR_ALL, ("operator",))])
def test_a_webhook_is_added_tested_rotated_replayed_and_removed(
    running: Running, functions: Session, base: str, scopes: tuple[str, ...]
) -> None:
    with client_of(running, "ann", *scopes) as ann:
        added = ann.post(base, json=NEW | {"events": ["message.created"], "with_content": True})
        assert added.status_code == 201
        webhook_id, secret = added.json()["id"], added.json()["secret"]
        (listed,) = ann.get(base).json()["webhooks"]
        assert (listed["events"], listed["with_content"]) == (["message.created"], True)
        assert secret not in ann.get(base).text
        event_id = ann.post(f"{base}/{webhook_id}/test").json()["event_id"]
        accept(functions, claim(functions)[0])
        (attempt,) = ann.get(f"{base}/{webhook_id}/deliveries").json()["attempts"]
        assert (attempt["event_id"], attempt["http_status"]) == (event_id, 200)
        assert ann.post(f"{base}/{webhook_id}/secret").json()["secret"] != secret
        assert ann.post(f"{base}/{webhook_id}/replay", params={"after": 0}).status_code == 202
        assert ann.delete(f"{base}/{webhook_id}").status_code == 204
        problem(ann.delete(f"{base}/{webhook_id}"), 404, "no_such_webhook")


def test_what_operators_do_is_recorded(running: Running, db: Connection) -> None:
    with client_of(running, "ann", "operator") as ann:
        webhook_id = ann.post(FOR_ALL, json=NEW).json()["id"]
        ann.delete(f"{FOR_ALL}/{webhook_id}")

    acts = only(db, "select array_agg(detail ->> 'action' order by id) from gmail_sync.audit_event")
    assert acts == ["add_webhook", "remove_webhook"]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"url": 1}, {"url": "ftp://x/"}, {"url": "https://u:p@x/"}, {"url": "https://x/ y"},
        NEW | {"events": []}, NEW | {"events": ["x"]}, NEW | {"secret": "x"},
        NEW | {"with_content": "maybe"},
    ],
)  # fmt: skip
def test_what_is_not_valid_is_refused(running: Running, body: dict[str, Any]) -> None:
    with client_of(running, "ann") as ann:
        problem(ann.post(OWN, json=body), 400, "invalid_request")
        assert ann.get(OWN).json()["webhooks"] == []


def test_the_database_knows_which_events_there_are(running: Running, functions: Session) -> None:
    with client_of(running, "ann") as ann:
        answer = problem(
            ann.post(OWN, json=NEW | {"events": ["message.sent"]}), 400, "invalid_argument"
        )
        listed = ann.get(OWN).json()["event_types"]
    assert listed == functions.value("webhook_event_types")
    assert all(event in answer["detail"] for event in ("message.sent", *listed))


def test_a_user_is_no_operator(running: Running) -> None:
    with client_of(running, "ann") as ann:
        problem(ann.get(FOR_ALL), 403, "operators_only")
