"""A first sync of a mailbox, beside lieer's first pull of the same.

lieer only knows Google's address, but heeds https_proxy and HTTPLIB2_CA_CERTS. So it reaches the
simulator through a proxy that answers for Google. Our worker, one, uses the same proxy with the
same TLS. Quota off, fsync on; both have started when the clock does. Each ends with all mail stored
and searchable. Ours is in Postgres (`full`: headers, bodies, attachments listed). lieer has the
whole messages as files, indexed by notmuch. Ours still has to be indexed for fast searches:
lieer_indexed counts that time too. A first sync, not counted, makes the simulator parse its mail.

lieer is built on libnotmuch (Debian: libnotmuch-dev and a C compiler). Where that is missing,
nothing is measured. msgvault, a Go program, and OpenArchiver, a stack of several services, are left
out: neither is in a package registry.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.figure import Figure
from tests.benchmarks.gmail import EMAIL, TOKEN
from tests.benchmarks.machine import Installation, gmail, installed, process
from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.peers.google import Google, google
from tests.benchmarks.postgres import index_all
from tests.benchmarks.turns import Turns

USER = "user-42"
MESSAGES = 4_150
ROUNDS = 2


def measure() -> Iterator[Figure]:
    lieer = Environment("lieer")
    lieer.install()
    with installed() as installation:
        yield from measured(lieer, installation, MESSAGES, ROUNDS)


def measured(
    lieer: Environment, installation: Installation, messages: int, rounds: int
) -> Iterator[Figure]:
    with mailbox(messages) as address:
        ours(installation, address)
        rates = [(*ours(installation, address), theirs(lieer, address)) for _ in range(rounds)]
    synced, indexed, pulled = (list(each) for each in zip(*rates, strict=True))
    yield figure("lieer", "full sync, quota off", Turns(synced, pulled))
    yield figure(
        "lieer_indexed", "full sync, quota off, and all words indexed", Turns(indexed, pulled)
    )


def figure(name: str, what: str, turns: Turns) -> Figure:
    return Figure(
        name,
        what,
        "lieer's first pull",
        turns.ratio,
        bar=2,
        details=turns.details("messages_a_second", "lieer_messages_a_second"),
    )


@contextmanager
def mailbox(messages: int) -> Iterator[Google]:
    with (
        gmail("real", messages) as simulator,
        TemporaryDirectory() as folder,
        google(simulator.url, Path(folder)) as address,
    ):
        yield address


def ours(installation: Installation, address: Google) -> tuple[float, float]:
    """Messages a second, from the claim of the run to its end, and until all words are indexed."""
    with installation.database() as database:
        database.connect_user(USER)
        environment = {
            "DATABASE_URL": database.url,
            "GMAIL_SYNC_CREDENTIALS_KEYS": database.keys,
            "GMAIL_SYNC_GMAIL_ENDPOINT": address.url,
            "GMAIL_SYNC_OAUTH_ENDPOINT": address.url,
            "GMAIL_SYNC_LOG_LEVEL": "warning",
            **address.trust,
        }
        with process(["-m", "service.cli", "worker"], environment):
            run = database.finished(database.start(USER))
        _, index_seconds = index_all(database.db)
    seconds: float = (run["finished_at"] - run["claimed_at"]).total_seconds()
    stored: int = run["current_stats"]["new"]
    return stored / seconds, stored / (seconds + index_seconds)


def theirs(lieer: Environment, address: Google) -> float:
    with TemporaryDirectory() as folder:
        pulled = lieer.run("lieer", folder, EMAIL, TOKEN, environment=address.environment)
    rate: float = pulled["messages"] / pulled["seconds"]
    return rate
