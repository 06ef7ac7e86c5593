"""Quota units and the limit of requests in flight."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def allowed(quota: Quota, method: str, email: str = EMAIL) -> int:
    """How many requests of a method pass before the first refusal."""
    for count in range(100_000):
        try:
            quota.enter(email, method)
        except ApiError:
            return count
    raise AssertionError("never refused")


@pytest.mark.parametrize(
    ("profile", "method", "expected"),
    [
        ("google-2026", "messages.get", 300),
        ("google-2026", "messages.list", 1200),
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
    assert quota.peak_units == {"google-2026": 6_000, "google-legacy": 15_000}[profile]


def test_the_window_slides() -> None:
    clock = Clock()
    quota = Quota(Limits("google-2026", window=10, user_units=40), clock)
    quota.enter(EMAIL, "messages.get")
    clock.now = 6.0
    assert allowed(quota, "messages.get") == 1
    clock.now = 10.0
    assert allowed(quota, "messages.get") == 1


def test_users_have_their_own_units_and_share_the_projects() -> None:
    quota = Quota(Limits("google-2026", user_units=40, project_units=60))
    assert allowed(quota, "messages.get", "a@mail.example") == 2
    assert allowed(quota, "messages.get", "b@mail.example") == 1


@pytest.mark.parametrize("status", [403, 429])
def test_spent_units_are_refused_in_googles_words(
    simulator: Simulator, mailbox: Mailbox, call: Call, status: int
) -> None:
    simulator.set_limits(Limits("google-2026", user_units=5, status=status))
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
    simulator.set_limits(Limits("google-2026", max_in_flight=10))
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
        assert fault.wait_arrived(10)
        status, answer = call("GET", MESSAGES)
        assert (status, answer["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
        fault.release()
        waiting.result(10)
    assert call("GET", MESSAGES)[0] == 200


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="google-2026"):
        Limits("google-2030")
