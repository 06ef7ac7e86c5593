"""Everything the processes say, in a life from connecting to deleting, and no secret in it."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.fernet import Fernet

from service.postgres.calls import Connection, Session
from service.simulator import Fault, Simulator, generate
from tests.api.conftest import EMAIL, bearer, token
from tests.api.conftest import SECRET as JWT_SECRET
from tests.waiting import wait_until

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
CLIENT_SECRET = f"GOCSPX-{secrets.token_urlsafe(20)}"
SHORTEST = 16
START_SECONDS = 30


class Installation:
    """`gmail-sync serve` and `worker` as processes, and all that they and their API say."""

    def __init__(self, service_url: str, simulator: Simulator, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            "DATABASE_URL": service_url,
            "PORT": str(port),
            "GMAIL_SYNC_JWT_SECRET": JWT_SECRET,
            "GMAIL_SYNC_CREDENTIALS_KEYS": f"{NEW},{OLD}",
            "GOOGLE_CLIENT_ID": "client",
            "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
            "GMAIL_SYNC_PUBLIC_URL": self.url,
            "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url,
            "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
            "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
            "GMAIL_SYNC_LOG_LEVEL": "debug",
        }
        self._folder = folder
        self.answers: list[str] = []
        self.http = httpx.Client(timeout=START_SECONDS)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        path = self._folder / f"{'-'.join(arguments)}.log"
        with path.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "service.cli", *arguments],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def run(self, *arguments: str) -> None:
        assert self.start(*arguments).wait(START_SECONDS) == 0, arguments

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        """An answer, heard: its body, and its headers but for the two that carry secrets."""
        answer = self.http.request(
            method, self.url + path, headers=bearer(token("ann", "operator")), **options
        )
        heard = {k: v for k, v in answer.headers.items() if k not in ("location", "set-cookie")}
        self.answers.append(f"{method} {path.partition('?')[0]} {heard} {answer.text}")
        return answer

    def is_ready(self) -> bool:
        try:
            return self.http.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def output(self) -> str:
        return "\n".join(path.read_text("utf-8") for path in sorted(self._folder.iterdir()))


@pytest.fixture
def installation(service_url: str, simulator: Simulator, tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(service_url, simulator, tmp_path)
    with ExitStack() as stack:
        stack.callback(installation.http.close)
        for arguments in (("serve", "--no-worker"), ("worker",)):
            process = installation.start(*arguments)
            stack.callback(process.wait, START_SECONDS)
            stack.callback(process.terminate)
        wait_until(installation.is_ready, START_SECONDS)
        yield installation


def connect(installation: Installation, known: set[str]) -> None:
    """Through the consent page; the secrets that pass on the way become known."""
    page = installation.ask("GET", "/api/gmail/connect")
    (cookie,) = (value.strip('"') for value in installation.http.cookies.values())
    attempt = json.loads(Fernet(NEW).decrypt(cookie.encode()))
    back = urlsplit(installation.http.get(page.headers["location"]).headers["location"])
    known |= {cookie, attempt["state"], attempt["verifier"], *parse_qs(back.query)["code"]}
    for _ in range(2):
        # The second time it is a used one, refused.
        assert installation.ask("GET", f"{back.path}?{back.query}").status_code in (303, 400)


def sync(installation: Installation) -> str:
    task_id = installation.ask("POST", "/api/gmail/sync/smart").json()["task_id"]
    run = f"/api/gmail/sync/{task_id}"

    def ended() -> str | None:
        outcome: str | None = installation.ask("GET", run).json()["outcome"]
        return outcome

    outcome: str = wait_until(ended)
    return outcome


def look_around(installation: Installation) -> None:
    document = installation.ask("GET", "/schema/openapi.json").json()
    ids = installation.ask("GET", "/api/gmail/messages").json()["messages"]
    message_id = ids[0]["message_id"] if ids else "none"
    tried = 0
    for template, operations in document["paths"].items():
        if "get" in operations and not re.search(r"/(events|connect|callback)$", template):
            path = re.sub(r"\{message_id\}", message_id, template)
            assert installation.ask("GET", re.sub(r"\{\w+\}", "none", path)).status_code < 500
            tried += 1
    assert tried > 10
    with installation.http.stream(
        "GET", f"{installation.url}/api/gmail/sync/events", headers=bearer(token("ann"))
    ) as stream:
        lines = stream.iter_lines()
        installation.answers += [next(lines) for _ in range(3)]


def test_no_secret_leaves_the_processes(
    installation: Installation, simulator: Simulator, functions: Session, db: Connection
) -> None:
    known = {OLD, NEW, JWT_SECRET, CLIENT_SECRET}
    simulator.add_mailbox(EMAIL, messages=generate(60))

    def learn() -> None:
        tokens = simulator.tokens
        known.update(tokens.known())
        for row in functions.rows("list_credentials"):
            opened = json.loads(Fernet(NEW).decrypt(row["credentials"]))
            known.update([opened["token"], opened["refresh_token"]])

    connect(installation, known)
    learn()
    assert sync(installation) == "succeeded"
    # The token has run out: it is renewed.
    for access_token in simulator.requests.tokens:
        simulator.tokens.expire(access_token)
    assert sync(installation) == "succeeded"
    assert simulator.requests.statuses["token 200"] >= 2
    learn()
    look_around(installation)
    # Every way to fail there is: Google's token endpoint, Gmail, the consent, the grant.
    simulator.faults.add(Fault("history.list", "html", status=502, count=1))
    sync(installation)
    simulator.faults.add(Fault("token", "html", status=200, count=1))
    connect(installation, known)
    simulator.tokens.revoke(EMAIL)
    assert sync(installation) == "failed"
    look_around(installation)
    connect(installation, known)
    learn()
    installation.run("rotate-keys")
    installation.run("account", "list")
    installation.run("monitor", "--help")
    look_around(installation)
    assert installation.ask("DELETE", "/api/gmail/connection").json()["revoked"] is True
    connect(installation, known)
    learn()
    assert clear_in_the_database(db, known) == []
    installation.run("account", "remove", "ann")
    installation.run("account", "delete", "ann", "--yes")

    said = installation.output() + "\n".join(installation.answers)
    assert "run succeeded" in said
    assert "run failed" in said
    assert "request" in said
    assert min(map(len, known)) >= SHORTEST
    assert len(known) > 20
    assert [secret for secret in known if secret in said] == []


# What Postgres then says of a row quotes its credentials: first in DETAIL, in hexadecimal (as all
# sealed ones begin), then in the message itself.
REFUSALS = {
    "67414141": "alter table gmail_sync.account add constraint refused check (false) not valid",
    "Sesame-gAAA": """
        alter table gmail_sync.account drop constraint refused;
        create function public.quote() returns trigger language plpgsql as $$
        begin
          perform ('Sesame-' || encode(new.credentials, 'escape'))::integer;
        end;
        $$;
        create trigger quoted before insert or update on gmail_sync.account
          for each row execute function public.quote()
    """,
}


def meet_a_refusal(installation: Installation, simulator: Simulator, functions: Session) -> None:
    """In a run, in a request, and on the command line."""
    for access_token in simulator.requests.tokens:
        # What is renewed cannot be saved.
        simulator.tokens.expire(access_token)
    task_id = installation.ask("POST", "/api/gmail/sync/smart").json()["task_id"]
    wait_until(lambda: functions.rows("sync_run", task_id)[0]["successor"])
    installation.ask("GET", f"/api/gmail/sync/{task_id}")
    functions.value("cancel_sync", task_id)
    with suppress(AssertionError):
        connect(installation, set())
    arguments = ("account", "add", "bo", "--email", EMAIL, "--access-token", "t")
    assert installation.start(*arguments).wait(START_SECONDS) == 1


def test_what_the_database_says_of_a_row_leaves_no_process(
    installation: Installation, simulator: Simulator, functions: Session, db: Connection
) -> None:
    simulator.add_mailbox(EMAIL, messages=generate(10))
    connect(installation, set())
    assert sync(installation) == "succeeded"
    for statement in REFUSALS.values():
        db.execute(statement.encode())
        meet_a_refusal(installation, simulator, functions)

    said = installation.output() + "\n".join(installation.answers)
    for heard in (
        "renewed credentials not saved yet", "run failed unexpectedly",
        "request failed unexpectedly", "Traceback", "CheckViolation", "InvalidTextRepresentation",
    ):  # fmt: skip
        assert heard in said, heard
    assert [needle for needle in (*REFUSALS, "Failing row", "CONTEXT") if needle in said] == []


def clear_in_the_database(db: Connection, known: set[str]) -> list[str]:
    """The tables that hold a secret as it is, as text or as bytes."""
    needles = [*known, *(secret.encode().hex() for secret in known)]
    tables = db.execute(
        "select relname from pg_class"
        " where relnamespace = 'gmail_sync'::regnamespace and relkind = 'r'"
    ).fetchall()
    found = []
    for row in tables:
        table = row["relname"]
        lines = db.execute(f"select t::text as line from gmail_sync.{table} t".encode()).fetchall()
        if any(needle in line["line"] for line in lines for needle in needles):
            found.append(table)
    return found
