"""The demo of several nodes: what users see while one is down, and while a slot moves."""

import json
import secrets
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import requests
from cryptography.fernet import Fernet
from rich.console import Console
from rich.progress import track
from rich.table import Table

from db.router.install import InstallError
from db.router.move import move, node_of
from db.router.moving import MoveError
from service import migrate
from service.demo.cluster import Cluster
from service.demo.routed import Routed, superuser
from service.demo.start import Service, make_login, start_service
from service.demo.waiting import wait_for
from service.google.cipher import CredentialCipher
from service.postgres.calls import Session
from service.simulator import Mailbox, Simulator, generate

# Each is in a slot of its own.
USERS = ("ann", "ben", "cleo", "dan", "eve", "finn", "gina", "hugo", "ida", "jon", "kim", "leo")
SYNC_SECONDS = 120
# The wait for a node that hangs included.
REQUEST_SECONDS = 30
MAIL_SECONDS = 0.02
# Messages that come before a slot is moved.
FIRST_MAIL = 5
NOT_NOW = (requests.codes.service_unavailable, requests.codes.too_many_requests)
_AT_NODE = """
select (select string_agg(user_id, ' ' order by user_id) from gmail_sync.account),
  (select count(*) from gmail_sync.messages)
"""


def run(*, once: bool, nodes: int, messages: int) -> bool:
    """Run the demo. Returns whether it came to its end; Ctrl-C stops everything in order.

    Raises RuntimeError with a remedy if something does not start, or not do what it should.
    """
    console = Console(stderr=True, highlight=False, markup=False)
    summary: dict[str, Any] | None = None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gmail-sync-demo-")))
        try:
            tour = _start(stack, folder, console, nodes, messages)
            summary = tour.show()
            if not once:
                tour.explain()
                threading.Event().wait()
        except KeyboardInterrupt:
            console.print("Stopping …")
        except (InstallError, MoveError, psycopg.Error, requests.RequestException) as error:
            raise RuntimeError(str(error)) from error
    if summary is not None and once:
        print(json.dumps(summary), flush=True)
    return summary is not None


class Tour:
    """The steps, and what they need."""

    def __init__(
        self,
        console: Console,
        routed: Routed,
        service: Service,
        functions: Session,
        mailboxes: dict[str, Mailbox],
    ) -> None:
        self._console = console
        self._routed = routed
        self._service = service
        self._functions = functions
        self._mailboxes = mailboxes

    def show(self) -> dict[str, Any]:
        """All steps. Returns a summary."""
        self._print(f"\n{len(USERS)} users start a sync, all through the router.")
        self._sync(USERS)
        self._show_nodes()
        self._lose_a_node(len(self._routed.nodes) - 1)
        self._move(USERS[0], 1)
        self._show_nodes()
        return {
            "outcome": "succeeded",
            "nodes": len(self._routed.nodes),
            "users": len(USERS),
            "messages": sum(len(each.message_ids()) for each in self._mailboxes.values()),
        }

    def explain(self) -> None:
        """Print commands to try."""
        print(
            f"""
gmail-sync is up, at {len(self._routed.nodes)} nodes: open {self._service.url} and click.

  URL={self._service.url}
  TOKEN={self._service.token(USERS[0])}
  export GMAIL_SYNC_ROUTER_URL={self._routed.router_url}
  export GMAIL_SYNC_NODE_URLS='{" ".join(self._routed.node_urls)}'

  curl -H "Authorization: Bearer $TOKEN" -X POST $URL/api/gmail/sync/smart
  psql $GMAIL_SYNC_ROUTER_URL -c "select user_id, count(*) from gmail_sync.messages group by 1"
  psql $GMAIL_SYNC_ROUTER_URL -c "select gmail_sync.start_sync_idempotent('{USERS[1]}')"
  .venv/bin/gmail-sync router status
  .venv/bin/gmail-sync router spread

Ctrl-C stops everything and removes it.
""",
            flush=True,
        )

    def _lose_a_node(self, node: int) -> None:
        """Kill it while mail comes to all, and bring it back."""
        lost = USERS[node :: len(self._routed.nodes)]
        others = [user for user in USERS if user not in lost]
        self._routed.nodes[node].kill()
        self._print(f"\nNode {node} is killed, and then each user gets a message.")
        for user in USERS:
            self._mailboxes[user].insert(_message("While a node is down"))
        self._sync(others)
        self._print(f"  {' '.join(others)}: synced, as if nothing had happened.")
        self._show_errors(lost)
        health = self._get("health").json()
        self._print(f"  health: {'; '.join(health['reasons'])}")
        self._routed.nodes[node].start()
        self._print(f"Node {node} is back.")
        self._sync(lost)
        self._print(f"  {' '.join(lost)}: synced, with the mail that came meanwhile.")

    def _show_errors(self, users: Sequence[str]) -> None:
        """What they get from REST and SQL."""
        for user in users:
            answer = self._get("status", user)
            if answer.status_code != requests.codes.service_unavailable:
                raise RuntimeError(f"{user}, whose node is down, got {answer.status_code}")
        self._print(
            f"  {' '.join(users)}: {answer.status_code} {answer.json()['code']}:"
            f" {answer.json()['detail']}"
        )
        try:
            self._functions.value("start_sync_idempotent", users[0])
        except psycopg.Error as error:
            self._print(f"  {users[0]} in SQL: {error}")

    def _move(self, user: str, target: int) -> None:
        """Move the user's slot while mail comes, and compare the mail with the mailbox."""
        with superuser(self._routed.router_url) as router, self._routed.superusers() as nodes:
            (slot,) = router.execute("select gmail_sync_router.slot(%s)", [user]).fetchone() or (0,)
            source = node_of(router, slot)
            self._print(
                f"\nSlot {slot}, in which {user} is, moves from node {source} to node {target}"
                f" while {user} gets mail and syncs."
            )
            with _MailComes(self._mailboxes[user], lambda: self._start(user)) as mail:
                move([router], nodes, slot, target, lambda step: self._print(f"  {step}"))
        # A start during a run joins it, and it may have listed the mailbox before the last message.
        self._wait_for_runs([user])
        self._sync([user])
        expected = sorted(self._mailboxes[user].message_ids())
        with superuser(self._routed.node_urls[target]) as node:
            query = "select message_id from gmail_sync.messages where user_id = %s order by 1"
            if [stored for (stored,) in node.execute(query, [user])] != expected:
                raise RuntimeError(f"the mail of {user} at node {target} is not that of Gmail")
        self._print(
            f"{mail.count} messages came during the move. Node {target} has all {len(expected)}"
            f" messages of {user}, each once."
        )

    def _sync(self, users: Sequence[str]) -> None:
        """Start a sync of each, and wait until all have succeeded."""
        for user in users:
            wait_for(partial(self._start, user), SYNC_SECONDS, f"{user} could not start a sync")
        self._wait_for_runs(users)
        for run in self._runs(users):
            if run["outcome"] != "succeeded":
                raise RuntimeError(f"the sync of {run['user_id']} failed: {run['error_message']}")

    def _wait_for_runs(self, users: Sequence[str]) -> None:
        wait_for(
            lambda: all(run["outcome"] for run in self._runs(users)),
            SYNC_SECONDS,
            "syncs did not end",
        )

    def _start(self, user: str) -> bool:
        """As a click does. False: not now. A node comes back, or the user moves or clicks a lot."""
        answer = requests.post(
            f"{self._service.url}/api/gmail/sync/smart",
            headers={"Authorization": f"Bearer {self._service.token(user)}"},
            timeout=REQUEST_SECONDS,
        )
        if answer.status_code not in NOT_NOW:
            answer.raise_for_status()
        return answer.ok

    def _runs(self, users: Sequence[str]) -> list[dict[str, Any]]:
        return self._functions.rows("sync_progress", list(users))

    def _get(self, what: str, user: str = USERS[0]) -> requests.Response:
        return requests.get(
            f"{self._service.url}/api/gmail/sync/{what}",
            headers={"Authorization": f"Bearer {self._service.token(user)}"},
            timeout=REQUEST_SECONDS,
        )

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)

    def _show_nodes(self) -> None:
        table = Table("node", "users", "messages", box=None)
        for number, url in enumerate(self._routed.node_urls):
            with superuser(url) as node:
                users, messages = node.execute(_AT_NODE).fetchone() or ("", 0)
            table.add_row(str(number), users, str(messages))
        self._console.print(table)


class _MailComes:
    """Messages come, each followed by a sync, during a `with` block and shortly before it."""

    def __init__(self, mailbox: Mailbox, sync: Callable[[], object]) -> None:
        self.count = 0
        self._mailbox = mailbox
        self._sync = sync
        self._ended = threading.Event()
        self._first = threading.Event()
        self._threads = ThreadPoolExecutor(1, "mail")

    def __enter__(self) -> "_MailComes":
        self._coming = self._threads.submit(self._come)
        self._first.wait(SYNC_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._threads.shutdown()
        self._coming.result()

    def _come(self) -> None:
        try:
            while not self._ended.wait(MAIL_SECONDS):
                self.count += 1
                self._mailbox.insert(_message(f"Message {self.count} during the move"))
                self._sync()
                if self.count == FIRST_MAIL:
                    self._first.set()
        finally:
            self._first.set()


def _start(stack: ExitStack, folder: Path, console: Console, nodes: int, messages: int) -> Tour:
    routed = _start_servers(stack, console, nodes)
    console.print("Starting the Gmail simulator …")
    simulator = stack.enter_context(Simulator())
    console.print("Starting the service, which serves at the router and works at each node …")
    keys = Fernet.generate_key().decode()
    router_url = make_login(routed.router)
    service = start_service(
        stack,
        folder,
        database_url=router_url,
        gmail_url=simulator.url,
        keys=keys,
        user=USERS[0],
        GMAIL_SYNC_NODE_URLS=" ".join(make_login(node) for node in routed.nodes),
    )
    functions = stack.enter_context(closing(Session(router_url, "gmail-sync demo")))
    cipher = CredentialCipher([keys])
    mailboxes = {}
    for seed, user in enumerate(USERS):
        email, token = f"{user}@example.com", secrets.token_urlsafe()
        mailboxes[user] = simulator.add_mailbox(email, token, messages=generate(messages, seed))
        sealed = cipher.encrypt({"token": token})
        functions.value("connect_account", user, email, sealed, "unlimited", "full")
    return Tour(console, routed, service, functions, mailboxes)


def _start_servers(stack: ExitStack, console: Console, count: int) -> Routed:
    """Migrated nodes and the router before them, with the users by turns at each."""
    nodes = []
    for number in range(count):
        console.print(f"Starting node {number}, a Postgres with pg_cron and gmail-sync …")
        node = stack.enter_context(Cluster())
        migrate.upgrade(node.url())
        nodes.append(node)
    console.print("Starting the router, with pgbouncer between it and the nodes …")
    router = stack.enter_context(Cluster())
    routed = stack.enter_context(Routed.installed(nodes, router))
    with superuser(routed.router_url) as at_router, routed.superusers() as at_nodes:
        rows = at_router.execute(
            "select gmail_sync_router.slot(u) from unnest(%s::text[]) with ordinality t (u, n)"
            " order by n",
            [list(USERS)],
        )
        slots = enumerate(slot for (slot,) in rows.fetchall())
        for number, slot in track(
            list(slots), "Moving slots, so that each node has users", console=console
        ):
            move([at_router], at_nodes, slot, number % count, lambda _: None)
    return routed


def _message(subject: str) -> bytes:
    message = EmailMessage()
    message["From"] = "Demo <demo@example.com>"
    message["Subject"] = subject
    message.set_content(f"{subject}.")
    return message.as_bytes()
