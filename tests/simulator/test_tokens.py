"""Who may ask, and the OAuth endpoints, spoken to by google-auth."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import requests
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

from service.simulator import Decision, Fault, Mailbox, Simulator
from tests.simulator.conftest import EMAIL, REFRESH_TOKEN, TOKEN

Call = Callable[..., tuple[int, Any]]
PROFILE = "/gmail/v1/users/me/profile"


def credentials(simulator: Simulator, refresh_token: str = REFRESH_TOKEN) -> Credentials:
    return Credentials(
        token=None,
        refresh_token=refresh_token,
        token_uri=simulator.url + "/token",
        client_id="client",
        client_secret="secret",
    )


def refresh(found: Credentials) -> None:
    with requests.Session() as session:
        found.refresh(Request(session))


def profile_status(call: Call, token: str | None) -> int:
    return call("GET", PROFILE, headers={"Authorization": f"Bearer {token}"})[0]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_a_good_token_everything_is_401(call: Call, headers: dict[str, str]) -> None:
    status, answer = call("GET", PROFILE, headers=headers)
    assert status == 401
    assert answer["error"]["status"] == "UNAUTHENTICATED"
    assert answer["error"]["errors"][0]["locationType"] == "header"


def test_another_users_mailbox_is_403(call: Call) -> None:
    assert call("GET", f"/gmail/v1/users/{EMAIL}/profile")[0] == 200
    assert call("GET", "/gmail/v1/users/other@mail.example/profile")[0] == 403


def test_mailboxes_are_apart(simulator: Simulator, mailbox: Mailbox, connect: Any) -> None:
    simulator.add_mailbox("other@mail.example", "other-token")
    other = connect("other-token").users().getProfile(userId="me").execute()
    assert (other["emailAddress"], other["messagesTotal"]) == ("other@mail.example", 0)


def test_a_refresh_token_gives_a_new_access_token(simulator: Simulator, call: Call) -> None:
    found = credentials(simulator)
    refresh(found)
    assert found.valid
    assert profile_status(call, found.token) == 200


def test_an_expired_access_token_is_401_and_can_be_replaced(
    simulator: Simulator, call: Call
) -> None:
    simulator.tokens.expire(TOKEN)
    assert profile_status(call, TOKEN) == 401
    simulator.tokens.allow(EMAIL, "short", lifetime=0)
    assert profile_status(call, "short") == 401
    refresh(credentials(simulator))


def test_a_revoked_grant_is_invalid_grant_for_good(simulator: Simulator, call: Call) -> None:
    assert call("POST", "/revoke", f"token={REFRESH_TOKEN}".encode())[0] == 200
    with pytest.raises(RefreshError) as refused:
        refresh(credentials(simulator))
    assert refused.value.args[1]["error"] == "invalid_grant"
    assert not refused.value.retryable
    assert profile_status(call, TOKEN) == 401
    assert call("POST", "/revoke", b"token=unknown")[0] == 400


def test_the_token_endpoint_can_fail(simulator: Simulator) -> None:
    fault = simulator.faults.add(Fault("token", "error", status=503, count=1))
    refresh(credentials(simulator))
    assert fault.struck == 1


VERIFIER = "v" * 43
# Its SHA-256 in url-safe base64 (RFC 7636).
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BACK = "http://here.example/back?a=1"
ASK = {
    "redirect_uri": BACK,
    "state": "s",
    "login_hint": EMAIL,
    "scope": "mail",
    "access_type": "offline",
    "code_challenge": CHALLENGE,
}


def consent(simulator: Simulator, **asked: str) -> dict[str, list[str]]:
    """What the page sends the browser back with."""
    page = httpx.get(simulator.url + "/o/oauth2/v2/auth", params={**ASK, **asked}, timeout=60)
    assert page.status_code == 302
    location = page.headers["location"]
    assert location.startswith(BACK)
    return parse_qs(urlsplit(location).query)


def redemption(code: str, **others: str) -> bytes:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        **others,
    }
    return urlencode(form).encode()


def test_a_code_from_the_consent_page_is_good_once(simulator: Simulator, call: Call) -> None:
    answer = consent(simulator)
    assert (answer["state"], answer["a"]) == (["s"], ["1"])
    form = redemption(answer["code"][0])
    status, tokens = call("POST", "/token", form)
    assert (status, tokens["scope"]) == (200, "mail")
    assert profile_status(call, tokens["access_token"]) == 200
    refresh(credentials(simulator, tokens["refresh_token"]))
    assert call("POST", "/token", form) == (
        400,
        {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
    )


@pytest.mark.parametrize(
    "wrong", [{"code_verifier": "w" * 43}, {"code_verifier": ""}, {"redirect_uri": "http://there"}]
)
def test_a_code_is_good_only_for_whoever_asked(
    simulator: Simulator, call: Call, wrong: dict[str, str]
) -> None:
    code = consent(simulator)["code"][0]
    assert call("POST", "/token", redemption(code, **wrong))[0] == 400
    assert call("POST", "/token", redemption(code))[0] == 400


def test_a_refresh_token_is_for_those_who_ask_for_offline_access(
    simulator: Simulator, call: Call
) -> None:
    code = consent(simulator, access_type="online")["code"][0]
    assert "refresh_token" not in call("POST", "/token", redemption(code))[1]


def test_a_person_can_refuse_give_less_or_be_another(simulator: Simulator, call: Call) -> None:
    page = simulator.tokens.consent
    page.decision = Decision(error="access_denied")
    assert consent(simulator) == {"a": ["1"], "state": ["s"], "error": ["access_denied"]}
    simulator.add_mailbox("other@mail.example")
    page.decision = Decision(email="other@mail.example", scopes=("openid",), refresh_token=False)
    tokens = call("POST", "/token", redemption(consent(simulator)["code"][0]))[1]
    assert (tokens["scope"], "refresh_token" in tokens) == ("openid", False)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert call("GET", PROFILE, headers=headers)[1]["emailAddress"] == "other@mail.example"
