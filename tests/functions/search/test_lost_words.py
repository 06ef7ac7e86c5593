"""message_words as an unlogged table: a crash of Postgres empties it, and no search finds less."""

import pytest

from service.postgres.calls import Connection, Session, connect
from tests.cluster import fast_cluster
from tests.conftest import fresh_database, make_template
from tests.functions.conftest import claimed, history, message, only, record, store
from tests.functions.mailboxes import add_mailboxes

# More than a call queues at once.
MESSAGES = 1100
WORDS = "select count(*) from gmail_sync.message_words where user_id = 'ann'"
BACKLOG = "select user_id from gmail_sync.index_backlog"
SEARCHES = ["single", "tenth -elsewhere", '"kappa delta"', "hundredth OR smaller:9K", "nowhere"]


def pages(db: Connection, query: str) -> list[str]:
    """What all pages of a search find."""
    found: list[str] = []
    before = None
    while rows := db.execute(
        "select message_id, is_found from gmail_sync.search_messages('ann', %s, p_before => %s)",
        [query, before],
    ).fetchall():
        found += [row["message_id"] for row in rows if row["is_found"]]
        before = rows[-1]["message_id"]
    return found


def lose_words(db: Connection) -> None:
    db.execute("truncate gmail_sync.message_words")


def test_mail_is_found_once_while_it_is_queued_and_indexed_again(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    for name in "abc":
        store(functions, task_id, message(name, subject="anchor"))
    assert functions.value("index_messages", 2) == 2
    history(functions, task_id, record(500, "messagesDeleted", "a"))
    store(functions, claimed(functions, "bo"), message("foreign", subject="anchor"))

    lose_words(db)

    # One waited for indexing before the loss, one is stored after it.
    assert sorted(pages(db, "anchor")) == ["b", "c"]
    store(functions, task_id, message("d", subject="anchor"))
    while True:
        assert sorted(pages(db, "anchor")) == ["b", "c", "d"]
        assert pages(db, "nowhere") == []
        if not functions.value("index_messages", 1):
            break
    assert (only(db, WORDS), db.execute(BACKLOG).fetchall()) == (3, [])


def test_words_that_are_there_cost_no_second_indexing(functions: Session, db: Connection) -> None:
    store(functions, claimed(functions), message("m"))
    assert [functions.value("index_messages") for _ in range(3)] == [1, 0, 0]


def test_a_second_loss_begins_again(functions: Session, db: Connection) -> None:
    add_mailboxes(db, ["ann"], MESSAGES, 1)
    for _ in range(2):
        lose_words(db)
        functions.value("index_messages", 1)
        # A thousand were queued, less the newest, which is indexed.
        assert only(db, "select count(*) from gmail_sync.index_queue") == 999
        assert only(db, BACKLOG) == "ann"


@pytest.mark.gate
def test_after_a_crash_every_search_finds_what_it_found() -> None:
    with fast_cluster() as cluster, fresh_database(cluster, make_template(cluster)) as name:
        with connect(cluster.url(name), "test") as db:
            add_mailboxes(db, ["ann", "bo"], MESSAGES, 3)
            found = found_by(db)
        cluster.restart("immediate")
        with connect(cluster.url(name), "test") as db:
            assert only(db, WORDS) == MESSAGES
            db.execute("alter table gmail_sync.message_words set unlogged")
        cluster.restart("immediate")
        with connect(cluster.url(name), "test") as db:
            assert only(db, WORDS) == 0
            assert found_by(db) == found
            db.execute("select gmail_sync.index_messages(100)")
            assert found_by(db) == found
            while only(db, "select gmail_sync.index_messages(1000)"):
                pass
            assert (only(db, WORDS), db.execute(BACKLOG).fetchall()) == (MESSAGES, [])
            assert found_by(db) == found
            db.execute("alter table gmail_sync.message_words set logged")
        cluster.restart("immediate")
        with connect(cluster.url(name), "test") as db:
            assert only(db, WORDS) == MESSAGES


def found_by(db: Connection) -> dict[str, list[str]]:
    """What SEARCHES find."""
    return {query: pages(db, query) for query in SEARCHES}
