"""The service at the router and its workers at the nodes: what users see, also of a node that dies
or hangs."""

import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import httpx
import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql

from db.router.move import move
from service import logs
from service.config import Node
from service.demo.routed import superuser
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Session
from service.simulator import ArmedFault, Fault, Limits, Mailbox, Simulator, generate
from service.worker.workers import Workers
from tests.api.conftest import Running, client_of, serving
from tests.api.test_events import Stream, watching
from tests.router.conftest import NODES, Installation, clear, spread, user_at
from tests.router.test_faults import DOWN, kill, signal_all
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.gate

LOGIN = "site_login"
MESSAGES = 100
PROFILE = "google-standard"
# A part of Google's window and caps, so that a mailbox takes some windows.
WINDOW, PROJECT_UNITS = 2.0, 1280
LISTENERS = """
    select count(*) from pg_stat_activity
    where application_name = 'gmail-sync listener' and query like 'listen %'
      and state = 'idle'
"""


@dataclass
class Site:
    """An installation with a service, its workers and a simulated Gmail."""

    installation: Installation
    simulator: Simulator
    cipher: CredentialCipher
    functions: Session
    running: Running
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)

    def connect(self, prefix: str, profile: str = "unlimited") -> list[str]:
        """A new user at each node, whose mailbox has MESSAGES."""
        users = [user_at(self.installation, node, prefix) for node in range(NODES)]
        for user in users:
            email, token = f"{user}@example.com", f"token of {user}"
            self.mailboxes[user] = self.simulator.add_mailbox(email, token)
            self.mailboxes[user].load(generate(MESSAGES))
            sealed = self.cipher.encrypt({"token": token})
            self.functions.value("connect_account", user, email, sealed, profile, "full")
        return users

    def hold(self, user: str) -> ArmedFault:
        """Start a sync of the user, which is in the middle of the mailbox until it is released."""
        fault = Fault("batch", "hang", email=f"{user}@example.com", after=2, count=2)
        held = self.simulator.faults.add(fault)
        self.start(user)
        wait_until(lambda: held.struck == fault.count, PATIENCE_SECONDS)
        return held

    def client(self, user: str) -> httpx.Client:
        return client_of(self.running, user)

    def start(self, user: str) -> None:
        with self.client(user) as client:
            assert client.post("/api/gmail/sync/smart").status_code == 202

    def status(self, user: str) -> Any:
        with self.client(user) as client:
            return client.get("/api/gmail/sync/status").json()

    def check_synced(self, user: str) -> None:
        """Each message of the mailbox is stored, and was new once."""
        # The first answers after a node's return may be those of the outage.
        wait_until(lambda: self.status(user).get("outcome"), PATIENCE_SECONDS)
        run = self.status(user)
        assert (run["outcome"], run["stats"]["new"]) == ("succeeded", MESSAGES), run
        with superuser(self.installation.router_url) as router:
            query = "select message_id from gmail_sync.messages where user_id = %s order by 1"
            stored = [message_id for (message_id,) in router.execute(query, [user])]
        assert stored == sorted(self.mailboxes[user].message_ids())

    def limit(self, user_units: int | None, project_units: int, window: float) -> None:
        """Set the caps of PROFILE at each node."""
        for url in self.installation.node_urls:
            with superuser(url) as node:
                node.execute(
                    "update gmail_sync.quota_profile set user_units = %s, project_units = %s,"
                    " window_length = make_interval(secs => %s) where name = %s",
                    [user_units, project_units, window, PROFILE],
                )

    def health(self) -> Any:
        return httpx.get(
            f"{self.running.url}/api/gmail/sync/health", timeout=PATIENCE_SECONDS
        ).json()


@pytest.fixture(scope="module")
def site(installation: Installation) -> Iterator[Site]:
    with spread(installation), served(installation) as site:
        yield site


@contextmanager
def served(installation: Installation) -> Iterator[Site]:
    """One process serves at the router and works at each node. Slots are at all nodes."""
    password = secrets.token_urlsafe()
    cipher = CredentialCipher([Fernet.generate_key().decode()])
    with ExitStack() as stack:
        clear(installation)
        for server in installation.servers:
            stack.callback(execute, server.url(), sql.SQL("drop role {}"), LOGIN)
            create = sql.SQL("create role {} login password {} in role gmail_sync_service")
            execute(server.url(), create, LOGIN, password)
        urls = installation.urls(LOGIN, password)
        router_url = installation.address(LOGIN, password)
        simulator = stack.enter_context(Simulator())
        api = GmailApi(simulator.url)
        google = Google(api, f"{simulator.url}/token", None, None, cipher)
        nodes = [Node(url, url, number) for number, url in enumerate(urls)]
        workers = Workers(nodes, google, 2, logs.configure("critical"))
        functions = stack.enter_context(closing(Session(router_url, "test")))
        running = stack.enter_context(
            serving(router_url, workers, google, GMAIL_SYNC_NODE_URLS=" ".join(urls))
        )
        yield Site(installation, simulator, cipher, functions, running)


def execute(url: str, statement: sql.SQL, role: str, *values: str) -> None:
    with superuser(url) as server:
        server.execute(statement.format(sql.Identifier(role), *map(sql.Literal, values)))


def test_a_stream_goes_on_while_its_user_moves(site: Site) -> None:
    user, *_ = site.connect("moving")
    with site.client(user) as client, watching(client) as stream:
        assert stream.run()["task_id"] is None
        site.start(user)
        assert last_event(stream)["outcome"] == "succeeded"
        lead_to_node_1(site.installation, user)
        site.start(user)
        # No event in between: the user has never been without a run, nor back at an earlier one.
        while not (run := stream.run())["outcome"]:
            assert run["task_id"]
        assert (run["task_id"], run["outcome"]) == (site.status(user)["task_id"], "succeeded")
    with superuser(site.installation.node_urls[1]) as node:
        query = "select count(*) from gmail_sync.message where user_id = %s"
        assert node.execute(query, [user]).fetchone() == (MESSAGES,)


@contextmanager
def watching_all(site: Site, users: Sequence[str]) -> Iterator[list[Stream]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(site.client(user)) for user in users]
        yield [stack.enter_context(watching(client)) for client in clients]


def last_event(stream: Stream) -> Any:
    while not (run := stream.run())["outcome"]:
        pass
    return run


def test_a_node_that_is_killed_stops_only_the_syncs_of_its_own_users(site: Site) -> None:
    check_outage_of_syncs(site, "killed", kill, lambda node: node.start())


def test_a_node_that_hangs_stops_only_the_syncs_of_its_own_users(site: Site) -> None:
    check_outage_of_syncs(
        site,
        "hung",
        lambda node: signal_all(node, signal.SIGSTOP),
        lambda node: signal_all(node, signal.SIGCONT),
    )


def check_outage_of_syncs(
    site: Site, prefix: str, take: Callable[[Any], None], bring_back: Callable[[Any], None]
) -> None:
    """A node goes in the middle of its user's sync, and comes back after the others have synced."""
    users = site.connect(prefix)
    node, victim = site.installation.nodes[DOWN], users[DOWN]
    others = [user for user in users if user != victim]
    with watching_all(site, users) as streams:
        held = site.hold(victim)
        take(node)
        try:
            held.release()
            for user in others:
                site.start(user)
                assert last_event(streams[users.index(user)])["outcome"] == "succeeded"
                site.check_synced(user)
            shown = site.functions.rows("sync_progress", users)
            assert {row["user_id"] for row in shown} == set(others)
            with site.client(victim) as client:
                assert client.get("/api/gmail/sync/status").status_code == 503
            assert (
                httpx.get(f"{site.running.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200
            )
            assert {"node": DOWN, "healthy": False} in site.health()["nodes"]
            metrics = httpx.get(f"{site.running.url}/metrics", timeout=PATIENCE_SECONDS).text
            assert f'\ngmail_sync_node_healthy{{node="{DOWN}"}} 0.0\n' in metrics
        finally:
            bring_back(node)
        # No event of the outage says that the user has never synced.
        assert last_event(streams[DOWN])["outcome"] == "succeeded"
    site.check_synced(victim)


def test_the_workers_of_all_nodes_share_the_quota_of_the_project(site: Site) -> None:
    """Each would fetch for its user as fast as the whole project may."""
    site.simulator.set_limits(Limits(PROFILE, WINDOW, user_units=10**9, project_units=10**9))
    site.limit(user_units=None, project_units=PROJECT_UNITS, window=WINDOW)
    try:
        users = site.connect("shares", PROFILE)
        for user in users:
            site.start(user)
        for user in users:
            site.check_synced(user)
        charges = site.simulator.quota.charges
    finally:
        site.limit(user_units=6_000, project_units=1_200_000, window=60)
        site.simulator.set_limits(Limits())
    spent = sum(charge.units for charge in charges)
    windows = (charges[-1].at - charges[0].at) / WINDOW
    print(f"{spent} units in {windows:.1f} windows of {PROJECT_UNITS}")
    assert spent > 3 * PROJECT_UNITS
    # Requests may arrive later than they were charged, and so in fewer windows by one.
    assert spent <= (windows + 2) * PROJECT_UNITS


# The last test: the pause between polls goes on for as long.
def test_users_of_all_nodes_are_synced_and_their_streams_need_no_poll(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.feed.POLL_SECONDS", 600)
    users = site.connect("well")
    with watching_all(site, users) as streams:
        for stream in streams:
            assert stream.run()["task_id"] is None
        for url in site.installation.node_urls:
            # The worker's and the feed's.
            wait_until(partial(has_listeners, url, 2))
        for user in users:
            site.start(user)
        for user, stream in zip(users, streams, strict=True):
            assert last_event(stream)["outcome"] == "succeeded"
            site.check_synced(user)
        waits = [
            seconds_until_shown(site, user, stream)
            for _ in range(5)
            for user, stream in zip(users, streams, strict=True)
        ]
        print(f"a start by SQL is shown after {median(waits):.3f} s, {max(waits):.3f} s at most")


def seconds_until_shown(site: Site, user: str, stream: Stream) -> float:
    """From a start in another process, which this one learns only from the node."""
    began = time.monotonic()
    task_id = site.functions.value("start_sync_idempotent", user)
    while (run := stream.run())["task_id"] != task_id:
        pass
    seconds = time.monotonic() - began
    while not run["outcome"]:
        run = stream.run()
    return seconds


def lead_to_node_1(installation: Installation, user: str) -> None:
    with superuser(installation.router_url) as router, installation.superusers() as nodes:
        query = "select gmail_sync._user_slot(%s)"
        (slot,) = nodes[0].execute(query, [user]).fetchone() or (0,)
        move([router], nodes, slot, 1, lambda _: None)


def has_listeners(url: str, count: int) -> bool:
    with closing(psycopg.connect(url)) as node:
        (found,) = node.execute(LISTENERS).fetchone() or (0,)
        return bool(found >= count)
