"""Quota units and the limit of requests in flight."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from service.simulator import ApiError, Fault, Limits, Mailbox, Simulator
from service.simulator.quota import Quota
from tests.simulator.conftest import EMAIL
from tests.simulator.test_batch import run_batch

Call = Callable[..., tuple[int, Any]]
MESSAGES = "/gmail/v1/users/me/messages"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def allowed(quota: Quota, method: str, email: str = EMAIL, answer_format: str = "full") -> int:
    """How many requests of a method pass before the first refusal."""
    for count in range(100_000):
        try:
            quota.enter(email, method, answer_format)
        except ApiError:
            return count
    raise AssertionError("never refused")


@pytest.mark.parametrize(
    ("profile", "method", "expected"),
    [
        ("google-standard", "messages.get", 300),
        ("google-standard", "messages.list", 1200),
        ("google-standard", "threads.get", 150),
        ("google-legacy", "messages.get", 3000),
        ("google-legacy", "history.list", 7500),
    ],
)
def test_a_profile_allows_its_units_in_a_window(profile: str, method: str, expected: int) -> None:
    clock = Clock()
    quota = Quota(Limits(profile, window=10), clock)
    assert allowed(quota, method) == expected
    clock.now = 9.9
    assert allowed(quota, method) == 0
    clock.now = 10.0
    assert allowed(quota, method) == expected
    assert quota.peak_units == {"google-standard": 6_000, "google-legacy": 15_000}[profile]


def test_the_window_slides() -> None:
    clock = Clock()
    quota = Quota(Limits("google-standard", window=10, user_units=40), clock)
    quota.enter(EMAIL, "messages.get")
    clock.now = 6.0
    assert allowed(quota, "messages.get") == 1
    clock.now = 10.0
    assert allowed(quota, "messages.get") == 1


def test_users_have_their_own_units_and_share_the_projects() -> None:
    quota = Quota(Limits("google-standard", user_units=40, project_units=60))
    assert allowed(quota, "messages.get", "a@mail.example") == 2
    assert allowed(quota, "messages.get", "b@mail.example") == 1


def test_a_format_can_have_a_price_of_its_own() -> None:
    for answer_format, expected in {"full": 100, "minimal": 300}.items():
        quota = Quota(Limits("google-standard", costs={"messages.get full": 60}))
        assert allowed(quota, "messages.get", answer_format=answer_format) == expected


def test_the_units_of_a_day_are_the_project_s_and_return_at_the_next() -> None:
    clock, day = Clock(), date(2026, 11, 30)
    quota = Quota(Limits("google-standard", window=10, day_units=100), clock, lambda: day)
    assert allowed(quota, "messages.get", "a@mail.example") == 5
    clock.now = 10.0
    with pytest.raises(ApiError) as refused:
        quota.enter("b@mail.example", "messages.get", "full")
    assert (refused.value.status, refused.value.reason) == (403, "dailyLimitExceeded")
    day = date(2026, 12, 1)
    assert allowed(quota, "messages.get", "b@mail.example") == 5


def test_the_request_s_format_is_charged(
    simulator: Simulator, mailbox: Mailbox, call: Call
) -> None:
    simulator.set_limits(Limits("google-standard", costs={"messages.get full": 60}))
    path = f"{MESSAGES}/{mailbox.message_ids()[0]}"
    for query in ("", "?format=full", "?format=minimal"):
        call("GET", path + query)
    call("GET", f"{MESSAGES}?labelIds=INBOX")
    call("GET", f"/gmail/v1/users/me/threads/{mailbox.get(mailbox.message_ids()[0]).thread_id}")
    assert [charge.units for charge in simulator.quota.charges] == [60, 60, 20, 5, 40]


@pytest.mark.parametrize("status", [403, 429])
def test_spent_units_are_refused_in_googles_words(
    simulator: Simulator, mailbox: Mailbox, call: Call, status: int
) -> None:
    simulator.set_limits(Limits("google-standard", user_units=5, status=status))
    assert call("GET", MESSAGES)[0] == 200
    got, answer = call("GET", MESSAGES)
    assert got == status
    assert answer["error"]["errors"][0]["reason"] == "rateLimitExceeded"
    assert "Queries per minute per user" in answer["error"]["message"]
    simulator.set_limits(Limits())
    assert call("GET", MESSAGES)[0] == 200


def test_each_part_of_a_batch_is_charged_and_holds_a_place(
    gmail: Any, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.set_limits(Limits("google-standard", max_in_flight=10))
    answers = run_batch(gmail, simulator, mailbox.message_ids()[:15])
    refused = [error for _, error in answers.values() if error]
    assert [error.status_code for error in refused] == [429] * 5
    assert refused[0].reason == "Too many concurrent requests for user."
    assert simulator.quota.peak_units == 200
    assert not any(e for _, e in run_batch(gmail, simulator, mailbox.message_ids()[:10]).values())


def test_requests_that_hang_are_in_flight(
    simulator: Simulator, mailbox: Mailbox, call: Call, connect: Any
) -> None:
    simulator.set_limits(Limits(max_in_flight=1))
    fault = simulator.faults.add(Fault("getProfile", "hang"))
    client = connect()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.users().getProfile(userId="me").execute)
        assert fault.wait_arrived(60)
        status, answer = call("GET", MESSAGES)
        assert (status, answer["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
        fault.release()
        waiting.result(60)
    assert call("GET", MESSAGES)[0] == 200


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="google-standard"):
        Limits("google-2030")
