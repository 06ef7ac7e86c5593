import uuid

from service.postgres.calls import Connection, Session
from tests.functions.conftest import connected, queued, run_of


def test_an_expired_cursor_turns_the_run_into_a_full_sync(
    functions: Session, db: Connection
) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    queued(functions)
    task_id = functions.value("claim_sync", uuid.uuid4())
    assert run_of(db, task_id)["sync_type"] == "incremental"
    functions.rows("expire_history", task_id)
    assert run_of(db, task_id)["sync_type"] == "full"
    assert functions.value("get_cursor", task_id) is None
    successor = functions.value("handover_sync", task_id, "drain")
    assert run_of(db, successor)["sync_type"] == "full"
