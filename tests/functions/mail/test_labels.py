from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.functions.conftest import claimed, message, store, stored_messages


def test_labels_are_those_gmail_lists(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "L1"))
    first = [
        {"id": "INBOX", "name": "INBOX", "type": "system"},
        {"id": "L1", "name": "Work", "type": "user"},
        {"id": "L2", "name": "Old"},
    ]
    functions.rows("store_labels", task_id, Jsonb(first))
    functions.rows("store_labels", task_id, Jsonb([first[0], {"id": "L1", "name": "Renamed"}]))
    assert functions.rows("list_labels", "ann") == [
        {"label_id": "INBOX", "name": "INBOX", "type": "system"},
        {"label_id": "L1", "name": "Renamed", "type": "user"},
    ]
    assert functions.rows("list_labels", "bo") == []
    # Gmail always has some: an empty list is not acted on.
    functions.rows("store_labels", task_id, Jsonb([]))
    assert len(functions.rows("list_labels", "ann")) == 2
    assert stored_messages(db)["m"]["label_ids"] == ["L1"]


def test_a_deleted_label_is_taken_off_its_messages(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "L1", "L2"), message("n", "L2"))
    labels = [{"id": "L1", "name": "Work"}, {"id": "L2", "name": "Home"}]
    functions.rows("store_labels", task_id, Jsonb(labels))
    functions.rows("store_labels", task_id, Jsonb(labels[1:]))
    assert stored_messages(db)["m"]["label_ids"] == ["L2"]
    assert stored_messages(db)["n"]["label_ids"] == ["L2"]
