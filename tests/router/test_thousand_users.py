"""A thousand users over three nodes have the mail that they would have in one Postgres."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

import pytest
from cryptography.fernet import Fernet

from service import logs
from service.demo.routed import superuser
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import Session
from service.simulator import Simulator, generate
from service.worker.worker import Worker
from tests.router.conftest import NODES, Installation, clear, spread
from tests.waiting import wait_until

pytestmark = pytest.mark.gate

USERS = [f"user-{number}" for number in range(1_000)]
# Users share mailboxes, because what is stored for a user depends on the mailbox only.
MAILBOXES = 10
MESSAGES = 3
SECONDS = 300
# Each user's messages, without what differs from sync to sync.
MAIL = """
select user_id, count(*), md5(string_agg(
  concat_ws('|', message_id, thread_id, label_ids, subject, internal_date, body_text), ','
  order by message_id
))
from gmail_sync.messages
group by user_id
"""


class Gmail(NamedTuple):
    google: Google
    cipher: CredentialCipher

    def connect_and_start(self, url: str, users: Sequence[str]) -> None:
        """The users' mailboxes are those of the simulator by turns."""
        with closing(Session(url, "test")) as functions:
            for number, user in enumerate(users):
                mailbox = number % MAILBOXES
                sealed = self.cipher.encrypt({"token": f"token-{mailbox}"})
                functions.value("connect_account", user, email(mailbox), sealed, "unlimited")
                functions.value("start_sync_idempotent", user)


@pytest.fixture(scope="module")
def gmail() -> Iterator[Gmail]:
    cipher = CredentialCipher([Fernet.generate_key().decode()])
    with Simulator() as simulator:
        for number in range(MAILBOXES):
            mail = list(generate(MESSAGES + number))[-MESSAGES:]
            simulator.add_mailbox(email(number), f"token-{number}", messages=mail)
        api = GmailApi(simulator.url)
        yield Gmail(Google(api, f"{simulator.url}/token", None, None, cipher), cipher)


def email(mailbox: int) -> str:
    return f"mailbox-{mailbox}@example.com"


@contextmanager
def workers(urls: Sequence[str], gmail: Gmail) -> Iterator[None]:
    with ExitStack() as stack:
        for url in urls:
            worker = Worker(url, gmail.google, 2, logs.configure("warning"))
            worker.start()
            stack.callback(worker.stop)
        yield


def mail(url: str) -> dict[str, tuple[int, str]]:
    with superuser(url) as database:
        rows = database.execute(MAIL).fetchall()
    return {user: (count, digest) for user, count, digest in rows}


def test_a_thousand_users_have_the_mail_that_one_postgres_would_have(
    installation: Installation, database_url: str, gmail: Gmail
) -> None:
    clear(installation)
    with spread(installation), closing(Session(installation.router_url, "test")) as functions:
        gmail.connect_and_start(installation.router_url, USERS)
        gmail.connect_and_start(database_url, USERS[:MAILBOXES])
        with workers([*installation.node_urls, database_url], gmail):
            wait_until(lambda: functions.value("sync_health")["queue"]["waiting"] == 0, SECONDS)
            wait_until(lambda: not functions.rows("list_running_syncs"), SECONDS)
        health = functions.value("sync_health")
        found, of_one = mail(installation.router_url), mail(database_url)
        own = [health_of(url) for url in installation.node_urls]

    assert len(of_one) == MAILBOXES
    assert found == {user: of_one[USERS[number % MAILBOXES]] for number, user in enumerate(USERS)}
    for name, total in health["statistics"].items():
        assert total == sum(each["statistics"][name] for each in own), name
    assert health["statistics"]["total_users"] == len(USERS)
    assert health["statistics"]["recent_completed_syncs"] == len(USERS)
    assert [each["node"] for each in health["nodes"]] == list(range(NODES))
    assert all(each["statistics"]["total_users"] > len(USERS) / NODES / 2 for each in own)


def health_of(url: str) -> dict[str, dict[str, int]]:
    with closing(Session(url, "test")) as functions:
        health: dict[str, dict[str, int]] = functions.value("sync_health")
    return health
