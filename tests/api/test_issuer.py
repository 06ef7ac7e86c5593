"""Tokens of the application's issuer: RS256, with keys that are fetched, kept and replaced."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import jwt
import pytest
from jwt.utils import base64url_encode

from service.api.auth import keys
from tests.api.conftest import Running, bearer, client_of, problem, serving
from tests.api.issuer import AUDIENCE, Answer, LocalIssuer, local_issuer
from tests.api.test_auth_matrix import with_alg
from tests.waiting import PATIENCE_SECONDS, wait_until

STATUS = "/api/gmail/sync/status"


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as issuer:
        yield issuer


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine neither gives up an issuer who answers, nor sees a pause end."""
    monkeypatch.setattr(keys, "FETCH_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 600)


@pytest.fixture
def running(service_url: str, issuer: LocalIssuer) -> Iterator[Running]:
    with serving(service_url, tokens=issuer.environment) as running:
        yield running


def status(http: httpx.Client, token: str) -> httpx.Response:
    return http.get(STATUS, headers=bearer(token))


def test_keys_are_asked_for_once(nobody: httpx.Client, issuer: LocalIssuer) -> None:
    assert nobody.get("/livez").status_code == 200
    assert issuer.asked == 0
    for user_id in ("ann", "bob", "ann"):
        assert status(nobody, issuer.token(user_id)).status_code == 200
    assert issuer.asked == 1


def test_one_of_several_audiences_may_be_ours(nobody: httpx.Client, issuer: LocalIssuer) -> None:
    token = issuer.sign(issuer.claims("ann", aud=["others", AUDIENCE]))
    assert status(nobody, token).status_code == 200


def test_a_token_of_our_own_making_is_refused(running: Running, issuer: LocalIssuer) -> None:
    with client_of(running, "ann") as client:
        problem(client.get(STATUS), 401, "not_authenticated")
    assert issuer.asked == 0


def test_an_operator_is_whom_the_issuer_says(nobody: httpx.Client, issuer: LocalIssuer) -> None:
    token = issuer.sign(issuer.claims("ann", scope="openid operator"))
    assert nobody.get("/api/gmail/sync/health", headers=bearer(token)).status_code == 200
    assert issuer.asked == 1


@pytest.fixture
def impatient(
    monkeypatch: pytest.MonkeyPatch, service_url: str, issuer: LocalIssuer
) -> Iterator[httpx.Client]:
    """A client of a service that keeps keys for a second, and soon asks for them again."""
    monkeypatch.setattr(keys, "KEEP_SECONDS", 1)
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 0.3)
    with (
        serving(service_url, tokens=issuer.environment) as running,
        httpx.Client(base_url=running.url, timeout=PATIENCE_SECONDS) as client,
    ):
        yield client


def test_a_new_key_is_found_by_its_first_tokens_and_the_old_one_forgotten(
    impatient: httpx.Client, issuer: LocalIssuer
) -> None:
    old = issuer.token("ann")
    assert status(impatient, old).status_code == 200
    issuer.rotate("second")
    wait_until(lambda: status(impatient, issuer.token("ann")).status_code == 200)
    wait_until(lambda: status(impatient, old).status_code == 401)


def test_a_key_withdrawn_is_forgotten_without_any_new_one(
    impatient: httpx.Client, issuer: LocalIssuer
) -> None:
    old = issuer.token("ann")
    assert status(impatient, old).status_code == 200
    issuer.rotate("second")
    wait_until(lambda: status(impatient, old).status_code == 401)


def test_bad_tokens_do_not_make_us_ask_again_and_again(
    nobody: httpx.Client, issuer: LocalIssuer
) -> None:
    good = issuer.token("ann")
    for number in range(30):
        bad = issuer.sign(issuer.claims("ann"), kid=f"unknown-{number}")
        problem(status(nobody, bad), 401, "not_authenticated")
        assert status(nobody, good).status_code == 200
    assert issuer.asked == 1


def test_bad_tokens_do_not_ask_an_issuer_who_is_away_either(
    nobody: httpx.Client, issuer: LocalIssuer
) -> None:
    issuer.answer = (503, {}, b"")
    for number in range(30):
        bad = issuer.sign(issuer.claims("ann"), kid=f"unknown-{number}")
        problem(status(nobody, bad), 503, "issuer_unavailable")
    assert issuer.asked == 1


NO_KEYS: dict[str, Answer] = {
    "an error": (500, {}, b"oops"),
    "not found": (404, {}, b"{}"),
    "a page": (200, {}, b"<html>"),
    "no text": (200, {}, b"\xff\xfe\x00"),
    "a list": (200, {}, b"[]"),
    "nothing": (200, {}, b""),
    "cut off": (200, {"Content-Length": "1000"}, b'{"keys": ['),
    "no keys": (200, {}, b'{"keys": []}'),
    "keys that are none": (200, {}, b'{"keys": ["a", 7, {}]}'),
    "a redirection": (302, {"Location": "http://127.0.0.1:1/"}, b""),
    "too deep": (200, {}, b"[" * 100_000),
}


@pytest.mark.parametrize("answer", NO_KEYS.values(), ids=NO_KEYS)
def test_without_the_keys_nobody_is_let_in_until_they_come(
    impatient: httpx.Client, issuer: LocalIssuer, answer: Answer
) -> None:
    issuer.answer = answer
    refused = status(impatient, issuer.token("ann"))
    problem(refused, 503, "issuer_unavailable")
    assert refused.headers["retry-after"]
    assert impatient.get("/api/gmail/sync/health").status_code == 200
    issuer.answer = None
    wait_until(lambda: status(impatient, issuer.token("ann")).status_code == 200)


def test_an_issuer_who_is_gone_is_said_to_be_away_and_logged(
    nobody: httpx.Client, issuer: LocalIssuer, running: Running
) -> None:
    token = issuer.sign(issuer.claims("ann", scope="operator"))
    issuer.stop()
    problem(status(nobody, token), 503, "issuer_unavailable")
    problem(status(nobody, token), 503, "issuer_unavailable")
    assert nobody.get("/api/gmail/sync/health", headers=bearer(token)).status_code == 200
    told = [line for line in running.log if line["event"] == "issuer gave no keys"]
    assert [line["level"] for line in told] == ["warning"]
    assert token not in str(running.log)


def test_an_issuer_who_goes_away_later_is_not_missed(
    nobody: httpx.Client, issuer: LocalIssuer
) -> None:
    assert status(nobody, issuer.token("ann")).status_code == 200
    issuer.answer = (503, {}, b"")
    assert status(nobody, issuer.token("bob")).status_code == 200


def test_an_issuer_who_does_not_answer_is_given_up(
    impatient: httpx.Client, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "FETCH_SECONDS", 0.3)
    issuer.may_answer.clear()
    problem(status(impatient, issuer.token("ann")), 503, "issuer_unavailable")
    issuer.may_answer.set()
    wait_until(lambda: status(impatient, issuer.token("ann")).status_code == 200)


def test_a_slow_issuer_is_asked_once_and_holds_up_nobody_else(
    nobody: httpx.Client, issuer: LocalIssuer
) -> None:
    issuer.may_answer.clear()
    token = issuer.token("ann")
    with ThreadPoolExecutor(50) as threads:
        waiting = [threads.submit(status, nobody, token) for _ in range(50)]
        wait_until(lambda: issuer.asked)
        assert nobody.get("/livez").status_code == 200
        assert nobody.get("/api/scheduler/status").status_code == 200
        assert not any(each.done() for each in waiting)
        issuer.may_answer.set()
        assert {each.result(60).status_code for each in waiting} == {200}
    assert issuer.asked == 1


def test_a_flood_of_unknown_keys_holds_up_nobody_else_while_the_issuer_hangs(
    service_url: str, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each unknown key is asked for, else the flood would be over with the first.
    monkeypatch.setattr(keys, "PAUSE_SECONDS", 0)
    unknown = issuer.sign(issuer.claims("mallory", scope="operator"), kid="unknown")
    with (
        serving(service_url, tokens=issuer.environment) as running,
        httpx.Client(base_url=running.url, timeout=PATIENCE_SECONDS) as http,
        httpx.Client(
            base_url=running.url, timeout=PATIENCE_SECONDS, limits=httpx.Limits()
        ) as flood,
        ThreadPoolExecutor(60) as threads,
    ):
        good = issuer.token("ann")
        assert status(http, good).status_code == 200
        issuer.may_answer.clear()
        waiting = [threads.submit(status, flood, unknown) for _ in range(60)]
        wait_until(lambda: issuer.asked > 1)
        assert status(http, good).status_code == 200
        for path in ("/livez", "/readyz", "/api/gmail/sync/health", "/api/scheduler/status"):
            assert http.get(path).status_code == 200
        assert not any(each.done() for each in waiting)
        monkeypatch.setattr(keys, "FETCH_SECONDS", 0.5)
        assert http.get("/api/gmail/sync/health", headers=bearer(unknown)).status_code == 200
        issuer.answer = (503, {}, b"")
        issuer.may_answer.set()
        assert {each.result(60).status_code for each in waiting} == {503}


def test_a_secret_among_the_keys_is_no_key(nobody: httpx.Client, issuer: LocalIssuer) -> None:
    """A public secret: each of its readers could sign."""
    secret = b"0123456789abcdef0123456789abcdef"
    published = json.loads(issuer.jwks())["keys"]
    published.append({"kty": "oct", "kid": "oct", "k": base64url_encode(secret).decode()})
    issuer.answer = (200, {}, json.dumps({"keys": published}).encode())
    token = jwt.encode(issuer.claims("ann"), secret, "HS256", headers={"kid": "oct"})
    assert status(nobody, issuer.token("ann")).status_code == 200
    problem(status(nobody, token), 401, "not_authenticated")
    problem(status(nobody, with_alg(token, "RS256")), 401, "not_authenticated")
