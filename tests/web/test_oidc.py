"""Signing in at an OpenID provider, which is the simulator."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from service.api.auth import cookies
from service.api.auth.sessions import COOKIE, LIFETIME, LONGEST_COOKIE
from service.oidc import provider
from service.oidc.people import GOOGLE, People
from service.oidc.provider import LEEWAY_SECONDS
from service.postgres.calls import Session
from service.simulator import Decision, Fault, Simulator
from tests.api.conftest import (
    EMAIL,
    KEY,
    OTHER_EMAIL,
    PATIENCE_SECONDS,
    Running,
    bearer,
    problem,
    serving,
    token,
)
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD

STATUS = "/api/gmail/sync/status"
CLIENT = {"GMAIL_SYNC_OIDC_CLIENT_ID": "us", "GMAIL_SYNC_OIDC_CLIENT_SECRET": "secret"}


def environment(simulator: Simulator, **more: str) -> dict[str, str]:
    return {
        "GMAIL_SYNC_OIDC_ISSUER": simulator.url,
        "GMAIL_SYNC_OIDC_ALLOW": f"{EMAIL}, @example.org",
        "GMAIL_SYNC_OIDC_USER_CLAIM": "email",
        "GMAIL_SYNC_CREDENTIALS_KEYS": KEY,
        **CLIENT,
        **more,
    }


@pytest.fixture
def database(shared_database: str) -> str:
    """Each test needs sessions, and hardly any of them a row."""
    return shared_database


@pytest.fixture(scope="module")
def shared_simulator() -> Iterator[Simulator]:
    with provider_with_people() as simulator:
        yield simulator


@contextmanager
def provider_with_people() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_mailbox(EMAIL)
        simulator.add_mailbox(OTHER_EMAIL)
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Simulator:
    shared_simulator.tokens.consent.decision = Decision()
    return shared_simulator


@pytest.fixture(scope="module")
def shared_running(
    cluster: Cluster, shared_database: str, shared_simulator: Simulator
) -> Iterator[Running]:
    url = cluster.url(shared_database, SERVICE_LOGIN, SERVICE_PASSWORD)
    with serving(url, **environment(shared_simulator)) as running:
        yield running


@pytest.fixture
def running(shared_running: Running, simulator: Simulator) -> Running:
    return shared_running


def browser_at(running: Running) -> httpx.Client:
    return httpx.Client(
        base_url=running.url, headers={"Accept-Language": "en"}, timeout=PATIENCE_SECONDS
    )


@pytest.fixture
def browser(running: Running) -> Iterator[httpx.Client]:
    with browser_at(running) as client:
        yield client


def begun(browser: httpx.Client, return_to: str = "/") -> str:
    """The address of the provider's page."""
    answer = browser.get("/sign-in/provider", params={"return_to": return_to})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def answered(url: str) -> dict[str, str]:
    """What the provider sends back."""
    location = httpx.get(url, timeout=PATIENCE_SECONDS).headers["location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def come_back(browser: httpx.Client, answer: dict[str, str]) -> httpx.Response:
    return browser.get(f"/sign-in/callback?{urlencode(answer)}")


def signed_in(browser: httpx.Client, return_to: str = "/") -> httpx.Response:
    return come_back(browser, answered(begun(browser, return_to)))


def refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


def test_a_person_signs_in_comes_back_and_signs_out(browser: httpx.Client) -> None:
    back = signed_in(browser, "/mail?q=a")
    assert (back.status_code, back.headers["location"]) == (303, "/mail?q=a")
    assert browser.get("/").text.count(EMAIL) >= 1
    assert browser.get(STATUS).status_code == 200
    out = browser.post("/sign-out")
    assert out.headers["location"] == "/sign-in"
    problem(browser.get(STATUS), 401, "not_authenticated")


def test_the_cookie_is_encrypted_and_no_script_reads_it(browser: httpx.Client) -> None:
    back = signed_in(browser)
    (session,) = (
        each for each in back.headers.get_list("set-cookie") if each.startswith(f"{COOKIE}=")
    )
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert f"Max-Age={int(LIFETIME.total_seconds())}" in session
    assert EMAIL not in browser.cookies[COOKIE]
    assert EMAIL.encode().hex() not in browser.cookies[COOKIE]


def test_over_https_the_cookie_belongs_to_the_host(service_url: str, simulator: Simulator) -> None:
    public = {"GMAIL_SYNC_PUBLIC_URL": "https://mail.example.org"}
    with (
        serving(service_url, **environment(simulator, **public)) as running,
        browser_at(running) as browser,
    ):
        answer = browser.get("/sign-in/provider")
        kept = answer.headers["set-cookie"]
        assert kept.startswith(f"{cookies.HOST}gmail_sync_sign_in=")
        assert "Secure" in kept
        asked = parse_qs(urlsplit(answer.headers["location"]).query)
        assert asked["redirect_uri"] == ["https://mail.example.org/sign-in/callback"]
        name, _, value = kept.partition(";")[0].partition("=")
        # The client here speaks http with the service, as a proxy does.
        back = browser.get(
            "/sign-in/callback",
            params=answered(answer.headers["location"]),
            headers={"Cookie": f"{name}={value}"},
        )
        assert f"{cookies.HOST}{COOKIE}=" in back.headers.get_list("set-cookie")[0]


def test_the_request_has_pkce_a_state_and_a_nonce(browser: httpx.Client) -> None:
    asked = parse_qs(urlsplit(begun(browser)).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid email profile"]
    assert asked["response_type"] == ["code"]
    assert all(len(asked[name][0]) >= 43 for name in ("code_challenge", "state", "nonce"))
    again = parse_qs(urlsplit(begun(browser)).query)
    assert all(again[name] != asked[name] for name in ("code_challenge", "state", "nonce"))


@pytest.mark.parametrize("state", ["", "x", "é" * 43])
def test_a_forged_state_is_refused(browser: httpx.Client, state: str) -> None:
    answer = answered(begun(browser)) | {"state": state}
    refused(come_back(browser, answer), 400, "in another browser")


def test_an_answer_is_only_for_the_browser_that_began(
    running: Running, browser: httpx.Client
) -> None:
    answer = answered(begun(browser))
    with browser_at(running) as victim:
        refused(come_back(victim, answer), 400, "in another browser")
        begun(victim)
        refused(come_back(victim, answer), 400, "in another browser")


def test_an_answer_is_taken_once(browser: httpx.Client) -> None:
    answer = answered(begun(browser))
    attempt = dict(browser.cookies)
    assert come_back(browser, answer).status_code == 303
    browser.cookies.clear()
    browser.cookies.update(attempt)
    refused(come_back(browser, answer), 400, "was not accepted")


def test_a_code_of_another_attempt_is_refused(browser: httpx.Client, running: Running) -> None:
    """PKCE: the attacker's code does not fit the verifier of this browser."""
    with browser_at(running) as attacker:
        code = answered(begun(attacker))["code"]
    answer = answered(begun(browser)) | {"code": code}
    refused(come_back(browser, answer), 400, "was not accepted")


CLAIMS = {
    "wrong nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "wrong audience": {"aud": "somebody-else"},
    "several audiences without azp": {"aud": ["us", "another"], "azp": None},
    "another authorized party": {"azp": "another"},
    "wrong issuer": {"iss": "https://elsewhere.example"},
    "expired": {"exp": 1_000_000_000},
    "no expiry": {"exp": None},
    "issued in the future": {"iat": 99_999_999_999},
    "not valid yet": {"nbf": 99_999_999_999},
    "no subject": {"sub": None},
    "another access token": {"at_hash": "x"},
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_token_with_wrong_claims_is_refused(
    browser: httpx.Client, simulator: Simulator, claims: dict[str, object]
) -> None:
    simulator.tokens.consent.decision = Decision(claims=claims)
    refused(signed_in(browser), 400, "was not accepted")


@pytest.mark.parametrize("how", ["none", "unsigned", "stranger", "secret"])
def test_a_token_of_nobody_is_refused(
    browser: httpx.Client, simulator: Simulator, how: str
) -> None:
    simulator.tokens.consent.decision = Decision(forged=how)
    refused(signed_in(browser), 400, "was not accepted")
    simulator.tokens.consent.decision = Decision()
    assert signed_in(browser).status_code == 303


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "else@mail.example"},
        {"email": "else@example.org.evil.example"},
        {"email": "example.org"},
        {"email": "bea@example.org@mail.example"},
        {"email": "bea@e\u212aample.org"},
        {"email": ["bea@example.org"]},
        {"email": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "true"},
    ],
)
def test_an_address_that_is_not_on_the_list_is_refused_in_words(
    browser: httpx.Client, simulator: Simulator, claims: dict[str, object]
) -> None:
    simulator.tokens.consent.decision = Decision(claims=claims)
    refused(signed_in(browser), 403, "may not sign in here")
    problem(browser.get(STATUS), 401, "not_authenticated")


@pytest.mark.parametrize("email", ["bea@example.org", "BEA@Example.ORG"])
def test_a_domain_lets_its_addresses_in(
    browser: httpx.Client, simulator: Simulator, email: str
) -> None:
    simulator.tokens.consent.decision = Decision(claims={"email": email})
    assert signed_in(browser).status_code == 303
    assert "bea@example.org" in browser.get("/").text


def test_a_person_who_refuses_is_not_signed_in(browser: httpx.Client, simulator: Simulator) -> None:
    simulator.tokens.consent.decision = Decision(error="access_denied")
    refused(signed_in(browser), 400, "You did not agree")


def test_the_user_id_is_a_claim_that_must_be_there(
    service_url: str, simulator: Simulator, functions: Session
) -> None:
    named = environment(simulator, GMAIL_SYNC_OIDC_USER_CLAIM="preferred_username")
    with serving(service_url, **named) as running, browser_at(running) as browser:
        refused(signed_in(browser), 403, "did not send the user id")
        simulator.tokens.consent.decision = Decision(claims={"preferred_username": "user-42"})
        assert signed_in(browser).status_code == 303
        functions.value("connect_account", "user-42", "user-42@example.org", b"sealed", "unlimited")
        browser.post("/api/gmail/sync/smart")
        assert browser.get(STATUS).json()["user_id"] == "user-42"


OPERATORS = {
    "address": (EMAIL, {}, True),
    "another address": (OTHER_EMAIL, {}, False),
    "claim": ("role=admin", {"role": "admin"}, True),
    "another value": ("role=admin", {"role": "admin2"}, False),
    "claim with a list": ("groups=mail", {"groups": ["a", "mail"]}, True),
    "a claim within one": ("realm.roles=mail", {"realm": {"roles": ["mail"]}}, True),
    "no claim": ("realm.roles=mail", {"realm": ["roles"]}, False),
    "an address that is not verified": (
        "else@example.org",
        {"email": "else@example.org", "email_verified": False},
        False,
    ),
}


@pytest.mark.parametrize(
    ("operators", "claims", "is_one"), OPERATORS.values(), ids=OPERATORS.keys()
)
def test_operators_are_named_by_address_or_claim(
    service_url: str,
    simulator: Simulator,
    operators: str,
    claims: dict[str, object],
    is_one: bool,
) -> None:
    simulator.tokens.consent.decision = Decision(claims=claims)
    named = environment(
        simulator,
        GMAIL_SYNC_OIDC_OPERATORS=operators,
        GMAIL_SYNC_OIDC_ALLOW="*",
        GMAIL_SYNC_OIDC_USER_CLAIM="sub",
    )
    with serving(service_url, **named) as running, browser_at(running) as browser:
        assert signed_in(browser).status_code == 303
        assert (browser.get("/api/operator/accounts").status_code == 200) is is_one


def test_who_is_taken_off_the_list_is_out(
    service_url: str, simulator: Simulator, browser: httpx.Client
) -> None:
    signed_in(browser)
    session = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    assert browser.get(STATUS).status_code == 200
    elsewhere = environment(simulator, GMAIL_SYNC_OIDC_ALLOW="example.org")
    with serving(service_url, **elsewhere) as running, browser_at(running) as other:
        problem(other.get(STATUS, headers=session), 401, "not_authenticated")


def test_a_session_ends_and_cannot_be_made(
    browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = begun(browser) and browser.cookies["gmail_sync_sign_in"]
    signed_in(browser)
    session = browser.cookies[COOKIE]
    browser.cookies.clear()
    # The cookie of an attempt has the same key.
    for forged in ("", "x", "é", session[:-4], attempt):
        sent = {"Cookie": f"{COOKIE}={forged}".encode()}
        problem(browser.get(STATUS, headers=sent), 401, "not_authenticated")
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + LIFETIME.total_seconds() + 1)
    problem(
        browser.get(STATUS, headers={"Cookie": f"{COOKIE}={session}"}), 401, "not_authenticated"
    )


@contextmanager
def ending_sessions(service_url: str) -> Iterator[tuple[Simulator, Running, httpx.Client]]:
    """A provider of its own, with a page to sign out at."""
    with provider_with_people() as simulator:
        simulator.issuer.ends_sessions = True
        with (
            serving(service_url, **environment(simulator)) as running,
            browser_at(running) as browser,
        ):
            yield simulator, running, browser


def goes_on_at(answer: httpx.Response) -> str:
    """The address at the provider to which a browser goes on."""
    assert answer.status_code == 200
    after, _, url = answer.headers["refresh"].partition("; url=")
    assert after == "0"
    assert f'href="{escape(url)}"' in answer.text
    return url


def test_signing_out_goes_on_at_the_provider_and_comes_back(service_url: str) -> None:
    with ending_sessions(service_url) as (simulator, running, browser):
        signed_in(browser)
        page = goes_on_at(browser.post("/sign-out"))
        problem(browser.get(STATUS), 401, "not_authenticated")
        assert page.startswith(f"{simulator.url}/o/oauth2/v2/logout?id_token_hint=")
        back = httpx.get(page, timeout=PATIENCE_SECONDS)
        assert back.headers["location"] == f"{running.url}/sign-in"
        # Nobody is signed in with the provider now.
        assert browser.post("/sign-out").headers["location"] == "/sign-in"
        browser.post("/sign-in", data={"token": token("bob")})
        assert browser.post("/sign-out").headers["location"] == "/sign-in"


def test_an_id_token_that_is_too_long_for_a_cookie_is_left_out(service_url: str) -> None:
    with ending_sessions(service_url) as (simulator, running, browser):
        simulator.tokens.consent.decision = Decision(claims={"groups": ["g" * 100] * 30})
        assert signed_in(browser).status_code == 303
        assert len(browser.cookies[COOKIE]) < LONGEST_COOKIE
        asked = parse_qs(urlsplit(goes_on_at(browser.post("/sign-out"))).query)
        assert asked == {
            "client_id": ["us"],
            "post_logout_redirect_uri": [f"{running.url}/sign-in"],
        }


def test_a_provider_that_hangs_keeps_nobody_signed_in(
    service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ending_sessions(service_url) as (simulator, _, browser):
        signed_in(browser)
        session = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
        hang = simulator.faults.add(Fault("discovery", "hang", count=9))
        monkeypatch.setattr(provider, "TIMEOUT", (0.2, 0.2))
        # This process knows the page, and does not ask again, however long ago that was.
        later = SimpleNamespace(monotonic=lambda: time.monotonic() + 2 * provider.KEEP_SECONDS)
        monkeypatch.setattr(provider, "time", later)
        goes_on_at(browser.post("/sign-out"))
        assert COOKIE not in browser.cookies
        assert hang.struck == 0
        with (
            serving(service_url, **environment(simulator)) as other,
            browser_at(other) as elsewhere,
        ):
            out = elsewhere.post("/sign-out", headers=session)
            assert out.headers["location"] == "/sign-in"
            assert f'{COOKIE}=""' in out.headers["set-cookie"]


def test_a_page_to_sign_out_at_that_is_no_web_page_is_not_used(
    service_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ending_sessions(service_url) as (simulator, _, browser):
        named = simulator.issuer.metadata(simulator.url)
        named["end_session_endpoint"] = "javascript:alert(1)"
        monkeypatch.setattr(simulator.issuer, "metadata", lambda _: named)
        signed_in(browser)
        assert browser.post("/sign-out").headers["location"] == "/sign-in"


@pytest.mark.parametrize("method", ["discovery", "token", "certs"])
def test_a_provider_that_hangs_is_not_waited_for(
    service_url: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "TIMEOUT", (0.2, 0.2))
    with ending_sessions(service_url) as (simulator, _, browser):
        simulator.faults.add(Fault(method, "hang", count=9))
        begins = method == "discovery"
        answer = browser.get("/sign-in/provider") if begins else signed_in(browser)
        refused(answer, 503, "does not answer")


def test_the_clock_of_the_provider_may_differ_a_little(
    browser: httpx.Client, simulator: Simulator
) -> None:
    for seconds, status in ((LEEWAY_SECONDS / 2, 303), (LEEWAY_SECONDS * 2, 400)):
        ahead, behind = int(time.time() + seconds), int(time.time() - seconds)
        for claims in ({"iat": ahead, "nbf": ahead}, {"iat": behind - 3600, "exp": behind}):
            simulator.tokens.consent.decision = Decision(claims=claims)
            assert signed_in(browser).status_code == status


def test_a_token_goes_before_a_session_and_ends_it(browser: httpx.Client) -> None:
    signed_in(browser)
    answer = browser.get(STATUS, headers=bearer("rubbish"))
    problem(answer, 401, "not_authenticated")
    entered = browser.post("/sign-in", data={"token": token("bob")})
    assert entered.status_code == 303, entered.text
    assert COOKIE not in browser.cookies
    assert "bob" in browser.get("/").text


def test_no_page_of_another_site_changes_anything_by_a_session(browser: httpx.Client) -> None:
    signed_in(browser)
    answer = browser.post("/api/gmail/sync/smart", headers={"Sec-Fetch-Site": "cross-site"})
    problem(answer, 403, "cross_site_request")


def test_a_provider_that_is_away_is_not_asked_all_the_time(service_url: str) -> None:
    with provider_with_people() as gone:
        named = environment(gone)
    with serving(service_url, **named) as running, browser_at(running) as browser:
        for _ in range(3):
            answer = browser.get("/sign-in/provider")
            assert answer.status_code == 503
            assert "does not answer" in answer.text
        warnings = [line for line in running.log if line["event"] == "provider gave no document"]
    assert len(warnings) == 1


def test_a_provider_with_another_name_is_not_believed(
    service_url: str, simulator: Simulator
) -> None:
    elsewhere = simulator.url.replace("127.0.0.1", "localhost")
    named = environment(simulator, GMAIL_SYNC_OIDC_ISSUER=f"{elsewhere}/")
    with serving(service_url, **named) as running, browser_at(running) as browser:
        assert browser.get("/sign-in/provider").status_code == 503


def test_new_keys_of_the_provider_are_fetched(
    browser: httpx.Client, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert signed_in(browser).status_code == 303
    simulator.issuer.rotate()
    monkeypatch.setattr(provider, "PAUSE_SECONDS", 0)
    assert signed_in(browser).status_code == 303


def test_without_a_provider_there_is_no_way_to_one(service_url: str) -> None:
    with serving(service_url) as running, browser_at(running) as browser:
        assert "/sign-in/provider" not in browser.get("/sign-in").text
        assert browser.get("/sign-in/provider").status_code == 404
        assert browser.get("/sign-in/callback").status_code == 404


def test_one_client_serves_sign_in_and_gmail(service_url: str, simulator: Simulator) -> None:
    named = environment(
        simulator,
        GMAIL_SYNC_OIDC_CLIENT_ID="",
        GMAIL_SYNC_OIDC_CLIENT_SECRET="",
        GOOGLE_CLIENT_ID="both",
        GOOGLE_CLIENT_SECRET="secret",
    )
    with serving(service_url, **named) as running, browser_at(running) as browser:
        assert parse_qs(urlsplit(begun(browser)).query)["client_id"] == ["both"]
        assert signed_in(browser).status_code == 303


@pytest.mark.parametrize(
    ("email", "hd", "may"),
    [
        ("bea@example.org", "example.org", True),
        # A private account with the address of somebody who may have left.
        ("bea@example.org", None, False),
        ("bea@example.org", "another.example", False),
        ("ann@example.org", None, True),
        ("bea@gmail.com", None, True),
    ],
)
def test_a_domain_means_the_accounts_that_it_manages_at_google(
    email: str, hd: str | None, may: bool
) -> None:
    people = People(GOOGLE, "sub", ("ann@example.org", "example.org", "gmail.com"))
    claims = {"sub": "1", "email": email, "email_verified": True, "hd": hd}
    if may:
        assert people.person(claims).email == email
    else:
        with pytest.raises(provider.SignInFailed):
            people.person(claims)
