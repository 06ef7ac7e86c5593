"""get_raw, get_attachment, export_messages: the bytes of mail."""

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, history, message, record

ATTACHMENT = {
    "part_id": "1", "filename": "a.pdf", "mime_type": "application/pdf", "size": 3,
    "content_id": None, "inline": False,
}  # fmt: skip


@pytest.fixture
def mail(functions: Session) -> str:
    """Ann's mail: c, a and b by age, d deleted; b has no raw copy."""
    task_id = claimed(functions)
    mails = [
        message("a", "UNREAD", "INBOX", internal_date="2000", attachments=[ATTACHMENT]),
        message("b", internal_date="2000"),
        message("c", internal_date="1000"),
        message("d", internal_date="500", attachments=[ATTACHMENT]),
    ]
    raws = [b"\0\xffA", None, b"", b"D"]
    functions.rows("store_messages", task_id, Jsonb(mails), raws)
    history(functions, task_id, record(200, "messagesDeleted", "d"))
    return task_id


def ids(functions: Session, *arguments: object) -> list[str]:
    return [row["message_id"] for row in functions.rows("export_messages", "ann", *arguments)]


@pytest.mark.usefixtures("mail")
def test_raw_copies_are_the_bytes_that_were_stored(functions: Session) -> None:
    assert functions.rows("get_raw", "ann", "a") == [{"raw": b"\0\xffA"}]
    assert functions.rows("get_raw", "ann", "b") == [{"raw": None}]
    assert functions.rows("get_raw", "ann", "c") == [{"raw": b""}]


@pytest.mark.usefixtures("mail")
def test_deleted_mail_and_that_of_others_has_no_bytes(functions: Session) -> None:
    for user, message_id in [("ann", "d"), ("ann", "z"), ("bo", "a")]:
        assert functions.rows("get_raw", user, message_id) == []
        assert functions.rows("get_attachment", user, message_id, "1") == []
    assert functions.rows("get_attachment", "ann", "a", "2") == []


@pytest.mark.usefixtures("mail")
def test_an_attachment_is_described(functions: Session) -> None:
    assert functions.rows("get_attachment", "ann", "a", "1") == [
        {"filename": "a.pdf", "mime_type": "application/pdf", "size": 3}
    ]


@pytest.mark.usefixtures("mail")
def test_mail_is_exported_oldest_first_without_what_was_deleted(functions: Session) -> None:
    rows = functions.rows("export_messages", "ann")
    assert [(row["message_id"], row["raw"]) for row in rows] == [
        ("c", b""), ("a", b"\0\xffA"), ("b", None),
    ]  # fmt: skip
    assert [(row["thread_id"], row["label_ids"]) for row in rows] == [
        ("t-c", []), ("t-a", ["INBOX", "UNREAD"]), ("t-b", []),
    ]  # fmt: skip
    assert functions.rows("export_messages", "bo") == []


@pytest.mark.usefixtures("mail")
def test_pages_follow_one_another(functions: Session) -> None:
    assert ids(functions, None, 2) == ["c", "a"]
    assert ids(functions, "a", 2) == ["b"]
    assert ids(functions, "b", 2) == []
    # Deleted since its page was read.
    assert ids(functions, "d", 1) == ["c"]


@pytest.mark.usefixtures("mail")
def test_a_page_holds_so_many_bytes_but_one_message_at_least(
    functions: Session, db: Connection
) -> None:
    db.execute("update gmail_sync.message set raw = 'xxxx' where message_id <> 'd'")
    assert ids(functions, None, 10, 8) == ["c", "a"]
    assert ids(functions, None, 10, 7) == ["c"]
    assert ids(functions, None, 10, 1) == ["c"]


@pytest.mark.usefixtures("mail")
def test_bad_pages_are_refused(functions: Session) -> None:
    for arguments in [(None, 0), (None, 1001), (None, None), ("z", 1)]:
        with pytest.raises(InvalidArgument):
            ids(functions, *arguments)


@pytest.mark.usefixtures("mail")
def test_the_size_of_an_export_tells_what_it_leaves_out(functions: Session) -> None:
    assert functions.row("count_messages", "ann") == {"messages": 3, "with_raw": 2}
    assert functions.row("count_messages", "bo") == {"messages": 0, "with_raw": 0}
