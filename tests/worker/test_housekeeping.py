"""What a worker does besides syncing: it indexes the words of what was stored."""

import pytest

from service import logs
from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from service.worker import worker
from tests.functions.conftest import claimed, message, only, store
from tests.waiting import wait_until


def test_words_are_indexed_until_none_are_left(
    monkeypatch: pytest.MonkeyPatch,
    service_url: str,
    google: Google,
    functions: Session,
    db: Connection,
) -> None:
    monkeypatch.setattr(worker, "HOUSEKEEPING_SECONDS", 3600)
    count = 2 * worker.INDEX_BATCH + 1
    store(functions, claimed(functions), *(message(str(n)) for n in range(count)))
    indexed = "select count(*) from gmail_sync.message_words where user_id <> ''"

    keeper = worker.Worker(service_url, google, 1, logs.configure("warning"))
    keeper.start()
    try:
        wait_until(lambda: only(db, indexed) == count)
    finally:
        keeper.stop()
