"""The API on a real uvicorn in a thread, and clients of it."""

import socket
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import structlog
from cryptography.fernet import Fernet
from psycopg.types.json import Jsonb

from service.api.auth.make_token import make_token
from service.app import Server, create_app
from service.config import Config
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Session
from service.postgres.pool import Pool
from service.simulator import Simulator
from tests.waiting import PATIENCE_SECONDS, wait_until

SECRET = "0123456789abcdef0123456789abcdef"
OWN_TOKENS = {"GMAIL_SYNC_JWT_SECRET": SECRET}
WORKER = "5f0c9a52-6d0e-4a3e-9a43-6b1f3c3f7f10"
# For two cores that others keep busy.
EMAIL, OTHER_EMAIL = "ann@mail.example", "other@mail.example"
KEY = Fernet.generate_key().decode()


def token(user_id: str, *scopes: str, lifetime: timedelta = timedelta(hours=1)) -> str:
    return make_token(SECRET, user_id, scopes, lifetime)


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def configuration(
    database_url: str, tokens: Mapping[str, str] = OWN_TOKENS, **environment: str
) -> Config:
    return Config.from_environment({"DATABASE_URL": database_url, **tokens, **environment})


@dataclass(frozen=True)
class Running:
    """A server, its address and the lines it logged."""

    server: Server
    url: str
    log: list[dict[str, Any]]
    thread: threading.Thread

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()


@contextmanager
def serving(
    database_url: str,
    worker: Any = None,
    google: Google | None = None,
    tokens: Mapping[str, str] = OWN_TOKENS,
    port: int = 0,
    **environment: str,
) -> Iterator[Running]:
    """The API on this port, or a free one; its public address too, unless another is given."""
    lines: list[dict[str, Any]] = []

    def collect(_logger: Any, method: str, line: MutableMapping[str, Any]) -> Any:
        lines.append({**line, "level": method})
        raise structlog.DropEvent

    log = structlog.wrap_logger(
        None,
        processors=[structlog.contextvars.merge_contextvars, collect],
        # Whatever level another test configured.
        wrapper_class=structlog.make_filtering_bound_logger(0),
    ).bind()
    pool = Pool(database_url, "gmail-sync api", 8)
    with socket.create_server(("127.0.0.1", port)) as listener:
        # asyncio does so for the sockets it makes itself; without it each answer takes 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        public = {"GMAIL_SYNC_PUBLIC_URL": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        config = configuration(database_url, tokens, **(public | environment))
        server = Server(create_app(config, pool, worker, log, google))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive())
        running = Running(server, public["GMAIL_SYNC_PUBLIC_URL"], lines, thread)
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Two mailboxes."""
    with Simulator() as simulator:
        simulator.add_mailbox(EMAIL)
        simulator.add_mailbox(OTHER_EMAIL)
        yield simulator


@pytest.fixture
def google(simulator: Simulator) -> Google:
    """The simulator, to be reached with a client of our own."""
    cipher = CredentialCipher([KEY])
    return Google(GmailApi(simulator.url), f"{simulator.url}/token", "client", "secret", cipher)


@pytest.fixture
def running(service_url: str, google: Google) -> Iterator[Running]:
    with serving(service_url, google=google) as running:
        yield running


@pytest.fixture
def nobody(running: Running) -> Iterator[httpx.Client]:
    """Somebody without a token."""
    with httpx.Client(base_url=running.url, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture
def ann(running: Running, functions: Session) -> Iterator[httpx.Client]:
    """A user with a connected account."""
    connect_account(functions, "ann")
    with client_of(running, "ann") as client:
        yield client


def client_of(running: Running, user_id: str, *scopes: str) -> httpx.Client:
    return httpx.Client(
        base_url=running.url, headers=bearer(token(user_id, *scopes)), timeout=PATIENCE_SECONDS
    )


def connect_account(functions: Session, user_id: str) -> None:
    functions.rows("connect_account", user_id, f"{user_id}@example.org", b"sealed", "unlimited")


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem an answer is; fails when it is not this one in the right shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["title"]
    assert body["detail"]
    return body  # type: ignore[no-any-return]


def claim(functions: Session, task_id: str) -> None:
    """A worker takes the run."""
    row = functions.row("claim_sync", WORKER)
    assert row is not None
    assert row["task_id"] == task_id


def list_page(functions: Session, task_id: str, *message_ids: str) -> None:
    """The run lists these messages; nothing more comes."""
    functions.rows("begin_listing", task_id, 100, len(message_ids))
    functions.rows("store_listing_page", task_id, list(message_ids), None)


def stored(message_id: str, **more: Any) -> dict[str, Any]:
    """A message as a worker stores it."""
    return {
        "message_id": message_id,
        "thread_id": f"thread-{message_id}",
        "history_id": 7,
        "internal_date": 1_700_000_000_000,
        "label_ids": ["INBOX"],
        "subject": f"About {message_id}",
        "sender": "bob@example.org",
        "headers": [{"name": "Subject", "value": f"About {message_id}"}],
        "snippet": "",
        "body_text": "Hello",
        "size_estimate": 1000,
        "defects": [],
        "attachments": [],
        **more,
    }


def store(functions: Session, task_id: str, *messages: dict[str, Any]) -> None:
    functions.rows(
        "store_messages",
        task_id,
        Jsonb(list(messages)),
        [None] * len(messages),
    )
