"""One simulator, worker and database for many syncs, where a new one each would cost too much."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

import psycopg
from cryptography.fernet import Fernet

from service import logs
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Row, Session, connect
from service.simulator import Mailbox, Simulator
from service.worker.worker import Worker
from tests.cluster import Cluster
from tests.conftest import SERVICE_LOGIN, SERVICE_PASSWORD
from tests.worker.conftest import ACCESS_TOKEN, EMAIL, Account


class Stack(NamedTuple):
    """An empty mailbox and an account of it, synced by a worker in `content_mode`."""

    content_mode: str
    simulator: Simulator
    mailbox: Mailbox
    account: Account
    db: psycopg.Connection[Row]

    def sync(self, seconds: float = 120) -> dict[str, Any]:
        """The counts of a run, which must succeed with nothing failed and nothing left over."""
        run = self.account.sync(seconds=seconds)
        stats: dict[str, Any] = run["current_stats"]
        assert run["outcome"] == "succeeded", run["error_message"]
        assert (stats["failed"], stats["pending"]) == (0, 0), self.failures()
        counted = ("new", "updated", "unchanged", "deleted", "gone", "failed", "pending")
        assert stats["found"] == sum(stats[key] for key in counted)
        return stats

    def failures(self) -> list[Row]:
        return self.db.execute("select * from gmail_sync.fetch_queue").fetchall()

    def forget_failures(self) -> None:
        """Give up what an earlier sync could not have, so that it fails no later one."""
        self.db.execute("delete from gmail_sync.fetch_queue")

    def message(self, message_id: str) -> Row:
        found = self.db.execute(
            "select * from gmail_sync.message where message_id = %s", [message_id]
        ).fetchone()
        assert found is not None
        return found

    def attachments(self, message_id: str) -> list[Row]:
        return self.db.execute(
            "select * from gmail_sync.attachment where message_id = %s order by part_id",
            [message_id],
        ).fetchall()

    def assert_raw_is_as_sent(self, message_id: str) -> None:
        sent = self.mailbox.raw(message_id) if self.content_mode == "raw" else None
        assert self.message(message_id)["raw"] == sent


@contextmanager
def running_stack(cluster: Cluster, template: str, content_mode: str) -> Iterator[Stack]:
    """A Stack in a database of its own, torn down in the end."""
    name = f"test_{secrets.token_hex(6)}"
    cluster.create_database(name, template=template)
    url = cluster.url(name, SERVICE_LOGIN, SERVICE_PASSWORD)
    cipher = CredentialCipher([Fernet.generate_key().decode()])
    with ExitStack() as down:
        down.callback(cluster.drop_database, name)
        db = down.enter_context(connect(cluster.url(name), "test"))
        simulator = down.enter_context(Simulator())
        google = Google(GmailApi(simulator.url), f"{simulator.url}/token", None, None, cipher)
        account = Account(down.enter_context(closing(Session(url, "test"))), cipher)
        account.connect(content_mode)
        worker = Worker(url, google, 1, logs.configure("warning"))
        down.callback(worker.stop)
        worker.start()
        mailbox = simulator.add_mailbox(EMAIL, ACCESS_TOKEN)
        yield Stack(content_mode, simulator, mailbox, account, db)
