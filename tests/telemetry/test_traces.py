"""One trace from a request to the stored message, received as OpenTelemetry sends it."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import httpx
import pytest

from service.simulator import Decision
from service.simulator.takeout import write_takeout
from tests.api.conftest import KEY, PATIENCE_SECONDS, bearer
from tests.api.test_push import ACCOUNT, AUDIENCE, envelope
from tests.functions.conftest import age_runs, only
from tests.telemetry.conftest import CLICK, Site, Trace, email_of, token_of

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)

from service.telemetry.tracing import _Redacting

# A user's id may be an address.
USER, SEARCHED = "ann@example.org", "searchedword"

Ask = Callable[[Site, str, Trace], None]


@pytest.mark.gate
def test_a_click_is_one_trace_as_far_as_the_stored_mail(site: Site) -> None:
    mailbox = site.connect(USER)
    trace = site.trace()
    with site.client(USER, trace) as client:
        answer = client.post("/api/gmail/sync/smart")
        assert answer.status_code == 202, answer.text
        client.get("/api/gmail/messages", params={"q": SEARCHED})
    by_name = trace.wait_for("release_sync", "GET /api/gmail/messages")

    assert by_name["sync"].parent_span_id == by_name["POST /api/gmail/sync/smart"].span_id
    assert by_name["start_sync"].parent_span_id == by_name["POST /api/gmail/sync/smart"].span_id
    for name in ("claim", "gmail.users.messages.list", "gmail.batch", "store_messages"):
        assert by_name[name].parent_span_id == by_name["sync"].span_id, name

    received = b"".join(site.receiver.bodies)
    subject = str(only(site.db, "select max(subject) from gmail_sync.message"))
    known = (USER, token_of(USER), KEY, SEARCHED, subject, mailbox.message_ids()[0])
    for secret in known:
        assert secret.encode() not in received, secret
    assert answer.json()["task_id"].encode() not in received


def start(site: Site, user: str, trace: Trace) -> None:
    with site.client(user, trace) as client:
        path = "/api/gmail/sync/smart"
        assert client.post(path, params={"force_full": "true"}).status_code == 202


def start_on_the_page(site: Site, user: str, trace: Trace) -> None:
    with site.client(user, trace) as client:
        assert client.post("/", data={"action": "full"}).status_code == 200


def retry(site: Site, user: str, trace: Trace) -> None:
    with site.client(user, trace) as client:
        assert client.post("/api/gmail/sync/retry-failed").json()["retried"] == 1


def operate(action: str, site: Site, user: str, trace: Trace) -> None:
    with site.client("olga", trace, "operator") as client:
        answer = client.post(f"/api/operator/{action}", params={"user_id": user})
        assert answer.status_code == 200, answer.text


def operate_on_the_page(site: Site, user: str, trace: Trace) -> None:
    with site.client("olga", trace, "operator") as client:
        form = {"action": "retry_failed_messages", "user_id": user}
        answer = client.post("/operator", data=form)
        assert answer.status_code == 200


def start_what_is_due(site: Site, user: str, trace: Trace) -> None:
    site.functions.value("set_sync_interval", user, timedelta(minutes=1))
    age_runs(site.db, "2 minutes")
    with site.client("olga", trace, "operator") as client:
        assert client.post("/api/operator/enqueue_due_syncs").json()["rows"]


def push(site: Site, user: str, trace: Trace) -> None:
    body = envelope({"emailAddress": email_of(user), "historyId": 10**15})
    pubsub = bearer(site.simulator.issuer.token(AUDIENCE, ACCOUNT))
    with site.client(user, trace) as client:
        assert client.post("/api/gmail/push", content=body, headers=pubsub).status_code == 204


def verify(site: Site, user: str, trace: Trace) -> None:
    site.run(trace, "verify", user, "--repair")


def keep_raw_mail(site: Site, user: str, trace: Trace) -> None:
    site.run(trace, "account", "set", user, "--content-mode", "raw")


def import_mail(site: Site, user: str, trace: Trace) -> None:
    (export,) = write_takeout(site.mailboxes[user], site.folder / "export")
    site.mailboxes[user].insert(b"Subject: newer than the export\r\n\r\nHello")
    site.run(trace, "import", user, str(export))


WAYS: dict[str, Ask] = {
    "start": start,
    "start on the page": start_on_the_page,
    "retry": retry,
    "operator starts": partial(operate, "start_sync"),
    "operator retries": partial(operate, "retry_failed_messages"),
    "operator retries on the page": operate_on_the_page,
    "operator starts what is due": start_what_is_due,
    "push": push,
    "verify": verify,
    "keep raw mail": keep_raw_mail,
    "import": import_mail,
}


@pytest.mark.gate
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_start_a_run_is_one_trace(site: Site, way: str) -> None:
    start_by_way(site, f"user of {way}".replace(" ", "-"), WAYS[way])


def start_by_way(site: Site, user: str, ask: Ask) -> None:
    """A user who has synced asks for a run, which fetches a new message and one to retry."""
    mailbox, trace = site.connect(user), site.trace()
    site.sync(user)
    mailbox.insert(b"Subject: new\r\n\r\nHello\r\n")
    site.db.execute(
        "insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead)"
        " values (%s, %s, 'refetch', true)",
        [user, mailbox.message_ids()[-1]],
    )
    ask(site, user, trace)
    check_run(trace)


@pytest.mark.gate
def test_the_first_sync_after_connecting_is_in_the_trace_of_the_callback(site: Site) -> None:
    site.add_mailbox("connecting")
    trace = site.trace()
    site.simulator.tokens.consent.decision = Decision(email=email_of("connecting"))
    with site.client("connecting", trace) as client:
        page = client.get("/api/gmail/connect").headers["location"]
        back = httpx.get(page, timeout=PATIENCE_SECONDS).headers["location"]
        assert client.get(back).status_code == 303
    check_run(trace, "GET /api/gmail/callback")


def check_run(trace: Trace, request: str = "") -> None:
    """The worker's requests to Gmail and its stores are in the trace of the request."""
    by_name = trace.wait_for("release_sync")
    spans = trace.spans()
    (run,) = [span for span in spans if span.name == "sync"]
    asked = next(span for span in spans if span.span_id == run.parent_span_id)
    assert asked.parent_span_id.hex() == CLICK
    assert request in asked.name
    done = {span.name for span in spans if span.parent_span_id == run.span_id}
    assert {"claim", "store_messages", "release_sync"} <= done
    assert any(name.startswith("gmail.") for name in done), by_name


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
    for span in exporter.get_finished_spans():
        assert span.events[0].attributes == {"exception.type": "ValueError"}
        assert USER not in span.to_json()


def modules_of(environment: dict[str, str]) -> set[str]:
    """The modules of OpenTelemetry that a process of the service has imported."""
    program = (
        "import os, sys, service.app, service.worker.worker\n"
        "from service import logs, telemetry\n"
        "telemetry.start(os.environ, logs.configure)\n"
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
