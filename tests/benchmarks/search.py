"""What a page of a search costs as the mailbox and the installation grow.

Two databases have the same mailboxes, each of another size. The second has several times as much
mail, of others. Each search is measured in both, in turns and warm, with the settings of the
service's sessions. The first PAGES pages of 50 are read as /mail reads them. So a search that stops
to stay fast has read a page, and goes on from there.

A message of the measured mailboxes has 50 words, one of others has 12.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from service.postgres.calls import Connection, connect
from tests.benchmarks.figure import Figure
from tests.benchmarks.postgres import Server, new_database, running_server
from tests.cluster import Cluster
from tests.functions.conftest import only
from tests.functions.mailboxes import add_mailboxes, search_indexes_dropped

MAILBOXES = (10_000, 100_000)
INSTALLATIONS = (120_000, 600_000)
MAILBOX_OF_OTHERS = 2000
WORDS, WORDS_OF_OTHERS = 50, 12
ROUNDS = 25
PAGES = 4
PAGE_SIZE = 50
# What they are, the search, and the label whose list is read.
SEARCHES: dict[str, tuple[str | None, str | None]] = {
    "a word in every message": ("every", None),
    "a word in one of ten": ("tenth", None),
    "a word in one of a hundred": ("hundredth", None),
    "a word in one message": ("single", None),
    "a word in no message": ("nowhere", None),
    "a word that is only in old mail": ("yore", None),
    "two words that are often together": ("every tenth", None),
    "two frequent words that are never together": ("tenth elsewhere", None),
    "two words, one of them rare": ("hundredth w3", None),
    "one of two words": ("tenth OR elsewhere", None),
    "without a word": ("-tenth", None),
    "a phrase in one of ten": ('"alpha beta"', None),
    "a rare phrase of frequent words": ('"kappa delta"', None),
    "`from:` of one in 500": ("from:ann7", None),
    "`has:attachment`": ("has:attachment", None),
    "`larger:`": ("larger:12K", None),
    "`larger:` that nothing is": ("larger:9M", None),
    "`is:unread`": ("is:unread", None),
    "`is:unread` and a word, never together": ("is:unread hundredth", None),
    "`before:`": ("before:2015/1/1", None),
    "`after:` and `before:`, a month": ("after:2020/1/1 before:2020/2/1", None),
    "`before:` and a word": ("before:2015/1/1 tenth", None),
    "`in:sent`": ("in:sent", None),
    "`label:` of one message": ("label:rare", None),
    "`label:` of no message": ("label:nobody", None),
    "`label:` and a word, never together": ("label:own-11 tenth", None),
    "the list of a label of one message": (None, "Label_1"),
    "the list of a label of no message": (None, "Label_0"),
    "the list of the inbox": (None, "INBOX"),
    "no search": (None, None),
}
# The times of a search's pages, by what the search is.
Milliseconds = dict[str, list[float]]


def measure() -> Iterator[Figure]:
    with running_server() as server:
        yield from measured(server, MAILBOXES, INSTALLATIONS, ROUNDS)


def measured(
    server: Server, mailboxes: tuple[int, ...], installations: tuple[int, int], rounds: int
) -> Iterator[Figure]:
    with ExitStack() as down:
        names, template = [], server.template
        for size in installations:
            template = down.enter_context(new_database(server.cluster, template))
            names.append(template)
            load(server.cluster.url(template), mailboxes, size)
        yield from timed(server.cluster, names, mailboxes, installations, rounds)


def timed(
    cluster: Cluster,
    names: Sequence[str],
    mailboxes: tuple[int, ...],
    installations: tuple[int, int],
    rounds: int,
) -> Iterator[Figure]:
    """Of two databases that are loaded."""
    with ExitStack() as down:
        few, many = (down.enter_context(connect(cluster.url(name), "benchmark")) for name in names)
        for count in mailboxes:
            taken = [
                turns(few, many, f"user-of-{count}", search, rounds) for search in SEARCHES.values()
            ]
            beside_few, beside_many = (
                dict(zip(SEARCHES, side, strict=True)) for side in zip(*taken, strict=True)
            )
            yield page_figure(count, installations[0], beside_few)
            yield page_figure(count, installations[1], beside_many)
            yield growth_figure(count, installations, beside_few, beside_many)


def load(url: str, mailboxes: tuple[int, ...], size: int) -> None:
    """The mailboxes, if nothing is stored yet, and mail of others until so much is stored."""
    with connect(url, "benchmark") as db:
        db.execute("set statement_timeout = 0")
        db.execute("set synchronous_commit = off")
        stored = only(db, "select count(*) from gmail_sync.message")
        with search_indexes_dropped(db):
            for count in mailboxes if not stored else ():
                add_mailboxes(db, [f"user-of-{count}"], count, WORDS)
            add_others(db, stored or sum(mailboxes), size)
        db.execute("checkpoint")


def add_others(db: Connection, stored: int, size: int) -> None:
    """Mail of others until so much is stored."""
    users = [f"other-{n}" for n in range(stored, size, MAILBOX_OF_OTHERS)]
    for start in range(0, len(users), 50):
        add_mailboxes(db, users[start : start + 50], MAILBOX_OF_OTHERS, WORDS_OF_OTHERS)


def turns(
    few: Connection,
    many: Connection,
    user_id: str,
    search: tuple[str | None, str | None],
    rounds: int,
) -> tuple[list[float], list[float]]:
    """Milliseconds of pages in either database, after a warm-up."""
    taken = [
        (pages(few, user_id, *search), pages(many, user_id, *search)) for _ in range(rounds + 1)
    ]
    return tuple([ms for each in side for ms in each] for side in zip(*taken[1:], strict=True))


def pages(db: Connection, user_id: str, query: str | None, label_id: str | None) -> list[float]:
    """Milliseconds of each of the first pages."""
    taken: list[float] = []
    before = None
    for _ in range(PAGES):
        began = time.perf_counter()
        rows = db.execute(
            "select * from gmail_sync.search_messages(%s, %s, %s, %s, %s)",
            [user_id, query, label_id, PAGE_SIZE, before],
        ).fetchall()
        taken.append(1000 * (time.perf_counter() - began))
        if not rows or (len(rows) < PAGE_SIZE and rows[-1]["is_found"]):
            break
        before = rows[-1]["message_id"]
    return taken


def percentiles(taken: list[float]) -> list[float]:
    """p50 and p95."""
    marks = statistics.quantiles(taken, n=20, method="inclusive")
    return [round(marks[9], 2), round(marks[18], 2)]


def page_figure(count: int, installation: int, taken: Milliseconds) -> Figure:
    marks = {name: percentiles(each) for name, each in taken.items()}
    slowest = max(marks, key=lambda name: marks[name][1])
    return Figure(
        f"search_{count}_of_{installation}",
        f"a page of a search in a mailbox of {count:,}, beside {installation - count:,} messages of"
        " others, p95",
        f"the slowest of {len(marks)} searches: {slowest}",
        marks[slowest][1],
        bar=100,
        direction="at most",
        unit="ms",
        details={"slowest": slowest, **marks},
    )


def growth_figure(
    count: int, installations: tuple[int, int], few: Milliseconds, many: Milliseconds
) -> Figure:
    ratios = {
        name: round(statistics.median(many[name]) / statistics.median(few[name]), 2)
        for name in SEARCHES
    }
    most = max(ratios, key=lambda name: ratios[name])
    return Figure(
        f"search_{count}_growth",
        f"a page of a search in a mailbox of {count:,} in an installation of"
        f" {installations[1]:,}, p50",
        f"in one of {installations[0]:,}, the search that grows most: {most}",
        ratios[most],
        bar=2,
        direction="at most",
        details={"median_of_the_searches": round(statistics.median(ratios.values()), 2), **ratios},
    )
