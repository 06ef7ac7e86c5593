"""One trace from a click to the stored message, received as OpenTelemetry sends it."""

import os
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

from service.google.cipher import CredentialCipher
from service.postgres.calls import Connection, Session
from service.simulator import Simulator
from service.simulator.generate import generate
from tests.api.conftest import KEY, PATIENCE_SECONDS, SECRET, bearer, token
from tests.functions.conftest import only
from tests.ports import free_port
from tests.waiting import wait_until
from tests.worker.conftest import WorkerProcess

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)

from service.telemetry.tracing import _Redacting

# A user's id may be an address.
USER, EMAIL, ACCESS_TOKEN = "ann@example.org", "someone@example.com", "an-access-token"
TRACE, CLICK = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SEARCHED = "searchedword"
# For two processes to start on a machine that others keep busy.
LOADED_SECONDS = 120


@dataclass
class Receiver:
    """An OTLP receiver; what arrived, as bytes and as spans."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    def trace(self) -> dict[bytes, Span]:
        """The spans of TRACE, by their ids."""
        found = {}
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found |= {span.span_id: span for span in scope.spans}
        return {key: span for key, span in found.items() if span.trace_id.hex() == TRACE}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
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


@contextmanager
def service_and_worker(environment: dict[str, str], folder: Path) -> Iterator[str]:
    """The URL of a service without a worker, beside a worker process."""
    port = free_port()
    programs = {"serve": ["serve", "--no-worker"], "worker": ["worker"]}
    with ExitStack() as ends:
        for name, arguments in programs.items():
            program = ["-m", "service.cli", *arguments]
            process = WorkerProcess(
                environment | {"PORT": str(port)}, folder / f"{name}.log", program
            )
            ends.callback(process.kill)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url), LOADED_SECONDS)
        yield url


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.gate
def test_a_click_is_one_trace_as_far_as_the_stored_mail(
    receiver: Receiver, service_url: str, functions: Session, db: Connection, tmp_path: Path
) -> None:
    sealed = CredentialCipher([KEY]).encrypt({"token": ACCESS_TOKEN})
    functions.value("connect_account", USER, EMAIL, sealed, "unlimited")
    with Simulator() as simulator:
        mailbox = simulator.add_mailbox(EMAIL, ACCESS_TOKEN, "refresh", generate(30))
        environment = {
            "DATABASE_URL": service_url,
            "GMAIL_SYNC_JWT_SECRET": SECRET,
            "GMAIL_SYNC_CREDENTIALS_KEYS": KEY,
            "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url,
            "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with service_and_worker(environment, tmp_path) as url:
            headers = bearer(token(USER)) | {"traceparent": f"00-{TRACE}-{CLICK}-01"}
            answer = httpx.post(f"{url}/api/gmail/sync/smart", headers=headers)
            assert answer.status_code == 202, answer.text
            search = {"q": SEARCHED}
            httpx.get(f"{url}/api/gmail/messages", params=search, headers=headers)
            wait_until(
                lambda: (
                    {"release_sync", "GET /api/gmail/messages"}
                    <= {span.name for span in receiver.trace().values()}
                ),
                PATIENCE_SECONDS,
            )
        message_ids = mailbox.message_ids()

    spans = receiver.trace()
    by_name = {span.name: span for span in spans.values()}
    assert by_name["sync"].parent_span_id == by_name["POST /api/gmail/sync/smart"].span_id
    assert by_name["start_sync"].parent_span_id == by_name["POST /api/gmail/sync/smart"].span_id
    for name in ("claim", "gmail.users.messages.list", "gmail.batch", "store_messages"):
        assert by_name[name].parent_span_id == by_name["sync"].span_id, name
    parents = {span.parent_span_id for span in spans.values()}
    assert parents <= {*spans, bytes.fromhex(CLICK)}

    received = b"".join(receiver.bodies)
    subject = str(only(db, "select max(subject) from gmail_sync.message"))
    for secret in (USER, EMAIL, ACCESS_TOKEN, SEARCHED, KEY, subject, message_ids[0]):
        assert secret.encode() not in received, secret
    assert answer.json()["task_id"].encode() not in received


def test_what_an_error_says_is_not_sent() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(_Redacting(SimpleSpanProcessor(exporter)))
    tracer = provider.get_tracer("test")
    with (
        pytest.raises(ValueError, match="ann@"),
        tracer.start_as_current_span("request"),
        tracer.start_as_current_span("inner", attributes={"enduser.id": USER}),
    ):
        raise ValueError(f"the row of {USER}")
    (inner,) = exporter.get_finished_spans()
    assert inner.events[0].attributes == {"exception.type": "ValueError"}
    assert USER not in inner.to_json()


def modules_of(environment: dict[str, str]) -> set[str]:
    """The modules of OpenTelemetry that a process of the service has imported."""
    program = (
        "import os, sys, service.app, service.worker.worker\n"
        "from service import logs, telemetry\n"
        "telemetry.start(os.environ, logs.configure())\n"
        "print(*(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    others = {name: value for name, value in os.environ.items() if not name.startswith("OTEL")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=others | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    "environment",
    [{}, ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}],
)
def test_off_nothing_of_it_is_imported(environment: dict[str, str]) -> None:
    assert modules_of(environment) == set()


def test_the_usual_variable_turns_it_on() -> None:
    assert "opentelemetry.sdk.trace" in modules_of(ENDPOINT)
