"""How one's account stands, and the end of it: at Google first, then here."""

from collections.abc import Iterator

import httpx
import pytest

from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from service.simulator import Decision, Fault, Simulator
from tests.api.browser import Browser
from tests.api.conftest import (
    EMAIL,
    OTHER_EMAIL,
    Running,
    claim,
    client_of,
    connect_account,
    list_page,
    problem,
    serving,
    store,
    stored,
)


@pytest.fixture
def client(running: Running, functions: Session) -> Iterator[httpx.Client]:
    """Ann, who has connected her mailbox and synced one message of it."""
    with Browser(running, "ann") as browser:
        browser.connect()
    task_id = functions.rows("sync_status", "ann")[0]["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, "m1")
    store(functions, task_id, stored("m1"))
    assert functions.value("reconcile_listing", task_id)
    functions.value("release_sync", task_id)
    with client_of(running, "ann") as client:
        yield client


def grants(simulator: Simulator) -> set[str]:
    """The mailboxes that Google still lets somebody into."""
    return set(simulator.tokens.grants())


def mail(client: httpx.Client) -> list[str]:
    answer = client.get("/api/gmail/messages").json()
    return [message["message_id"] for message in answer["messages"]]


def test_a_user_without_an_account_sees_that(running: Running) -> None:
    with client_of(running, "bob") as bob:
        body = bob.get("/api/gmail/connection").json()
    assert (body["status"], body["email"], body["synced"]) == ("disconnected", None, False)
    assert body["can_connect"] is True


def test_the_account_is_shown_without_its_secrets(client: httpx.Client) -> None:
    body = client.get("/api/gmail/connection").json()
    assert body.pop("connected_at")
    assert body == {
        "can_connect": True,
        "email": EMAIL,
        "status": "connected",
        "status_code": None,
        "status_reason": None,
        "content_mode": "full",
        "quota_profile": "google-standard",
        "sync_interval_seconds": None,
        "synced": True,
    }


def test_what_google_said_is_shown(
    client: httpx.Client, functions: Session, db: Connection
) -> None:
    db.execute(
        "update gmail_sync.account set sync_interval = '15 min', status = 'reauth_required',"
        " status_reason = 'It was revoked.'"
    )
    body = client.get("/api/gmail/connection").json()
    assert (body["status"], body["status_reason"]) == ("reauth_required", "It was revoked.")
    assert body["sync_interval_seconds"] == 900


def test_disconnecting_ends_the_grant_and_keeps_the_mail(
    client: httpx.Client, simulator: Simulator, db: Connection
) -> None:
    assert grants(simulator) == {EMAIL}
    answer = client.delete("/api/gmail/connection")
    assert answer.json() == {"done": True, "revoked": True, "warning": None}
    assert grants(simulator) == set()
    body = client.get("/api/gmail/connection").json()
    assert (body["status"], body["email"], body["synced"]) == ("disconnected", EMAIL, True)
    assert mail(client) == ["m1"]
    kept = db.execute("select credentials, history_id from gmail_sync.account").fetchall()
    assert kept == [{"credentials": None, "history_id": 100}]


def test_the_mail_goes_when_it_is_asked_to(
    client: httpx.Client, running: Running, simulator: Simulator
) -> None:
    answer = client.delete("/api/gmail/connection?delete_mail=true")
    assert answer.json()["done"] is True
    assert grants(simulator) == set()
    assert mail(client) == []
    assert client.get("/api/gmail/connection").json()["email"] is None


def test_a_sync_after_disconnecting_is_refused(client: httpx.Client) -> None:
    client.post("/api/gmail/sync/smart")
    client.delete("/api/gmail/connection")
    assert client.get("/api/gmail/sync/status").json()["outcome"] == "cancelled"
    problem(client.post("/api/gmail/sync/smart"), 409, "account_not_connected")


def test_disconnecting_twice_is_no_mistake(client: httpx.Client, simulator: Simulator) -> None:
    client.delete("/api/gmail/connection")
    again = client.delete("/api/gmail/connection").json()
    assert again == {"done": False, "revoked": False, "warning": None}
    assert simulator.requests.methods["revoke"] == 1


def test_a_grant_that_was_revoked_before_is_fine(
    client: httpx.Client, simulator: Simulator
) -> None:
    simulator.tokens.revoke(EMAIL)
    body = client.delete("/api/gmail/connection").json()
    assert body == {"done": True, "revoked": True, "warning": None}


def test_an_access_token_that_ran_out_cannot_end_its_grant_which_is_told(
    running: Running, simulator: Simulator, google: Google, functions: Session, db: Connection
) -> None:
    simulator.tokens.allow_refresh(EMAIL)
    access = simulator.tokens.allow(EMAIL)
    functions.value(
        "connect_account", "ann", EMAIL, google.cipher.encrypt({"token": access}), "unlimited"
    )
    simulator.tokens.expire(access)
    with client_of(running, "ann") as ann:
        body = ann.delete("/api/gmail/connection").json()
    assert (body["done"], body["revoked"]) == (True, False)
    assert "has expired" in body["warning"]
    assert grants(simulator) == {EMAIL}
    kept = db.execute("select status, credentials from gmail_sync.account").fetchall()
    assert kept == [{"status": "disconnected", "credentials": None}]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("revoke", "error", status=503), "refused"),
        (Fault("revoke", "html", status=502), "no usable response"),
        (Fault("revoke", "drop"), "reached"),
    ],
)
def test_what_google_does_not_do_is_told_and_stops_nobody(
    client: httpx.Client, simulator: Simulator, fault: Fault, said: str
) -> None:
    simulator.faults.add(fault)
    body = client.delete("/api/gmail/connection").json()
    assert (body["done"], body["revoked"]) == (True, False)
    assert said in body["warning"]
    assert client.get("/api/gmail/connection").json()["status"] == "disconnected"


def test_a_google_that_hangs_is_waited_for_only_so_long(
    client: httpx.Client, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.google.consent.TIMEOUT", (0.2, 0.2))
    simulator.faults.add(Fault("revoke", "hang"))
    body = client.delete("/api/gmail/connection").json()
    assert (body["done"], body["revoked"]) == (True, False)
    assert "ReadTimeout" in body["warning"]


def test_credentials_that_no_key_opens_do_not_keep_anybody(
    running: Running, functions: Session
) -> None:
    connect_account(functions, "bob")
    with client_of(running, "bob") as bob:
        body = bob.delete("/api/gmail/connection").json()
    assert (body["done"], body["revoked"]) == (True, False)
    assert "GMAIL_SYNC_CREDENTIALS_KEYS" in body["warning"]


def test_one_can_disconnect_where_nothing_can_be_asked_of_google(
    service_url: str, functions: Session
) -> None:
    connect_account(functions, "bob")
    with serving(service_url) as running, client_of(running, "bob") as bob:
        body = bob.delete("/api/gmail/connection").json()
    assert (body["done"], body["revoked"]) == (True, False)


def test_the_same_mailbox_goes_on_where_it_stood_and_another_needs_the_mail_gone(
    client: httpx.Client, running: Running, simulator: Simulator, functions: Session
) -> None:
    client.delete("/api/gmail/connection")
    with Browser(running, "ann") as browser:
        simulator.tokens.consent.decision = Decision(email=OTHER_EMAIL)
        assert browser.connect() == "/?connect_error=another_mailbox"
        simulator.tokens.consent.decision = Decision()
        assert browser.connect() == "/"
        (run,) = functions.rows("sync_status", "ann")
        assert run["sync_type"] == "incremental"
        client.delete("/api/gmail/connection?delete_mail=true")
        simulator.tokens.consent.decision = Decision(email=OTHER_EMAIL)
        assert browser.connect() == "/"
    (run,) = functions.rows("sync_status", "ann")
    assert run["sync_type"] == "full"


def test_deleting_leaves_nothing_and_ends_the_grant(
    client: httpx.Client, running: Running, simulator: Simulator, functions: Session
) -> None:
    with Browser(running, "bob") as bob:
        bob.connect()
    answer = client.delete("/api/gmail/account")
    assert answer.json() == {"done": True, "revoked": True, "warning": None}
    assert client.get("/api/gmail/sync/history").json()["runs"] == []
    assert mail(client) == []
    assert [row["user_id"] for row in functions.rows("list_accounts")] == ["bob"]
    again = client.delete("/api/gmail/account").json()
    assert again == {"done": False, "revoked": False, "warning": None}


def test_nobody_ends_another_s_account(
    client: httpx.Client, running: Running, simulator: Simulator, google: Google
) -> None:
    with client_of(running, "mallory", "operator") as mallory:
        for path in ("/api/gmail/connection", "/api/gmail/connection?delete_mail=true"):
            assert mallory.delete(path).json()["done"] is False
        assert mallory.delete("/api/gmail/account").json()["done"] is False
    assert client.get("/api/gmail/connection").json()["status"] == "connected"
    assert grants(simulator) == {EMAIL}


def test_a_body_with_anything_in_it_is_refused(client: httpx.Client) -> None:
    for path in ("/api/gmail/connection", "/api/gmail/account"):
        answer = client.request("DELETE", path, json={"delete_mail": True})
        problem(answer, 400, "invalid_request")
    problem(client.delete("/api/gmail/connection?delete_mail=perhaps"), 400, "invalid_request")
    assert client.get("/api/gmail/connection").json()["status"] == "connected"
