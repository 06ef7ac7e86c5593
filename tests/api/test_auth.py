"""What a token must hold. Every route with every kind of token: test_auth_matrix.py."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
from litestar.testing import RequestFactory

from service.api.auth.make_token import make_token
from service.api.auth.tokens import COOKIE, token_cookie
from tests.api.conftest import (
    SECRET,
    Running,
    bearer,
    client_of,
    problem,
    serving,
    token,
)
from tests.waiting import PATIENCE_SECONDS, wait_until

LATER = datetime.now(UTC) + timedelta(hours=1)


def signed(claims: dict[str, object]) -> str:
    return jwt.encode(claims, SECRET, "HS256")


BAD_TOKENS = {
    "blank sub": signed({"sub": " ", "exp": LATER}),
    "empty sub": signed({"sub": "", "exp": LATER}),
    "sub with a NUL": signed({"sub": "a\0b", "exp": LATER}),
    "sub too long": signed({"sub": "a" * 256, "exp": LATER}),
    "exp in words": signed({"sub": "ann", "exp": "soon"}),
    "exp beyond all calendars": signed({"sub": "ann", "exp": 10**300}),
    "endless": signed({"sub": "ann", "exp": float("inf")}),
    "scope of another type": signed({"sub": "ann", "exp": LATER, "scope": 7}),
    "not a token": "abc",
    "not ASCII": "ä.ö.ü",
}


def test_bad_tokens_are_refused(nobody: httpx.Client) -> None:
    for value in BAD_TOKENS.values():
        header = {b"Authorization": f"Bearer {value}".encode()}
        problem(nobody.get("/api/gmail/sync/status", headers=header), 401, "not_authenticated")


def test_a_refused_token_is_told_why(nobody: httpx.Client) -> None:
    for value, word in (
        (token("ann", lifetime=timedelta(seconds=-1)), "expired"),
        (signed({"sub": "ann", "exp": LATER, "aud": "someone"}), "audience"),
        ("abc", "Authorization: Bearer"),
    ):
        answer = nobody.get("/api/gmail/sync/status", headers=bearer(value))
        assert word in problem(answer, 401, "not_authenticated")["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_of_another_maker_needs_only_sub_and_exp(nobody: httpx.Client) -> None:
    for more in ({}, {"extras": 3, "user": {}, "scope": None}, {"iat": LATER, "iss": "someone"}):
        value = signed({"sub": "ann", "exp": LATER, **more})
        assert nobody.get("/api/gmail/sync/status", headers=bearer(value)).status_code == 200


def test_the_cookie_is_for_browsers_alone() -> None:
    def cookie(scheme: str, expires_at: datetime) -> str:
        request = RequestFactory(scheme=scheme).get()
        return token_cookie(request, "t.o.k", expires_at).to_header()

    assert cookie("https", LATER).startswith("Set-Cookie: __Host-gmail_sync_token=t.o.k; ")
    assert cookie("http", LATER).startswith("Set-Cookie: gmail_sync_token=t.o.k; HttpOnly; ")
    assert "SameSite=lax; Secure" in cookie("https", LATER)
    assert "Secure" not in cookie("http", LATER)
    assert "Path=/; " in cookie("https", LATER)
    assert "Domain" not in cookie("https", LATER)
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert 3500 < int(re.findall(r"Max-Age=(\d+)", cookie("http", in_an_hour))[0]) <= 3600
    assert "Max-Age=0" in cookie("http", datetime.now(UTC) - timedelta(days=1))


@pytest.mark.parametrize("proxied", [True, False])
def test_over_https_no_cookie_counts_that_another_host_can_have_set(
    service_url: str, proxied: bool
) -> None:
    environment = {} if proxied else {"GMAIL_SYNC_PUBLIC_URL": "https://mail.example"}
    proxy = {"X-Forwarded-Proto": "https"} if proxied else {}
    with serving(service_url, **environment) as running:

        def status(name: str) -> httpx.Response:
            headers = {"Cookie": f"{name}={token('ann')}", **proxy}
            return httpx.get(
                f"{running.url}/api/gmail/sync/status", headers=headers, timeout=PATIENCE_SECONDS
            )

        assert status(f"__Host-{COOKIE}").status_code == 200
        problem(status(COOKIE), 401, "not_authenticated")


def test_over_plain_http_the_cookie_goes_by_its_plain_name_alone(nobody: httpx.Client) -> None:
    headers = {"Cookie": f"__Host-{COOKIE}={token('ann')}"}
    problem(nobody.get("/api/gmail/sync/status", headers=headers), 401, "not_authenticated")


def test_the_event_stream_takes_the_cookie(nobody: httpx.Client, ann: httpx.Client) -> None:
    with nobody.stream(
        "GET", "/api/gmail/sync/events", headers={"Cookie": f"{COOKIE}={token('ann')}"}
    ) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_lines()).startswith("id:")


@pytest.mark.parametrize("scopes", [(), ("operator",)])
def test_another_users_runs_and_mail_are_not_there(
    ann: httpx.Client, running: Running, scopes: tuple[str, ...]
) -> None:
    task_id = ann.post("/api/gmail/sync/smart").json()["task_id"]
    with client_of(running, "bob", *scopes) as bob:
        theirs = bob.get(f"/api/gmail/sync/{task_id}")
        never = bob.get("/api/gmail/sync/sync_bob_00000000_1")
        problem(theirs, 404, "no_such_sync")
        assert theirs.content == never.content
        problem(bob.post(f"/api/gmail/sync/{task_id}/cancel"), 404, "no_such_sync")
        assert bob.get("/api/gmail/sync/history").json() == {"runs": [], "next": None}
        assert bob.get("/api/gmail/sync/status").json()["task_id"] is None
    assert ann.get(f"/api/gmail/sync/{task_id}").json()["in_progress"] is True


@pytest.mark.parametrize("user_id", ["", " ", "a\nb", "a" * 256])
def test_no_token_is_made_for_what_is_no_user_id(user_id: str) -> None:
    with pytest.raises(ValueError, match="user id"):
        make_token(SECRET, user_id, [], timedelta(hours=1))


def test_no_line_of_the_log_holds_a_token(ann: httpx.Client, running: Running) -> None:
    ann.get("/api/gmail/sync/status?q=secret-word", headers={"X-Request-Id": "here-I-am"})
    line = wait_until(
        lambda: [line for line in running.log if line.get("request_id") == "here-I-am"],
    )[0]
    assert line["event"] == "request"
    assert line["status"] == 200
    header = ann.headers["Authorization"]
    assert header.removeprefix("Bearer ") not in str(running.log)
    assert "secret-word" not in str(running.log)
