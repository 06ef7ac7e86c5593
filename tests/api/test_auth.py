"""Who may do what: every route without, with wrong and with right tokens."""

from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest

from service.api.auth import make_token
from tests.api.conftest import SECRET, Running, bearer, client_of, eventually, problem, token

CLOSED = [
    ("POST", "/api/gmail/sync/smart"),
    ("GET", "/api/gmail/sync/status"),
    ("GET", "/api/gmail/sync/history"),
    ("GET", "/api/gmail/sync/sync_ann_00000000_1"),
    ("POST", "/api/gmail/sync/sync_ann_00000000_1/cancel"),
    ("POST", "/api/gmail/sync/retry-failed"),
    ("GET", "/api/gmail/sync/failed-messages"),
    ("GET", "/api/gmail/sync/events"),
    ("GET", "/api/gmail/messages"),
    ("GET", "/api/gmail/messages/m1"),
    ("GET", "/api/gmail/messages/m1/attachments"),
    ("GET", "/api/gmail/messages/m1/attachments/1"),
    ("GET", "/api/gmail/messages/m1/raw"),
    ("GET", "/api/gmail/export.mbox"),
    ("GET", "/api/gmail/labels"),
]
OPEN = [
    "/livez",
    "/readyz",
    "/metrics",
    "/schema",
    "/schema/openapi.json",
    "/api/gmail/sync/health",
    "/api/scheduler/status",
]
LATER = datetime.now(UTC) + timedelta(hours=1)


def signed(claims: dict[str, object], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm)


BAD_TOKENS = {
    "expired": token("ann", lifetime=timedelta(seconds=-1)),
    "unsigned": jwt.encode({"sub": "ann", "exp": LATER}, "", "none"),
    "wrong secret": signed({"sub": "ann", "exp": LATER}, "f" * 32),
    "wrong algorithm": signed({"sub": "ann", "exp": LATER}, "f" * 64, "HS512"),
    "no sub": signed({"exp": LATER}),
    "blank sub": signed({"sub": " ", "exp": LATER}),
    "empty sub": signed({"sub": "", "exp": LATER}),
    "sub with a NUL": signed({"sub": "a\0b", "exp": LATER}),
    "sub too long": signed({"sub": "a" * 256, "exp": LATER}),
    "no exp": signed({"sub": "ann"}),
    "scope of another type": signed({"sub": "ann", "exp": LATER, "scope": 7}),
    "not a token": "abc",
    "not ASCII": "ä.ö.ü",
}


def test_nobody_is_let_in(nobody: httpx.Client) -> None:
    for method, path in CLOSED:
        answer = nobody.request(method, path)
        problem(answer, 401, "not_authenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_open_routes_ask_for_no_token_and_pass_over_a_bad_one(nobody: httpx.Client) -> None:
    for path in OPEN:
        assert nobody.get(path).status_code == 200
        assert nobody.get(path, headers=bearer("rubbish")).status_code == 200


def test_bad_tokens_are_refused(nobody: httpx.Client) -> None:
    for value in BAD_TOKENS.values():
        header = {b"Authorization": f"Bearer {value}".encode()}
        problem(nobody.get("/api/gmail/sync/status", headers=header), 401, "not_authenticated")


def test_an_expired_token_says_so(nobody: httpx.Client) -> None:
    answer = nobody.get("/api/gmail/sync/status", headers=bearer(BAD_TOKENS["expired"]))
    assert "expired" in problem(answer, 401, "not_authenticated")["detail"]


def test_a_token_of_another_maker_needs_only_sub_and_exp(nobody: httpx.Client) -> None:
    value = signed({"sub": "ann", "exp": LATER, "aud": "someone", "extras": 3, "user": {}})
    assert nobody.get("/api/gmail/sync/status", headers=bearer(value)).status_code == 200


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
    line = eventually(
        lambda: [line for line in running.log if line.get("request_id") == "here-I-am"],
        "the request is logged",
    )[0]
    assert line["event"] == "request"
    assert line["status"] == 200
    header = ann.headers["Authorization"]
    assert header.removeprefix("Bearer ") not in str(running.log)
    assert "secret-word" not in str(running.log)
