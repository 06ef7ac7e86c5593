"""POST /api/gmail/push: who may, what is understood, and which runs it starts."""

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from service.config import ConfigError
from service.postgres.calls import Connection, Row, Session
from service.simulator import Fault, Simulator
from service.simulator.oidc import OidcIssuer
from tests.api.conftest import (
    Running,
    bearer,
    claim,
    configuration,
    connect_account,
    problem,
    serving,
)
from tests.waiting import PATIENCE_SECONDS, wait_until

AUDIENCE = "https://sync.example.org/api/gmail/push"
ACCOUNT = "push@my-project.iam.gserviceaccount.com"
ANN = "ann@example.org"
LATER = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
EARLIER = int((datetime.now(UTC) - timedelta(hours=2)).timestamp())

Push = Callable[..., httpx.Response]


@pytest.fixture
def keeper() -> Iterator[Simulator]:
    """A sender with Google's keys."""
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def pushed(service_url: str, keeper: Simulator) -> Iterator[Running]:
    environment = {
        "GMAIL_SYNC_OAUTH_ENDPOINT": keeper.url,
        "GMAIL_SYNC_PUSH_AUDIENCE": AUDIENCE,
        "GMAIL_SYNC_PUSH_SERVICE_ACCOUNT": ACCOUNT,
    }
    with serving(service_url, **environment) as running:
        yield running


@pytest.fixture
def push(pushed: Running, keeper: Simulator) -> Iterator[Push]:
    """Sends what Pub/Sub sends; `body` and `token` in place of the right ones."""
    with httpx.Client(base_url=pushed.url, timeout=PATIENCE_SECONDS) as client:

        def push(
            email: str = ANN,
            history_id: object = 1000,
            body: bytes | None = None,
            token: str | None = None,
        ) -> httpx.Response:
            sent = envelope({"emailAddress": email, "historyId": history_id})
            return client.post(
                "/api/gmail/push",
                content=sent if body is None else body,
                headers=bearer(token or keeper.issuer.token(AUDIENCE, ACCOUNT)),
            )

        yield push


def envelope(said: object) -> bytes:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    return json.dumps(
        {
            "message": {
                "data": urlsafe_b64encode(data).decode(),
                "messageId": "2070443601311540",
                "message_id": "2070443601311540",
                "publishTime": "2026-02-26T19:13:55.749Z",
            },
            "subscription": "projects/my-project/subscriptions/gmail",
            "deliveryAttempt": 3,
        }
    ).encode()


def runs(db: Connection) -> list[Row]:
    return db.execute("select * from gmail_sync.user_sync_status order by started_at").fetchall()


def set_cursor(db: Connection, history_id: int) -> None:
    db.execute("update gmail_sync.account set history_id = %s", [history_id])


def hs256_with_the_public_key(keeper: OidcIssuer) -> str:
    """The confusion of algorithms: PyJWT does not make such a token, so by hand."""
    public = keeper.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = {"alg": "HS256", "typ": "JWT", "kid": keeper.key_id}
    claims = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "email": ACCOUNT,
              "email_verified": True, "iat": EARLIER, "exp": LATER}  # fmt: skip
    signed = b".".join(
        urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)
    )
    digest = hmac.digest(public, signed, "sha256")
    return (signed + b"." + urlsafe_b64encode(digest).rstrip(b"=")).decode()


def unsigned(keeper: OidcIssuer) -> str:
    claims = jwt.decode(keeper.token(AUDIENCE, ACCOUNT), options={"verify_signature": False})
    return jwt.encode(claims, None, "none", headers={"kid": keeper.key_id})


def with_a_key_of_its_own(keeper: OidcIssuer) -> str:
    stranger = OidcIssuer()
    stranger.key_id = keeper.key_id
    return stranger.token(AUDIENCE, ACCOUNT)


BAD_TOKENS: dict[str, Callable[[OidcIssuer], str]] = {
    "no token": lambda keeper: "abc",
    "three parts of nothing": lambda keeper: "..",
    "wrong audience": lambda keeper: keeper.token("https://elsewhere.example", ACCOUNT),
    "no audience": lambda keeper: keeper.token(None, ACCOUNT),  # type: ignore[arg-type]
    "wrong issuer": lambda keeper: keeper.token(AUDIENCE, ACCOUNT, iss="https://evil.example"),
    "wrong address": lambda keeper: keeper.token(AUDIENCE, "other@my-project.example"),
    "address in other letters": lambda keeper: keeper.token(AUDIENCE, ACCOUNT.upper()),
    "no address": lambda keeper: keeper.token(AUDIENCE, None),  # type: ignore[arg-type]
    "unverified": lambda keeper: keeper.token(AUDIENCE, ACCOUNT, email_verified=False),
    "verified in words": lambda keeper: keeper.token(AUDIENCE, ACCOUNT, email_verified="true"),
    "expired": lambda keeper: keeper.token(AUDIENCE, ACCOUNT, iat=EARLIER, exp=EARLIER + 3600),
    "of tomorrow": lambda keeper: keeper.token(AUDIENCE, ACCOUNT, iat=LATER, exp=LATER + 3600),
    "alg none": unsigned,
    "HS256 with the public key": hs256_with_the_public_key,
    "unknown kid": lambda keeper: OidcIssuer().token(AUDIENCE, ACCOUNT),
    "known kid, another key": with_a_key_of_its_own,
}


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_push_with_a_bad_token_is_refused(
    push: Push, keeper: Simulator, functions: Session, db: Connection, bad: Callable[..., str]
) -> None:
    connect_account(functions, "ann")
    problem(push(token=bad(keeper.issuer)), 401, "not_authenticated")
    assert runs(db) == []


def test_a_push_without_a_token_is_refused(pushed: Running) -> None:
    for header in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = httpx.post(
            f"{pushed.url}/api/gmail/push", content=b"{}", headers=header, timeout=PATIENCE_SECONDS
        )
        problem(answer, 401, "not_authenticated")


@pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
def test_a_push_of_our_subscription_starts_a_run(
    push: Push, keeper: Simulator, functions: Session, db: Connection, issuer: str
) -> None:
    connect_account(functions, "ann")
    answer = push(token=keeper.issuer.token(AUDIENCE, ACCOUNT, iss=issuer))
    assert (answer.status_code, answer.content) == (204, b"")
    assert [(run["user_id"], run["source"]) for run in runs(db)] == [("ann", "push")]


def test_google_is_asked_for_its_keys_once(push: Push, keeper: Simulator) -> None:
    for _ in range(5):
        assert push().status_code == 204
    for _ in range(5):
        push(token=OidcIssuer().token(AUDIENCE, ACCOUNT))
    assert keeper.requests.methods["certs"] == 1


@pytest.mark.parametrize(
    "fault",
    [Fault("certs", "error", status=503), Fault("certs", "drop"), Fault("certs", "html"),
     Fault("certs", "cut")],
    ids=lambda fault: fault.action,
)  # fmt: skip
def test_while_google_s_keys_cannot_be_had_a_push_is_to_come_again(
    push: Push,
    keeper: Simulator,
    functions: Session,
    db: Connection,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    monkeypatch.setattr("service.api.auth.keys.PAUSE_SECONDS", 0)
    connect_account(functions, "ann")
    keeper.faults.add(fault)
    answer = push()
    problem(answer, 503, "google_unreachable")
    assert answer.headers["retry-after"] == "10"
    assert runs(db) == []
    keeper.faults.clear()
    assert push().status_code == 204
    assert len(runs(db)) == 1


def test_while_the_database_is_away_a_push_is_to_come_again(
    keeper: Simulator, service_url: str
) -> None:
    environment = {
        "GMAIL_SYNC_OAUTH_ENDPOINT": keeper.url,
        "GMAIL_SYNC_PUSH_AUDIENCE": AUDIENCE,
        "GMAIL_SYNC_PUSH_SERVICE_ACCOUNT": ACCOUNT,
    }
    with serving("postgresql://nobody@127.0.0.1:1/none", **environment) as running:
        answer = httpx.post(
            f"{running.url}/api/gmail/push",
            content=envelope({"emailAddress": ANN, "historyId": 1}),
            headers=bearer(keeper.issuer.token(AUDIENCE, ACCOUNT)),
            timeout=PATIENCE_SECONDS,
        )
    assert answer.status_code == 503


def test_without_configuration_there_is_nothing_here(nobody: httpx.Client) -> None:
    body = problem(nobody.post("/api/gmail/push", content=b"{}"), 404, "push_not_configured")
    assert "GMAIL_SYNC_PUSH_AUDIENCE" in body["detail"]


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"hello",
    "a list": b"[]",
    "no message": b"{}",
    "no data": b'{"message": {}}',
    "data that is no text": b'{"message": {"data": 5}}',
    "data that is no base64": b'{"message": {"data": "%%%"}}',
    "data that is not ASCII": '{"message": {"data": "ä"}}'.encode(),
    "no JSON within": envelope(b"hello"),
    "a list within": envelope([]),
    "no address": envelope({"historyId": 1}),
    "no history id": envelope({"emailAddress": ANN}),
    "a negative history id": envelope({"emailAddress": ANN, "historyId": -1}),
    "a broken history id": envelope({"emailAddress": ANN, "historyId": 1.5}),
    "words for a history id": envelope({"emailAddress": ANN, "historyId": "new"}),
    "null for a history id": envelope({"emailAddress": ANN, "historyId": None}),
    "a NUL": envelope({"emailAddress": "ann\0@example.org", "historyId": 1}),
    "half a surrogate": envelope({"emailAddress": "ann\ud800@example.org", "historyId": 1}),
    "not UTF-8": envelope(b'{"emailAddress": "\xff@example.org", "historyId": 1}'),
    "an endless address": envelope({"emailAddress": "a" * 400, "historyId": 1}),
    "a deep hole": b'{"message":' * 5000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_can_never_be_understood_is_acknowledged_and_logged(
    push: Push, pushed: Running, functions: Session, db: Connection, body: bytes
) -> None:
    connect_account(functions, "ann")
    assert push(body=body).status_code == 204
    assert [line["level"] for line in pushed.log if line["event"] == "push not understood"] == [
        "warning"
    ]
    assert runs(db) == []


def test_more_than_any_push_is_not_read(push: Push) -> None:
    assert push(body=b" " * 70_000).status_code == 413


@pytest.mark.parametrize("history_id", [1000, "1000"])
def test_the_history_id_comes_as_a_number_or_as_text(
    push: Push, functions: Session, db: Connection, history_id: object
) -> None:
    connect_account(functions, "ann")
    set_cursor(db, 999)
    push(history_id=history_id)
    assert len(runs(db)) == 1


def test_data_may_be_either_base64(push: Push, functions: Session, db: Connection) -> None:
    connect_account(functions, "ann")
    said = json.dumps({"emailAddress": ANN, "historyId": 5, "more": "??>>~~"}).encode()
    body = json.dumps({"message": {"data": b64encode(said).decode()}}).encode()
    assert push(body=body).status_code == 204
    assert len(runs(db)) == 1


def test_an_unknown_mailbox_is_acknowledged(push: Push, db: Connection) -> None:
    assert push("stranger@example.org").status_code == 204
    assert runs(db) == []


@pytest.mark.parametrize("status", ["disconnected", "reauth_required", "suspended"])
def test_an_account_that_is_not_connected_gets_no_run(
    push: Push, functions: Session, db: Connection, status: str
) -> None:
    connect_account(functions, "ann")
    if status == "disconnected":
        functions.value("disconnect_account", "ann")
    else:
        db.execute("update gmail_sync.account set status = %s", [status])
    assert push().status_code == 204
    assert runs(db) == []


def test_the_address_s_letters_do_not_matter_and_all_its_users_are_told(
    push: Push, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    connect_account(functions, "bob")
    functions.value("connect_account", "ann/work", ANN, b"sealed", "unlimited")
    push("Ann@Example.ORG")
    assert {run["user_id"] for run in runs(db)} == {"ann", "ann/work"}


def test_old_news_start_nothing(push: Push, functions: Session, db: Connection) -> None:
    connect_account(functions, "ann")
    set_cursor(db, 1000)
    push(history_id=1000)
    push(history_id=999)
    assert runs(db) == []
    push(history_id=1001)
    assert len(runs(db)) == 1


def test_duplicates_and_reordered_pushes_make_one_run(
    push: Push, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    set_cursor(db, 1000)
    for history_id in (1003, 1001, 1003, 1002, 1001):
        push(history_id=history_id)
    (run,) = runs(db)
    assert run["follow_up"] is None
    claim(functions, run["task_id"])
    set_cursor(db, 1003)
    functions.value("release_sync", run["task_id"])
    for history_id in (1003, 1001):
        push(history_id=history_id)
    assert len(runs(db)) == 1


def test_a_burst_makes_one_run_and_at_most_one_after_it(
    push: Push, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    with ThreadPoolExecutor(10) as threads:
        answers = [threads.submit(push, history_id=1000 + number) for number in range(50)]
        first = wait_until(lambda: runs(db))[0]
        claim(functions, first["task_id"])
        assert {answer.result(60).status_code for answer in answers} == {204}
    assert len(runs(db)) == 1
    functions.value("release_sync", first["task_id"])
    assert len(runs(db)) <= 2


def test_a_push_while_a_run_goes_on_makes_exactly_one_more_after_it(
    push: Push, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    push(history_id=1000)
    claim(functions, runs(db)[0]["task_id"])
    for history_id in (1001, 1002, 1003):
        push(history_id=history_id)
    first = runs(db)[0]
    assert (len(runs(db)), first["follow_up"]) == (1, "incremental")
    functions.value("release_sync", first["task_id"])
    _, second = runs(db)
    assert second["is_syncing"]
    claim(functions, second["task_id"])
    set_cursor(db, 1003)
    functions.value("release_sync", second["task_id"])
    assert [run["outcome"] for run in runs(db)] == ["succeeded", "succeeded"]


def test_a_push_outlives_the_worker_that_ran_meanwhile(
    push: Push, functions: Session, db: Connection
) -> None:
    connect_account(functions, "ann")
    push(history_id=1000)
    claim(functions, runs(db)[0]["task_id"])
    push(history_id=1001)
    functions.value("handover_sync", runs(db)[0]["task_id"], "drain", None, False)
    successor = runs(db)[1]
    assert successor["follow_up"] == "incremental"
    claim(functions, successor["task_id"])
    functions.value("release_sync", successor["task_id"], "broken")
    assert [run["is_syncing"] for run in runs(db)] == [False, False, True]


def test_a_push_and_a_click_share_a_run(push: Push, functions: Session, db: Connection) -> None:
    connect_account(functions, "ann")
    push()
    task_id = functions.value("start_sync_idempotent", "ann", False, "api")
    (run,) = runs(db)
    assert (run["task_id"], run["source"]) == (task_id, "api")


def test_no_token_reaches_the_log(push: Push, pushed: Running, keeper: Simulator) -> None:
    token = keeper.issuer.token("https://elsewhere.example", ACCOUNT)
    push(token=token)
    wait_until(lambda: any(line["event"] == "request" for line in pushed.log))
    assert token not in str(pushed.log)


def test_what_is_configured_wrong_is_told_at_start() -> None:
    with pytest.raises(ConfigError) as caught:
        configuration(
            "postgresql://x@localhost/x",
            GMAIL_SYNC_PUBSUB_TOPIC="gmail",
            GMAIL_SYNC_PUSH_SERVICE_ACCOUNT="nobody",
            GMAIL_SYNC_PUSH_AUDIENCE=AUDIENCE,
        )
    topic, account, both = caught.value.errors
    assert "projects/my-project/topics/gmail" in topic
    assert account.startswith("GMAIL_SYNC_PUSH_SERVICE_ACCOUNT")
    assert "both or neither" in both


def test_the_keys_are_google_s_unless_another_endpoint_is_configured() -> None:
    url = "postgresql://x@localhost/x"
    assert configuration(url).google_keys_url == "https://www.googleapis.com/oauth2/v3/certs"
    other = configuration(url, GMAIL_SYNC_OAUTH_ENDPOINT="http://127.0.0.1:9/")
    assert other.google_keys_url == "http://127.0.0.1:9/oauth2/v3/certs"
