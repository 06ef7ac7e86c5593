"""A whole installation on this machine, made to be broken: Postgres, Gmail and two hosts.

Two users have the same mailbox. CALM was synced before anything broke; the mail of everybody else
must come out the same. Leases last seconds here, and what stands in for pg_cron reaps at short
intervals, so that nothing need be waited for longer.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql

from service import migrate
from service.google.cipher import CredentialCipher
from service.postgres.calls import Connection, Row, connect
from service.simulator import Simulator, generate
from tests.chaos.host import Host
from tests.chaos.proxy import Proxy
from tests.cluster import Cluster, fast_cluster
from tests.waiting import wait_until
from tests.worker.conftest import ACCESS_TOKEN, EMAIL

T = TypeVar("T")

CALM = "calm"
LOGIN = "service_login"
REAP_SECONDS = 0.25
# Not many connections, so that a crowd takes them in no time. The observer and the repair get in
# where no other client does. The log shows SQLSTATEs.
SETTINGS = {
    "max_connections": "80",
    "superuser_reserved_connections": "10",
    "log_line_prefix": "%m [%p] %e ",
}
PATIENCE_SECONDS = 90
# Each table with what a user's sync leaves in it, and the columns that differ between two users.
TABLES = {
    "message": ["user_id", "change_number", "created_number"],
    "attachment": ["user_id"],
    "label": ["user_id"],
    "label_listing": ["user_id"],
    "listing": ["user_id"],
    "fetch_queue": ["user_id"],
    "account": ["user_id", "credentials", "connected_at", "listed_by", "changes_begin"],
}


class Site:
    """What `running_site` gives; `hosts` are a `serve` and a `worker`."""

    def __init__(
        self,
        cluster: Cluster,
        service_url: str,
        simulator: Simulator,
        hosts: list[Host],
        key: str,
    ) -> None:
        self.cluster = cluster
        self.service_url = service_url
        self.simulator = simulator
        self.hosts = hosts
        self.reaping = threading.Event()
        self.reaping.set()
        self._cipher = CredentialCipher([key])
        self._closed = threading.Event()
        self._reaper = threading.Thread(target=self._reap, name="reaper")

    def start(self, user_id: str) -> str:
        """Connect the mailbox for a user and ask for its first sync: the task_id."""
        sealed = self._cipher.encrypt({"token": ACCESS_TOKEN})
        self.ask("connect_account", user_id, EMAIL, sealed, "unlimited", "full")
        return str(self.ask("start_sync_idempotent", user_id))

    def ask(self, function: str, *arguments: object) -> object:
        """What a stored function answers, once Postgres does."""
        call = sql.SQL("select {}({}) as answer").format(
            sql.Identifier("gmail_sync", function),
            sql.SQL(", ").join([sql.Placeholder()] * len(arguments)),
        )
        return self.patiently(lambda db: db.execute(call, arguments).fetchall())[0]["answer"]

    def patiently(self, action: Callable[[Connection], T]) -> T:
        """What `action` makes of a superuser's connection, tried until Postgres is there."""
        gives_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self.connect() as db:
                    return action(db)
            except psycopg.OperationalError:
                if time.monotonic() > gives_up_at:
                    raise
                time.sleep(0.05)

    def connect(self) -> Connection:
        """A superuser's connection, past all proxies."""
        return connect(self.cluster.url(), "chaos")

    def execute(self, statement: str, *arguments: object) -> list[Row]:
        """The rows of a statement, if it has any, by a superuser."""
        with self.connect() as db:
            cursor = db.execute(statement.encode(), arguments)
            return cursor.fetchall() if cursor.description else []

    def set_durations(self, lease: float, stall: float) -> None:
        """In seconds, for the runs that are claimed from now on."""
        self.execute(
            "update gmail_sync.settings"
            " set heartbeat_interval = %s, heartbeat_timeout = %s, stall_timeout = %s",
            *(timedelta(seconds=each) for each in (lease / 4, lease, stall)),
        )

    def holder(self, user_id: str) -> Host | None:
        """The host whose worker has claimed the user's run, while it has."""
        query = "select claimed_by from gmail_sync.sync_status(%s) where is_syncing"
        rows = self.patiently(lambda db: db.execute(query, [user_id]).fetchall())
        ids = [str(row["claimed_by"]) for row in rows]
        return next((host for host in self.hosts if ids and ids[0] in host.log()), None)

    def is_up(self) -> bool:
        """Whether every host has a worker that looks for runs."""
        return all(host.is_up() for host in self.hosts)

    def wait_until_settled(self, user_id: str) -> None:
        """Until nothing runs, and nothing is left that a run had to put off."""
        query = (
            "select user_id from gmail_sync.fetch_queue where user_id = %s union all"
            " select user_id from gmail_sync.user_sync_status where user_id = %s and is_syncing"
        )
        wait_until(lambda: not self.execute(query, user_id, user_id), PATIENCE_SECONDS)

    def other(self, host: Host) -> Host:
        return next(each for each in self.hosts if each is not host)

    def server_log(self) -> str:
        """What Postgres has said since it was started."""
        log = Path(self.cluster.base_dir) / f"{self.cluster.name}.log"
        return log.read_text(errors="replace")

    def contents(self, user_id: str) -> dict[str, Counter[str]]:
        """Every row a user's sync left, by table, but for what differs between two users."""
        query = "select (to_jsonb(t) - %s::text[])::text as row from gmail_sync.{} t"
        with self.connect() as db:
            return {
                table: Counter(
                    row["row"]
                    for row in db.execute(
                        sql.SQL(query + " where user_id = %s").format(sql.Identifier(table)),
                        [ignored, user_id],
                    )
                )
                for table, ignored in TABLES.items()
            }

    def open(self) -> None:
        """Start to reap, and sync CALM before anything breaks."""
        # Struck again and again, no mail is to be given up for it, and no run to wait for long.
        self.execute(
            "update gmail_sync.settings set max_message_attempts = 50,"
            " retry_delay = '200 ms', max_retry_delay = '1 s'"
        )
        self._reaper.start()
        self.start(CALM)
        (run,) = wait_until(
            lambda: self.execute(
                "select * from gmail_sync.sync_status(%s) where outcome is not null", CALM
            ),
            PATIENCE_SECONDS,
        )
        assert run["outcome"] == "succeeded", run

    def close(self) -> None:
        self._closed.set()
        self._reaper.join(20)

    def _reap(self) -> None:
        passes = "select gmail_sync.run_reaper('pg_cron'), gmail_sync.enqueue_due_syncs()"
        while not self._closed.wait(REAP_SECONDS):
            # Where one pass fails, as it can while functions are replaced, the next one will do.
            with suppress(psycopg.Error):
                if self.reaping.is_set():
                    self.execute(passes)


@contextmanager
def running_site(logs: Path, messages: int) -> Iterator[Site]:
    """A site whose mailbox holds so many messages; its hosts write their logs to a folder."""
    key = Fernet.generate_key().decode()
    environment = {
        "GMAIL_SYNC_CREDENTIALS_KEYS": key,
        "GMAIL_SYNC_JWT_SECRET": secrets.token_hex(32),
        "GMAIL_SYNC_LOG_LEVEL": "debug",
        "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
        "GMAIL_SYNC_WORKER_CONCURRENCY": "2",
    }
    with ExitStack() as down:
        cluster = down.enter_context(fast_cluster(settings=SETTINGS))
        migrate.upgrade(cluster.url())
        url = cluster.url(user=LOGIN, password=_make_login(cluster))
        simulator = down.enter_context(Simulator())
        simulator.add_mailbox(EMAIL, ACCESS_TOKEN, messages=generate(messages))
        gmail_port = int(simulator.url.rpartition(":")[2])
        hosts = []
        for kind in ("serve", "worker"):
            postgres = down.enter_context(Proxy(cluster.settings["port"]))
            gmail = down.enter_context(Proxy(gmail_port))
            hosts.append(Host(kind, environment, url, postgres, gmail, logs))
            down.callback(hosts[-1].kill)
        site = Site(cluster, url, simulator, hosts, key)
        down.callback(site.close)
        site.open()
        yield site


def _make_login(cluster: Cluster) -> str:
    """A login role as the service has; its password."""
    password = secrets.token_urlsafe()
    with psycopg.connect(cluster.url(), autocommit=True) as db:
        db.execute(
            sql.SQL("create role {} login password {} in role gmail_sync_service").format(
                sql.Identifier(LOGIN), sql.Literal(password)
            )
        )
    return password
