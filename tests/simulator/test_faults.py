"""Each fault, as a client sees it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from service.simulator import Fault, Mailbox, Simulator
from service.simulator.faults import Action
from tests.simulator.conftest import TOKEN

PATH = "/gmail/v1/users/me/messages"


@pytest.fixture
def get(simulator: Simulator, mailbox: Mailbox) -> Any:
    def get(path: str = PATH, timeout: float = 60) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return httpx.get(simulator.url + path, headers=headers, timeout=timeout)

    return get


Get = Callable[..., httpx.Response]


def test_error_answers_in_googles_envelope_with_the_time_in_the_text(
    simulator: Simulator, get: Get
) -> None:
    simulator.faults.add(
        Fault(
            "messages.list",
            "error",
            status=403,
            reason="userRateLimitExceeded",
            retry_after="2026-09-11T20:00:00.000Z",
        )
    )
    error = get().json()["error"]
    assert error["message"] == "User-rate limit exceeded.  Retry after 2026-09-11T20:00:00.000Z"
    assert error["errors"][0]["domain"] == "usageLimits"
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")


def test_a_retry_time_can_be_seconds_from_now(simulator: Simulator, get: Get) -> None:
    simulator.faults.add(Fault("messages.list", "error", status=429, retry_after=60))
    assert "  Retry after 20" in get().json()["error"]["message"]


def test_insufficient_scope_carries_its_error_info(simulator: Simulator, get: Get) -> None:
    fault = Fault("messages.list", "error", status=403, reason="insufficientPermissions")
    simulator.faults.add(fault)
    details = get().json()["error"]["details"]
    assert details[0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_a_reason_in_capitals_stands_in_an_error_info_alone(simulator: Simulator, get: Get) -> None:
    simulator.faults.add(Fault("messages.list", "error", status=403, reason="RATE_LIMIT_EXCEEDED"))
    error = get().json()["error"]
    assert (error["details"][0]["reason"], "errors" in error) == ("RATE_LIMIT_EXCEEDED", False)


def test_a_reason_that_is_a_status_stands_alone(simulator: Simulator, get: Get) -> None:
    simulator.faults.add(Fault("messages.list", "error", status=400, reason="FAILED_PRECONDITION"))
    error = get().json()["error"]
    assert error["status"] == "FAILED_PRECONDITION"
    assert not {"errors", "details"} & error.keys()


def test_the_token_endpoint_says_its_errors_as_oauth_does(
    simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(
        Fault("token", "error", status=400, reason="invalid_scope", message="Bad scope")
    )
    answer = httpx.post(f"{simulator.url}/token", data={"grant_type": "refresh_token"}, timeout=60)
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_scope", "error_description": "Bad scope"}


def test_an_estimate_can_be_wrong(simulator: Simulator, mailbox: Mailbox, get: Get) -> None:
    assert get().json()["resultSizeEstimate"] == len(mailbox.message_ids())
    simulator.faults.add(Fault("messages.list", "wrong_estimate"))
    assert get().json()["resultSizeEstimate"] != len(mailbox.message_ids())


def test_a_fault_passes_some_strikes_each_nth_and_ends(simulator: Simulator, get: Get) -> None:
    simulator.faults.add(Fault("messages.list", "error", after=1, every=2, count=2))
    statuses = [get().status_code for _ in range(8)]
    assert statuses == [200, 200, 503, 200, 503, 200, 200, 200]


def test_a_fault_strikes_only_its_message_method_and_mailbox(
    simulator: Simulator, mailbox: Mailbox, get: Get
) -> None:
    first, second, *_ = mailbox.message_ids()
    simulator.faults.add(Fault("messages.get", "error", message_id=first))
    simulator.faults.add(Fault("*", "error", email="other@mail.example"))
    assert get(f"{PATH}/{first}").status_code == 503
    assert get(f"{PATH}/{second}").status_code == 200
    assert get().status_code == 200


def test_html_is_no_json(simulator: Simulator, get: Get) -> None:
    simulator.faults.add(Fault("*", "html", status=502))
    answer = get()
    assert (answer.status_code, answer.text[:9]) == (502, "<!DOCTYPE")


def test_a_hang_tells_of_the_arrival_and_ends_at_the_release(
    simulator: Simulator, get: Get
) -> None:
    fault = simulator.faults.add(Fault("messages.list", "hang"))
    assert not fault.wait_arrived(0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get)
        assert fault.wait_arrived(60)
        assert not waiting.done()
        fault.release()
        assert waiting.result(60).status_code == 200


def test_stopping_releases_what_hangs(mailbox: Mailbox) -> None:
    with Simulator() as other, ThreadPoolExecutor(1) as pool:
        other.add_mailbox("a@mail.example", "t")
        fault = other.faults.add(Fault("getProfile", "hang"))
        url = f"{other.url}/gmail/v1/users/me/profile?access_token=t"
        waiting = pool.submit(httpx.get, url, timeout=60)
        assert fault.wait_arrived(60)
        other.stop()
        assert waiting.exception(60) is not None or waiting.result().status_code == 200


def test_latency_waits_and_goes_on(simulator: Simulator, get: Get) -> None:
    simulator.faults.add(Fault("*", "latency", seconds=0.2))
    began = time.monotonic()
    assert get().status_code == 200
    assert time.monotonic() - began >= 0.2


def test_drip_keeps_the_socket_alive_and_never_ends_in_time(simulator: Simulator, get: Get) -> None:
    fault = simulator.faults.add(Fault("messages.list", "drip", seconds=0.02))
    timer = threading.Timer(2.5, fault.release)
    timer.start()
    # No single wait is longer than the timeout, the whole answer is.
    assert get(timeout=2).status_code == 200
    assert not timer.is_alive()
    timer.join(5)


def test_truncate_breaks_off_and_cut_is_whole_but_short(simulator: Simulator, get: Get) -> None:
    armed = simulator.faults.add(Fault("messages.list", "truncate"))
    with pytest.raises(httpx.RemoteProtocolError):
        get()
    simulator.faults.remove(armed.number)
    simulator.faults.add(Fault("messages.list", "cut"))
    answer = get()
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"(?i)delimiter|terminated|expecting"):
        answer.json()


def test_drop_closes_without_an_answer(simulator: Simulator, mailbox: Mailbox, get: Get) -> None:
    message_id = mailbox.message_ids()[0]
    simulator.faults.add(Fault("messages.get", "drop", count=1))
    with pytest.raises(httpx.RemoteProtocolError):
        get(f"{PATH}/{message_id}")
    assert get(f"{PATH}/{message_id}").status_code == 200
    assert simulator.requests.methods["messages.get"] == 2
    assert simulator.requests.fetched == {message_id: 1}


def test_an_empty_page_leads_on_to_the_real_one(
    simulator: Simulator, mailbox: Mailbox, get: Get
) -> None:
    simulator.faults.add(Fault("messages.list", "empty_page", every=2))
    found: list[str] = []
    token, pages = "", 0
    while pages == 0 or token:
        answer = get(f"{PATH}?maxResults=9&includeSpamTrash=true&pageToken={token}").json()
        found += [message["id"] for message in answer.get("messages", [])]
        token, pages = answer.get("nextPageToken", ""), pages + 1
    assert found == mailbox.message_ids()
    assert pages > 5


def test_an_empty_page_of_history_leads_on_too(
    simulator: Simulator, mailbox: Mailbox, get: Get
) -> None:
    start = mailbox.history_id
    mailbox.insert(b"Subject: x\r\n\r\n")
    simulator.faults.add(Fault("history.list", "empty_page", count=1))
    path = f"/gmail/v1/users/me/history?startHistoryId={start}"
    first = get(path).json()
    assert "history" not in first
    assert len(get(f"{path}&pageToken={first['nextPageToken']}").json()["history"]) == 1


def test_duplicates_come_within_and_across_pages(
    simulator: Simulator, mailbox: Mailbox, get: Get
) -> None:
    simulator.faults.add(Fault("messages.list", "duplicate"))
    ids = mailbox.message_ids()
    path = f"{PATH}?maxResults=2&includeSpamTrash=true"
    first = get(path).json()
    second = get(f"{path}&pageToken={first['nextPageToken']}").json()
    assert [m["id"] for m in first["messages"]] == [ids[0], ids[1], ids[0]]
    assert [m["id"] for m in second["messages"]] == [ids[1], ids[2], ids[3], ids[2]]


def test_an_invalid_page_token_is_refused_when_used(simulator: Simulator, get: Get) -> None:
    simulator.faults.add(Fault("messages.list", "invalid_page_token"))
    token = get(PATH + "?maxResults=1").json()["nextPageToken"]
    answer = get(f"{PATH}?pageToken={token}")
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Invalid pageToken")


@pytest.mark.parametrize(
    ("action", "tokens"),
    [("stuck_token", 1), ("alternating_tokens", 2), ("repeated_page", 4), ("empty_page", 4)],
)
def test_a_list_can_be_endless(simulator: Simulator, get: Get, action: Action, tokens: int) -> None:
    first = get(f"{PATH}?maxResults=2").json()
    simulator.faults.add(Fault("messages.list", action))
    token, seen = "", set()
    for _ in range(4):
        page = get(f"{PATH}?maxResults=2&pageToken={token}").json()
        assert page.get("messages", []) == ([] if action == "empty_page" else first["messages"])
        token = page["nextPageToken"]
        seen.add(token)
    assert len(seen) == tokens


def test_an_endless_history_can_number_its_records_on(
    simulator: Simulator, mailbox: Mailbox, get: Get
) -> None:
    start = mailbox.history_id
    mailbox.insert(b"Subject: x\r\n\r\n")
    simulator.faults.add(Fault("history.list", "renumbered_page"))
    path = f"/gmail/v1/users/me/history?startHistoryId={start}"
    first = get(path).json()
    second = get(f"{path}&pageToken={first['nextPageToken']}").json()
    assert first["nextPageToken"] != second["nextPageToken"]
    (one,), (two,) = first["history"], second["history"]
    assert int(one["id"]) < int(two["id"])
    assert one["messagesAdded"] == two["messagesAdded"]


def test_a_mangled_answer_is_the_json_it_was_given_byte_for_byte(
    simulator: Simulator, mailbox: Mailbox, get: Get
) -> None:
    message_id, other, *_ = mailbox.message_ids()
    body = '{"id": 5, "snippet": "\\ud800 \\u0000", "payload": null}'
    simulator.faults.add(Fault("messages.get", "mangle", message_id, body=body))
    answer = get(f"{PATH}/{message_id}")
    assert (answer.status_code, answer.text) == (200, body)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert get(f"{PATH}/{other}").json()["id"] == other
    mailbox.delete(message_id)
    assert get(f"{PATH}/{message_id}").status_code == 404


def test_faults_can_be_taken_off(simulator: Simulator, get: Get) -> None:
    simulator.faults.add(Fault("*", "error"))
    assert get().status_code == 503
    simulator.faults.clear()
    assert get().status_code == 200
