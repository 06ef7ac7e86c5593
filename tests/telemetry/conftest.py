"""An installation whose processes export their spans to a receiver of OpenTelemetry's protocol."""

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.google.cipher import CredentialCipher
from service.postgres.calls import Connection, Session
from service.simulator import Mailbox, Simulator
from service.simulator.generate import generate
from tests.api.conftest import KEY, PATIENCE_SECONDS, SECRET, bearer, token
from tests.api.test_push import ACCOUNT, AUDIENCE
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD
from tests.ports import free_port
from tests.waiting import wait_until
from tests.worker.conftest import WorkerProcess

# The span of what asks, which the request names as its parent.
CLICK = "00f067aa0ba902b7"
# For processes to start on a machine that others keep busy.
LOADED_SECONDS = 120


class Trace:
    """A trace that a request names, and the spans of it that were exported."""

    def __init__(self, receiver: "Receiver") -> None:
        self._receiver = receiver
        self.id = secrets.token_hex(16)

    @property
    def traceparent(self) -> str:
        return f"00-{self.id}-{CLICK}-01"

    def spans(self) -> list[Span]:
        return [span for span in self._receiver.spans() if span.trace_id.hex() == self.id]

    def wait_for(self, *names: str) -> dict[str, Span]:
        """The spans by their names, once these and the parents of all have arrived."""
        wait_until(lambda: self._is_whole(set(names)), PATIENCE_SECONDS)
        return {span.name: span for span in self.spans()}

    def _is_whole(self, names: set[str]) -> bool:
        spans = self.spans()
        known = {span.span_id for span in spans} | {bytes.fromhex(CLICK)}
        return names <= {span.name for span in spans} and known.issuperset(
            span.parent_span_id for span in spans
        )


@dataclass
class Receiver:
    """What arrived, as it was sent."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> Iterator[Span]:
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            receiver.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        yield receiver
        server.shutdown()


@dataclass
class Site:
    """An installation with a simulated Gmail."""

    receiver: Receiver
    simulator: Simulator
    functions: Session
    db: Connection
    url: str
    environment: dict[str, str]
    folder: Path
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)

    def trace(self) -> Trace:
        return Trace(self.receiver)

    def add_mailbox(self, user: str) -> Mailbox:
        mailbox = self.simulator.add_mailbox(email_of(user), token_of(user), "", generate(5))
        self.mailboxes[user] = mailbox
        return mailbox

    def connect(self, user: str) -> Mailbox:
        """The mailbox of a user who has not synced yet."""
        mailbox = self.add_mailbox(user)
        sealed = CredentialCipher([KEY]).encrypt({"token": token_of(user)})
        self.functions.value("connect_account", user, email_of(user), sealed, "unlimited")
        return mailbox

    def sync(self, user: str) -> None:
        self.functions.value("start_sync_idempotent", user)
        wait_until(lambda: self._outcome(user) == "succeeded", PATIENCE_SECONDS)

    def _outcome(self, user: str) -> str | None:
        run = self.functions.row("sync_status", user)
        return run["outcome"] if run else None

    def client(self, user: str, trace: Trace, *scopes: str) -> httpx.Client:
        headers = bearer(token(user, *scopes)) | {"traceparent": trace.traceparent}
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_SECONDS)

    def run(self, trace: Trace, *arguments: str) -> None:
        """A command, in an environment that names the trace."""
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            env=os.environ | self.environment | {"TRACEPARENT": trace.traceparent},
            capture_output=True,
            text=True,
            timeout=LOADED_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def installed(
    functions: Session,
    db: Connection,
    folder: Path,
    programs: dict[str, list[str]],
    **environment: str,
) -> Iterator[Site]:
    """A site whose processes are these commands of gmail-sync; one of them serves."""
    with receiving() as receiver, Simulator() as simulator, ExitStack() as ends:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {
            "PORT": str(port),
            "GMAIL_SYNC_PUBLIC_URL": url,
            "GMAIL_SYNC_JWT_SECRET": SECRET,
            "GMAIL_SYNC_CREDENTIALS_KEYS": KEY,
            "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url,
            "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
            "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
            "GMAIL_SYNC_PUSH_AUDIENCE": AUDIENCE,
            "GMAIL_SYNC_PUSH_SERVICE_ACCOUNT": ACCOUNT,
            "GOOGLE_CLIENT_ID": "client",
            "GOOGLE_CLIENT_SECRET": "secret",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        } | environment
        for name, arguments in programs.items():
            program = ["-m", "service.cli", *arguments]
            process = WorkerProcess(environment, folder / f"{name}.log", program)
            ends.callback(process.kill)
        wait_until(lambda: _answers(url), LOADED_SECONDS)
        yield Site(receiver, simulator, functions, db, url, environment, folder)


def email_of(user: str) -> str:
    return user if "@" in user else f"{user}@example.com"


def token_of(user: str) -> str:
    return f"token of {user}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=PATIENCE_SECONDS).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def shared_service_url(cluster: Cluster, shared_database: str) -> str:
    return cluster.url(shared_database, SERVICE_LOGIN, SERVICE_PASSWORD)


@pytest.fixture(scope="module")
def site(
    shared_service_url: str,
    shared_functions: Session,
    shared_db: Connection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A service without a worker, beside a worker process."""
    programs = {"serve": ["serve", "--no-worker"], "worker": ["worker"]}
    folder = tmp_path_factory.mktemp("site")
    with installed(
        shared_functions, shared_db, folder, programs, DATABASE_URL=shared_service_url
    ) as site:
        yield site
