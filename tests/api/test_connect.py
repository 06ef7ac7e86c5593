"""Connecting Gmail through the consent page of the simulator, as a browser does."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.fernet import Fernet

from service.accounts.connect import ATTEMPT_LIFETIME
from service.api.auth.tokens import COOKIE
from service.api.connect import ATTEMPTS
from service.config import ConfigError
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.google.consent import READ_MAIL, consent_uri
from service.postgres.calls import Connection, Session
from service.simulator import Decision, Fault, Simulator
from tests.api.browser import Browser
from tests.api.conftest import (
    EMAIL,
    KEY,
    OTHER_EMAIL,
    PATIENCE_SECONDS,
    Running,
    bearer,
    client_of,
    configuration,
    problem,
    serving,
    token,
)


def cookies(browser: Browser) -> dict[str, str]:
    """The header of a browser that has set out."""
    return {"Cookie": "; ".join("=".join(each) for each in browser.attempts().items())}


@pytest.fixture
def browser(running: Running) -> Iterator[Browser]:
    with Browser(running, "ann") as browser:
        yield browser


def stored(db: Connection, user_id: str = "ann") -> dict[str, object]:
    row = db.execute(
        "select credentials from gmail_sync.account where user_id = %s", [user_id]
    ).fetchone()
    assert row is not None
    opened: dict[str, object] = json.loads(Fernet(KEY).decrypt(row["credentials"]))
    return opened


def nothing_is_connected(functions: Session, db: Connection) -> bool:
    runs = db.execute("select * from gmail_sync.user_sync_status").fetchall()
    return functions.rows("list_accounts") == [] and runs == []


def test_connecting_stores_the_account_and_starts_its_first_sync(
    browser: Browser, functions: Session, db: Connection
) -> None:
    assert browser.connect() == "/"
    (account,) = functions.rows("list_accounts", "ann")
    assert (account["email"], account["status"]) == (EMAIL, "connected")
    (run,) = functions.rows("sync_status", "ann")
    assert (run["phase"], run["sync_type"], run["source"]) == ("queued", "full", "api")
    assert set(stored(db)) == {"token", "refresh_token", "expiry"}
    charged = db.execute("select units from gmail_sync.quota_charge where user_id = 'ann'")
    assert charged.fetchall() == [{"units": 1}]


def test_google_is_asked_for_reading_offline_with_pkce(browser: Browser, running: Running) -> None:
    url = urlsplit(browser.begin())
    asked = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert len(asked.pop("state")) >= 43
    assert len(asked.pop("code_challenge")) == 43
    assert url.path == "/o/oauth2/v2/auth"
    assert asked == {
        "response_type": "code",
        "client_id": "client",
        "redirect_uri": f"{running.url}/api/gmail/callback",
        "scope": READ_MAIL,
        "access_type": "offline",
        "prompt": "consent",
        "code_challenge_method": "S256",
    }


def test_google_itself_serves_the_page_under_another_name_than_tokens() -> None:
    page = "https://accounts.google.com/o/oauth2/v2/auth"
    assert consent_uri("https://oauth2.googleapis.com/token") == page
    assert consent_uri("http://127.0.0.1:1/token") == "http://127.0.0.1:1/o/oauth2/v2/auth"


def test_a_page_that_fetches_is_told_the_address(running: Running, browser: Browser) -> None:
    answer = browser.http.get(
        f"{running.url}/api/gmail/connect",
        headers={**bearer(token("ann")), "Accept": "application/json"},
    )
    assert answer.status_code == 200
    assert browser.complete(browser.consent(answer.json()["authorization_url"])).is_redirect
    assert answer.headers["cache-control"] == "no-store"


def test_the_cookie_is_out_of_reach_and_says_nothing(running: Running, browser: Browser) -> None:
    page = browser.http.get(f"{running.url}/api/gmail/connect", headers=bearer(token("ann")))
    ((name, cookie),) = SimpleCookie(page.headers["set-cookie"]).items()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert cookie["max-age"] == "600"
    assert not cookie["secure"]
    state = parse_qs(urlsplit(page.headers["location"]).query)["state"][0]
    assert name == f"gmail_sync_connect_{state[:8]}"
    assert "ann" not in cookie.value
    assert state not in cookie.value


def test_the_cookie_is_of_this_host_alone_where_browsers_come_by_https(
    service_url: str, google: Google
) -> None:
    with (
        serving(
            service_url, google=google, GMAIL_SYNC_PUBLIC_URL="https://mail.example"
        ) as running,
        client_of(running, "ann") as client,
    ):
        answer = client.get("/api/gmail/connect")
        ((name, cookie),) = SimpleCookie(answer.headers["set-cookie"]).items()
        assert name.startswith("__Host-gmail_sync_connect_")
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
        assert answer.headers["strict-transport-security"]
        asked = parse_qs(urlsplit(answer.headers["location"]).query)
        assert asked["redirect_uri"] == ["https://mail.example/api/gmail/callback"]

        def back(name: str) -> httpx.Response:
            query = {"state": asked["state"][0], "error": "access_denied"}
            sent = {"Cookie": f"{name}={cookie.value}"}
            return client.get("/api/gmail/callback", params=query, headers=sent)

        # Anybody on the way can have set it.
        problem(back(name.removeprefix("__Host-")), 400, "connect_expired")
        answer = back(name)
    assert answer.headers["location"] == "/?connect_error=access_denied"
    assert f"{name}=" in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_one_comes_back_to_a_path_of_ours(browser: Browser, simulator: Simulator) -> None:
    assert browser.connect(return_to="/settings?tab=mail#gmail") == "/settings?tab=mail#gmail"
    simulator.tokens.consent.decision = Decision(error="access_denied")
    assert (
        browser.connect(return_to="/settings?tab=mail#gmail")
        == "/settings?tab=mail&connect_error=access_denied#gmail"
    )


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/a\r\nSet-Cookie: x=1",
        "/a\n",
        "/\n",
        "/a\tb",
        "/ä",
        "/" + "a" * 300,
    ],
)
def test_nobody_is_sent_elsewhere(running: Running, elsewhere: str) -> None:
    with client_of(running, "ann") as client:
        answer = client.get("/api/gmail/connect", params={"return_to": elsewhere})
    problem(answer, 400, "invalid_request")
    assert "set-cookie" not in answer.headers


def test_a_person_who_refuses_has_connected_nothing(
    browser: Browser, simulator: Simulator, functions: Session, db: Connection
) -> None:
    simulator.tokens.consent.decision = Decision(error="access_denied")
    assert browser.connect() == "/?connect_error=access_denied"
    assert nothing_is_connected(functions, db)
    assert simulator.requests.methods["token"] == 0


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (Decision(error="admin_policy_enforced"), "admin_refused"),
        (Decision(error="server_error"), "consent_failed"),
        (Decision(scopes=()), "scope_missing"),
        (Decision(scopes=("openid", f"{READ_MAIL}.not")), "scope_missing"),
        (Decision(refresh_token=False), "no_refresh_token"),
        (Decision(email="gone@mail.example"), "transient"),
    ],
)
def test_a_consent_that_is_not_enough_is_refused(
    browser: Browser,
    simulator: Simulator,
    functions: Session,
    db: Connection,
    decision: Decision,
    code: str,
) -> None:
    simulator.tokens.consent.decision = decision
    assert browser.connect() == f"/?connect_error={code}"
    assert nothing_is_connected(functions, db)


def test_more_rights_than_asked_for_are_no_mistake(browser: Browser, simulator: Simulator) -> None:
    simulator.tokens.consent.decision = Decision(scopes=("openid", READ_MAIL))
    assert browser.connect() == "/"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("token", "error", status=503), "google_unavailable"),
        (Fault("token", "html", status=502), "google_unavailable"),
        (Fault("token", "html", status=200), "google_unavailable"),
        (Fault("token", "drop"), "google_unavailable"),
        (Fault("token", "truncate"), "google_unavailable"),
        (Fault("getProfile", "error", status=503), "transient"),
        (Fault("getProfile", "error", status=403, reason="accessNotConfigured"), "api_disabled"),
        (Fault("getProfile", "error", status=403, reason="domainPolicy"), "admin_refused"),
        (Fault("token", "error", status=401, reason="deleted_client"), "client_gone"),
        (Fault("token", "error", status=403, reason="org_internal"), "client_restricted"),
        (Fault("token", "error", status=400, reason="of_tomorrow"), "google_refused"),
        (Fault("token", "error", status=403, reason="rate_limit_exceeded"), "google_unavailable"),
    ],
)
def test_google_s_troubles_are_told_and_leave_nothing(
    browser: Browser,
    simulator: Simulator,
    functions: Session,
    db: Connection,
    running: Running,
    fault: Fault,
    code: str,
) -> None:
    simulator.faults.add(fault)
    assert browser.connect() == f"/?connect_error={code}"
    assert nothing_is_connected(functions, db)
    line = next(line for line in running.log if line["event"] == "no account connected")
    assert (line["user_id"], line["code"]) == ("ann", code)


def test_an_answer_with_another_state_is_refused(
    browser: Browser, simulator: Simulator, functions: Session, db: Connection
) -> None:
    location = browser.consent(browser.begin())
    state = parse_qs(urlsplit(location).query)["state"][0]
    another = "y" if state[0] == "x" else "x"
    for other in ("", state[:8], state[:-1], f"{state}x", another + state[1:], "ä"):
        tampered = location.replace(f"state={state}", f"state={other}")
        problem(browser.complete(tampered), 400, "connect_expired")
    assert nothing_is_connected(functions, db)
    assert simulator.requests.methods["token"] == 0
    # Nor is the attempt over for it.
    assert browser.complete(location).headers["location"] == "/"


def test_an_answer_cannot_be_slipped_into_another_browser(
    browser: Browser, running: Running, functions: Session, db: Connection
) -> None:
    """Mallory's mailbox would receive what Ann trusts to be hers."""
    with Browser(running, "mallory") as mallory:
        location = mallory.consent(mallory.begin())
    problem(browser.complete(location), 400, "connect_expired")
    browser.begin()
    problem(browser.complete(location), 400, "connect_expired")
    assert nothing_is_connected(functions, db)


def test_an_answer_is_taken_from_whoever_is_signed_in_only_if_it_is_the_same_person(
    browser: Browser, simulator: Simulator, functions: Session, db: Connection
) -> None:
    location = browser.consent(browser.begin())
    for other in ({"Cookie": f"{COOKIE}={token('bob', 'operator')}"}, bearer(token("bob"))):
        if "Cookie" in other:
            other["Cookie"] += f"; {cookies(browser)['Cookie']}"
        problem(browser.http.get(location, headers=other), 403, "another_user")
    assert nothing_is_connected(functions, db)
    assert simulator.requests.methods["token"] == 0
    browser.http.cookies.set(COOKIE, token("ann"))
    assert browser.complete(location).headers["location"] == "/"
    assert [row["user_id"] for row in functions.rows("list_accounts")] == ["ann"]


@pytest.mark.parametrize("lifetime", [-1, None])
def test_a_token_that_is_none_is_as_nobody_s(browser: Browser, lifetime: int | None) -> None:
    """A user who began with a bearer token has no other; the encrypted cookie names the user."""
    value = token("bob", lifetime=timedelta(seconds=lifetime)) if lifetime else "rubbish"
    browser.http.cookies.set(COOKIE, value)
    assert browser.connect() == "/"


def test_an_answer_counts_once(browser: Browser, simulator: Simulator, functions: Session) -> None:
    location = browser.consent(browser.begin())
    (name,) = browser.attempts()
    answer = browser.complete(location)
    assert answer.headers["location"] == "/"
    assert f'{name}=""; HttpOnly; Max-Age=0' in answer.headers["set-cookie"]
    assert browser.attempts() == {}
    problem(browser.complete(location), 400, "connect_expired")


def test_a_code_that_was_used_is_refused_even_with_its_cookie(browser: Browser) -> None:
    location = browser.consent(browser.begin())
    sent = cookies(browser)
    assert httpx.get(location, headers=sent, timeout=PATIENCE_SECONDS).headers["location"] == "/"
    again = httpx.get(location, headers=sent, timeout=PATIENCE_SECONDS)
    assert again.headers["location"] == "/?connect_error=google_refused"


def test_two_tabs_come_back_each_to_its_own_page(browser: Browser, functions: Session) -> None:
    first = browser.consent(browser.begin(return_to="/first"))
    second = browser.consent(browser.begin(return_to="/second"))
    assert len(browser.attempts()) == 2
    assert browser.complete(second).headers["location"] == "/second"
    assert browser.complete(first).headers["location"] == "/first"
    assert functions.rows("list_accounts", "ann")[0]["status"] == "connected"


def test_a_browser_keeps_no_more_attempts_than_a_header_holds(browser: Browser) -> None:
    pages = [browser.begin(return_to=f"/{number}") for number in range(ATTEMPTS + 2)]
    assert len(browser.attempts()) == ATTEMPTS
    problem(browser.complete(browser.consent(pages[1])), 400, "connect_expired")
    assert browser.complete(browser.consent(pages[2])).headers["location"] == "/2"
    assert browser.complete(browser.consent(pages[-1])).headers["location"].startswith("/")


def test_a_code_without_its_verifier_is_worth_nothing(
    browser: Browser, running: Running, google: Google, functions: Session, db: Connection
) -> None:
    """A code that was overheard, offered with a cookie of one's own."""
    code = parse_qs(urlsplit(browser.consent(browser.begin())).query)["code"][0]
    with Browser(running, "mallory") as mallory:
        state = parse_qs(urlsplit(mallory.begin()).query)["state"][0]
        query = httpx.QueryParams(state=state, code=code)
        answer = mallory.complete(f"{running.url}/api/gmail/callback?{query}")
    assert answer.headers["location"] == "/?connect_error=google_refused"
    assert nothing_is_connected(functions, db)


@pytest.mark.parametrize("age", [int(ATTEMPT_LIFETIME.total_seconds()) + 1, -120])
def test_a_cookie_of_another_time_is_none(running: Running, browser: Browser, age: int) -> None:
    location = browser.consent(browser.begin())
    fernet = Fernet(KEY)
    ((name, sealed),) = browser.attempts().items()
    at = fernet.extract_timestamp(sealed.encode()) - age
    old = fernet.encrypt_at_time(fernet.decrypt(sealed), at).decode()
    answer = httpx.get(location, headers={"Cookie": f"{name}={old}"}, timeout=PATIENCE_SECONDS)
    problem(answer, 400, "connect_expired")


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "rubbish",
        "ä",
        Fernet(KEY).encrypt(b"{}").decode(),
        # Credentials are sealed with the same keys.
        CredentialCipher([KEY]).encrypt({"token": "t", "refresh_token": "r"}).decode(),
        CredentialCipher([Fernet.generate_key().decode()])
        .encrypt({"user_id": "ann", "state": "s", "verifier": "v", "return_to": "/"})
        .decode(),
    ],
    ids=["empty", "rubbish", "no ascii", "no attempt", "credentials", "another key"],
)
def test_a_cookie_that_we_did_not_make_is_none(running: Running, forged: str) -> None:
    url = f"{running.url}/api/gmail/callback?state=s&code=c"
    sent = {b"Cookie": f"gmail_sync_connect_s={forged}".encode()}
    answer = httpx.get(url, headers=sent, timeout=PATIENCE_SECONDS)
    problem(answer, 400, "connect_expired")


def test_a_user_id_may_be_as_long_as_it_may(running: Running, functions: Session) -> None:
    """A cookie holds 4,096 bytes."""
    user_id = "\U0001f4e7" * 255
    with Browser(running, user_id) as browser:
        assert browser.connect(return_to="/" + "a" * 299) == "/" + "a" * 299
    assert functions.rows("list_accounts", user_id)[0]["email"] == EMAIL


def test_connecting_again_keeps_cursor_queue_and_settings(
    browser: Browser, functions: Session, db: Connection
) -> None:
    browser.connect()
    task_id = functions.rows("sync_status", "ann")[0]["task_id"]
    functions.value("cancel_sync", task_id)
    db.execute(
        "update gmail_sync.account set history_id = 7, status = 'reauth_required',"
        " status_reason = 'revoked', quota_profile = 'google-legacy'"
    )
    before = stored(db)["refresh_token"]
    page = browser.begin()
    assert parse_qs(urlsplit(page).query)["login_hint"] == [EMAIL]
    assert browser.complete(browser.consent(page)).headers["location"] == "/"
    (account,) = functions.rows("list_accounts", "ann")
    assert (account["status"], account["status_reason"]) == ("connected", None)
    assert (account["history_id"], account["quota_profile"]) == (7, "google-legacy")
    assert stored(db)["refresh_token"] != before
    (run,) = functions.rows("sync_status", "ann")
    assert (run["sync_type"], run["is_syncing"]) == ("incremental", True)


def test_another_mailbox_is_refused_and_the_first_stays_connected(
    browser: Browser, simulator: Simulator, functions: Session, db: Connection
) -> None:
    browser.connect()
    before = stored(db)
    simulator.tokens.consent.decision = Decision(email=OTHER_EMAIL)
    assert browser.connect() == "/?connect_error=another_mailbox"
    assert functions.rows("list_accounts", "ann")[0]["email"] == EMAIL
    assert stored(db) == before


def test_one_person_s_second_mailbox_is_another_user_id_s(
    running: Running, browser: Browser, simulator: Simulator, functions: Session
) -> None:
    browser.connect()
    simulator.tokens.consent.decision = Decision(email=OTHER_EMAIL)
    with Browser(running, "ann/work") as work:
        assert work.connect() == "/"
    accounts = {row["user_id"]: row["email"] for row in functions.rows("list_accounts")}
    assert accounts == {"ann": EMAIL, "ann/work": OTHER_EMAIL}


def test_who_sets_out_again_and_again_is_told_to_wait(
    browser: Browser, running: Running, db: Connection
) -> None:
    db.execute("update gmail_sync.settings set max_connects_a_minute = 2")
    browser.begin()
    browser.begin()
    with client_of(running, "ann") as client:
        refused = client.get("/api/gmail/connect")
    problem(refused, 429, "too_many_requests")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert "set-cookie" not in refused.headers
    with Browser(running, "bob") as bob:
        assert bob.connect() == "/"


def test_who_guesses_codes_is_soon_asked_to_wait_and_google_is_spared(
    browser: Browser, running: Running, simulator: Simulator, db: Connection
) -> None:
    db.execute("update gmail_sync.settings set max_connects_a_minute = 3")
    location = browser.consent(browser.begin())
    sent = cookies(browser)

    def guess(number: int) -> str:
        guessed = httpx.URL(location).copy_set_param("code", f"guess-{number}")
        return httpx.get(guessed, headers=sent, timeout=PATIENCE_SECONDS).headers["location"]

    with ThreadPoolExecutor(10) as threads:
        said = Counter(threads.map(guess, range(10)))
    assert said == {
        "/?connect_error=google_refused": 3,
        "/?connect_error=too_many_requests": 7,
    }
    assert simulator.requests.methods["token"] == 3


def test_an_account_is_connected_even_when_no_run_may_start(
    browser: Browser, functions: Session, db: Connection
) -> None:
    db.execute("update gmail_sync.settings set max_starts_a_minute = 1")
    functions.value("cancel_sync", functions.rows("start_sync", "ann", False, "api")[0]["task_id"])
    assert browser.connect() == "/"
    assert functions.rows("list_accounts", "ann")[0]["status"] == "connected"


def test_connecting_needs_to_be_set_up(service_url: str, google: Google) -> None:
    with serving(service_url) as running, client_of(running, "ann") as client:
        for path in ("/api/gmail/connect", "/api/gmail/callback?state=s&code=c"):
            body = problem(client.get(path), 404, "connect_not_configured")
            assert "GMAIL_SYNC_PUBLIC_URL" in body["detail"]
        assert client.get("/api/gmail/connection").json()["can_connect"] is False


def test_no_line_of_the_log_holds_a_secret(
    browser: Browser, running: Running, db: Connection
) -> None:
    location = browser.consent(browser.begin())
    (cookie,) = browser.attempts().values()
    browser.complete(location)
    browser.complete(location)
    answer = parse_qs(urlsplit(location).query)
    attempt = json.loads(Fernet(KEY).decrypt(cookie.encode()))
    secrets = [*answer["code"], *answer["state"], attempt["verifier"], cookie]
    secrets += [str(stored(db)[name]) for name in ("token", "refresh_token")]
    assert [secret for secret in secrets if secret in str(running.log)] == []


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "ftp://mail.example",
        "http://mail.example",
        "http://127.0.0.1.example",
        "https://mail.example?a=b",
        "https://mail.example/a#b",
        "https://user@mail.example",
        "https://mail.example:99999",
        "https://mail..example",
        "https://mail.example//sync",
        "https://mail.example/../sync",
        "https://mail.example/a;b",
        "https://mail.example/%2e",
        "https://mail.example/é",
    ],
)
def test_a_public_address_that_cannot_be_one_is_told_at_start(url: str) -> None:
    with pytest.raises(ConfigError, match=r"GMAIL_SYNC_PUBLIC_URL (is|has)"):
        configuration("postgresql://x", GMAIL_SYNC_PUBLIC_URL=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://mail.example/",
        "https://mail.example/sync/",
        "https://Mail.example:8443/~ann/gmail-1.0",
        "http://localhost:8000",
        "http://[::1]:8000",
        "",
    ],
)
def test_a_public_address_is_kept_without_its_slash(url: str) -> None:
    assert configuration("postgresql://x", GMAIL_SYNC_PUBLIC_URL=url).public_url == url.rstrip("/")
