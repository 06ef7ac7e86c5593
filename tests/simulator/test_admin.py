"""The simulator is controlled over HTTP, and counts."""

from collections.abc import Callable
from typing import Any

from service.simulator import Mailbox, Simulator
from tests.simulator.conftest import EMAIL, TOKEN

Call = Callable[..., tuple[int, Any]]
MESSAGES = "/gmail/v1/users/me/messages"


def test_faults_are_added_listed_and_taken_off(call: Call, mailbox: Mailbox) -> None:
    fault = {"method": "messages.list", "action": "error", "status": 500}
    status, made = call("POST", "/simulator/faults", fault)
    assert status == 201
    assert call("GET", MESSAGES)[0] == 500
    (listed,) = call("GET", "/simulator/faults")[1]
    assert listed == {"number": made["number"], "seen": 1, "struck": 1, "fault": fault}
    assert call("DELETE", f"/simulator/faults/{made['number']}")[0] == 204
    assert call("GET", MESSAGES)[0] == 200
    call("POST", "/simulator/faults", fault)
    call("DELETE", "/simulator/faults")
    assert call("GET", "/simulator/faults")[1] == []


def test_mistakes_are_told(call: Call, mailbox: Mailbox) -> None:
    for path, body in (
        ("faults", {"method": "messages.get", "action": "explode"}),
        ("faults", {"method": "messages.get", "action": "drop", "colour": 1}),
        ("faults", {"method": "messages.get", "action": "error", "status": 999}),
        ("faults", {"method": "messages.get", "action": "error", "every": 0}),
        ("faults", b"no json"),
    ):
        status, answer = call("POST", f"/simulator/{path}", body)
        assert (status, bool(answer["error"]["message"])) == (400, True)
    assert call("PUT", "/simulator/quota", {"profile": "google-2030"})[0] == 400
    assert call("GET", "/simulator/nothing")[0] == 404


def test_quota_is_switched_on_and_off(call: Call, mailbox: Mailbox) -> None:
    limits = {"profile": "google-standard", "user_units": 5, "window": 100}
    assert call("PUT", "/simulator/quota", limits)[0] == 204
    assert [call("GET", MESSAGES)[0] for _ in range(2)] == [200, 403]
    assert call("DELETE", "/simulator/quota")[0] == 204
    assert call("GET", MESSAGES)[0] == 200


def test_history_is_expired(call: Call, mailbox: Mailbox) -> None:
    before = mailbox.history_id
    assert call("POST", f"/simulator/mailboxes/{EMAIL}/expire-history")[0] == 204
    assert call("GET", f"/gmail/v1/users/me/history?startHistoryId={before}")[0] == 404


def test_requests_are_counted_by_method_status_message_and_token(
    call: Call, simulator: Simulator, mailbox: Mailbox
) -> None:
    message_id = mailbox.message_ids()[0]
    for path in (MESSAGES, f"{MESSAGES}/{message_id}", f"{MESSAGES}/{message_id}", f"{MESSAGES}/0"):
        call("GET", path)
    _, counted = call("GET", "/simulator/requests")
    assert counted == {
        "methods": {"messages.list": 1, "messages.get": 3},
        "statuses": {"messages.list 200": 1, "messages.get 200": 2, "messages.get 404": 1},
        "tokens": {TOKEN: 4},
        "fetched": {message_id: 2},
        "peak_units": 0,
    }
    assert simulator.requests.fetched_twice() == {message_id: 2}
    assert call("DELETE", "/simulator/requests")[0] == 204
    assert call("GET", "/simulator/requests")[1]["methods"] == {}
