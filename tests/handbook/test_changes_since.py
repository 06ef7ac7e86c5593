"""The handbook's program that keeps a search index, beside users whose mail keeps changing."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from service.postgres.calls import Session
from tests.cluster import Cluster
from tests.functions.conftest import claimed, history, message, record, store
from tests.handbook.handbook import psql, sections

SECTION = "Keep a search index up to date"
USERS = ("ann", "bo")
BATCHES = 60
# Refuses to apply a change twice, and remembers which messages were taken out again.
AUDIT = """
create table applied (change_number bigint primary key, message_id text, removed boolean);
create function audit() returns trigger language plpgsql as $$ begin
  if tg_op = 'DELETE' then
    insert into applied values (-old.change_number, old.message_id, true);
  else
    insert into applied values (new.change_number, new.message_id, false);
  end if;
  return null;
end $$;
create trigger audit after insert or update or delete on search_document
  for each row execute function audit();
"""


@pytest.fixture
def index_url(server: Cluster, fresh: str) -> str:
    """The database of the index: the application's own, made as the handbook says."""
    name = fresh.replace("test", "index")
    server.create_database(name)
    [tables] = [block for block in sections()[SECTION] if "create table" in block.code]
    psql(server.url(name), tables.code + AUDIT)
    return server.url(name)


def write(functions: Session, user: str, task_id: str) -> None:
    """Store new and known messages, change labels, delete: what a sync does, and fast."""
    choose = random.Random(user)
    known: list[str] = []
    for batch in range(BATCHES):
        names = [f"{user} {batch} {number}" for number in range(1 + batch % 7)]
        store(functions, task_id, *(message(name) for name in [*names, *known[:1]]))
        known += names
        history(functions, task_id, record(2 * batch, "labelsAdded", choose.choice(known), "X"))
        if batch % 3 == 0:
            gone = known.pop(choose.randrange(len(known)))
            history(functions, task_id, record(2 * batch + 1, "messagesDeleted", gone))


def follow(update_index: Callable[..., int], urls: tuple[str, str], done: threading.Event) -> None:
    """Update until a pass that began after the last write found nothing more."""
    with (
        psycopg.connect(urls[0], autocommit=True) as mail,
        psycopg.connect(urls[1], autocommit=True) as index,
    ):
        last = False
        while not last:
            last = done.is_set()
            for user in USERS:
                while update_index(mail, index, user):
                    pass


def test_an_index_misses_nothing_and_takes_nothing_twice(
    fresh: str, index_url: str, login: Callable[[str, str], str], server: Cluster
) -> None:
    [program] = [block for block in sections()[SECTION] if block.language == "python"]
    names: dict[str, Any] = {}
    exec(program.code, names)
    sessions = {user: Session(login(fresh, "service"), f"test {user}") for user in USERS}
    tasks = {user: claimed(sessions[user], user) for user in USERS}
    done = threading.Event()

    with ThreadPoolExecutor() as threads:
        reader = threads.submit(
            follow, names["update_index"], (login(fresh, "reader"), index_url), done
        )
        writers = [threads.submit(write, sessions[user], user, tasks[user]) for user in USERS]
        try:
            for writer in writers:
                writer.result(60)
        finally:
            done.set()
        reader.result(60)
    for session in sessions.values():
        session.close()

    with psycopg.connect(server.url(fresh)) as mail, psycopg.connect(index_url) as index:
        columns = "select user_id, message_id, change_number from "
        expected = mail.execute(columns.encode() + b"gmail_sync.messages order by 1, 2").fetchall()
        found = index.execute(columns.encode() + b"search_document order by 1, 2").fetchall()
        removed = index.execute("select count(*) from applied where removed").fetchone()
        deleted = mail.execute(
            "select count(*) from gmail_sync.message where deleted_at is not null"
        ).fetchone()
    assert found == expected
    # Beside the writers, not after them: messages were indexed and then taken out again.
    assert deleted == (2 * BATCHES / 3,)
    assert removed is not None
    assert removed[0] > 0
