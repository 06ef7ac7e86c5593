"""The demo: Postgres, simulator and service on this machine, and a first sync."""

import json
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from cryptography.fernet import Fernet
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from service import migrate
from service.demo.cluster import Cluster
from service.demo.processes import Process, free_port
from service.demo.receiver import WebhookReceiver
from service.demo.start import make_login, start_service
from service.google.cipher import CredentialCipher
from service.postgres.calls import Session

USER = "demo"
EMAIL = "demo@example.com"
# Seconds without an event after which the event stream counts as broken.
STREAM_SECONDS = 60


def run(*, once: bool, mail: Path | None, messages: int) -> bool:
    """Run the demo. Returns whether its sync succeeded; Ctrl-C stops everything in order.

    Raises RuntimeError with a remedy if something does not start.
    """
    console = Console(stderr=True)
    summary: dict[str, Any] | None = None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gmail-sync-demo-")))
        try:
            installation = _start(stack, folder, console, mail, messages)
            console.print(f"Open {installation.url} and click.")
            summary = installation.sync(console)
            if not once:
                installation.show_webhooks(stack.enter_context(WebhookReceiver(console.print)))
                installation.explain()
                threading.Event().wait()
        except KeyboardInterrupt:
            console.print("Stopping …")
    if summary is not None and once:
        print(json.dumps(summary), flush=True)
    return summary is not None and summary["outcome"] == "succeeded"


class Installation:
    """What the demo has started, used as a person or an application would use it."""

    def __init__(self, service_url: str, database_url: str, token: str) -> None:
        self.url = service_url
        self._database_url = database_url
        self._token = token
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {token}"

    def sync(self, console: Console) -> dict[str, Any]:
        """Start a sync as a click does, follow it to its end, and return its summary."""
        answer = self._http.post(f"{self.url}/api/gmail/sync/smart", timeout=30)
        answer.raise_for_status()
        run: dict[str, Any] = {}
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
        ) as progress:
            bar = progress.add_task("Waiting for a worker", total=100)
            for run in self._states(answer.json()["task_id"]):
                said = filter(None, (run["message"], run["text"]["time_left"]))
                progress.update(
                    bar, completed=run["progress_percentage"], description="; ".join(said)
                )
        return {
            "outcome": run["outcome"],
            "sync_type": run["sync_type"],
            **run["stats"],
            "seconds": round(_seconds(run), 3),
            **({"error": run["error_message"]} if run["error_message"] else {}),
        }

    def show_webhooks(self, receiver: WebhookReceiver) -> None:
        """Have all events sent to a receiver, and first those of the messages that are there."""
        with closing(Session(self._database_url, "gmail-sync demo")) as session:
            [webhook] = session.rows("add_webhook", USER, receiver.url)
            receiver.secret = webhook["secret"]
            session.value("replay_webhook", USER, webhook["id"], 0)

    def explain(self) -> None:
        """Print commands to try."""
        header = '-H "Authorization: Bearer $TOKEN"'
        print(
            f"""
gmail-sync is up: open {self.url} and click, or try the API at {self.url}/schema.

  URL={self.url}
  TOKEN={self._token}
  DATABASE_URL={self._database_url}

  curl {header} -X POST $URL/api/gmail/sync/smart
  curl {header} $URL/api/gmail/sync/status
  curl {header} "$URL/api/gmail/messages?limit=5"
  curl $URL/api/gmail/sync/health
  psql $DATABASE_URL -c "select gmail_sync.start_sync_idempotent('{USER}')"
  psql $DATABASE_URL -c "select * from gmail_sync.sync_runs"

Ctrl-C stops everything and removes it.
""",
            flush=True,
        )

    def _states(self, task_id: str) -> Iterator[dict[str, Any]]:
        """Each state of a run from the event stream; the last is that of the ended run."""
        with self._http.get(
            f"{self.url}/api/gmail/sync/events", stream=True, timeout=STREAM_SECONDS
        ) as stream:
            stream.raise_for_status()
            for line in stream.iter_lines(chunk_size=1):
                if not line.startswith(b"data:"):
                    continue
                state = json.loads(line.removeprefix(b"data:"))
                yield state
                if not state["in_progress"]:
                    return
        raise RuntimeError(f"the event stream ended before sync {task_id} did")


def _start(
    stack: ExitStack, folder: Path, console: Console, mail: Path | None, messages: int
) -> Installation:
    console.print("Starting Postgres with pg_cron …")
    cluster = stack.enter_context(Cluster())
    console.print("Migrating …")
    migrate.upgrade(cluster.url())
    login_url = make_login(cluster)

    console.print("Starting the Gmail simulator …")
    access_token = secrets.token_urlsafe()
    gmail_url = f"http://127.0.0.1:{free_port()}"
    source = ["--mail", str(mail)] if mail else ["--messages", str(messages)]
    simulator = ["simulate", "--port", gmail_url.rpartition(":")[2], "--email", EMAIL, *source]
    stack.enter_context(
        Process(
            [*simulator, "--access-token", access_token],
            {},
            folder / "simulator.log",
            f"{gmail_url}/gmail/v1/users/me/profile",
            access_token,
        )
    )

    console.print("Starting the service …")
    keys = Fernet.generate_key().decode()
    session = Session(login_url, "gmail-sync demo")
    encrypted = CredentialCipher([keys]).encrypt({"token": access_token})
    session.value("connect_account", USER, EMAIL, encrypted, "unlimited", "full")
    session.close()
    service = start_service(
        stack, folder, database_url=login_url, gmail_url=gmail_url, keys=keys, user=USER
    )
    return Installation(service.url, cluster.url(), service.token(USER))


def _seconds(run: dict[str, Any]) -> float:
    """From the start to the end of the run."""
    started, finished = (
        datetime.fromisoformat(run[name]) for name in ("started_at", "finished_at")
    )
    return (finished - started).total_seconds()
