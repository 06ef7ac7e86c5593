"""get_message."""

import pytest

from service.postgres.calls import Session
from tests.functions.conftest import claimed, history, message, record, store

ATTACHED = {
    "part_id": "2", "filename": "x.pdf", "mime_type": "application/pdf", "size": 5,
    "content_id": None, "inline": False,
}  # fmt: skip


@pytest.fixture(autouse=True)
def mailbox(functions: Session) -> None:
    task_id = claimed(functions)
    store(
        functions, task_id,
        message("1"), message("2", subject="Invoice for the boat", attachments=[ATTACHED]),
        message("deleted"),
    )  # fmt: skip
    history(functions, task_id, record(500, "messagesDeleted", "deleted"))
    store(functions, claimed(functions, "bo"), message("foreign", subject="invoice"))


def test_a_message_comes_with_its_attachments(functions: Session) -> None:
    (row,) = functions.rows("get_message", "ann", "2")
    assert row["subject"] == "Invoice for the boat"
    assert row["attachments"] == [ATTACHED]
    assert functions.rows("get_message", "ann", "1")[0]["attachments"] == []


def test_what_is_not_the_users_mail_is_not_there(functions: Session) -> None:
    for message_id in ["deleted", "foreign", "unknown", None]:
        assert functions.rows("get_message", "ann", message_id) == []
