"""Messages of an export are staged, and joined with the listing of a full sync."""

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import AccountNotConnected, InvalidArgument
from tests.functions.conftest import (
    claimed,
    connected,
    counts,
    email_of,
    imported,
    listed,
    message,
    only,
    queue_of,
    queued,
    run_of,
    store,
    stored_messages,
    successor_of,
    taken,
)


def stage(functions: Session, *messages: dict[str, Any], raws: Sequence[bytes] = ()) -> None:
    functions.value(
        "stage_imported_messages", "ann", email_of("ann"), Jsonb(messages),
        list(raws) or [None] * len(messages),
    )  # fmt: skip


def begin(functions: Session, keep_deleted: bool = False) -> None:
    functions.value("begin_import", "ann", email_of("ann"), keep_deleted)


def finish(functions: Session, known: int = 0) -> str:
    task_id: str = functions.value("finish_import", "ann", email_of("ann"), known)
    return task_id


def join(functions: Session, task_id: str, *arguments: int) -> None:
    while functions.value("join_imported_messages", task_id, *arguments):
        pass


def result(functions: Session) -> dict[str, Any]:
    row = functions.row("get_import", "ann")
    assert row is not None
    return row


def staged(db: Connection) -> list[str]:
    rows = db.execute("select import_key from gmail_sync.imported_message order by 1").fetchall()
    return [row["import_key"] for row in rows]


def set_labels(functions: Session, task_id: str, *labels: dict[str, str]) -> None:
    functions.value("store_labels", task_id, Jsonb(labels))


def test_what_gmail_lists_is_stored_and_counted_as_new_and_as_imported(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    begin(functions)
    stage(functions, imported("a"), imported("b"))
    listed(functions, task_id, "a", "b", "c")
    assert functions.value("has_imported_messages", task_id)
    join(functions, task_id)
    assert not functions.value("has_imported_messages", task_id)
    assert counts(db, task_id) == {"found": 3, "new": 2, "pending": 1, "imported": 2}
    stored = stored_messages(db)
    assert stored.keys() == {"a", "b"}
    # The id that the listing was pinned to.
    assert stored["a"]["history_id"] == 1000
    assert result(functions)["joined"] == 2
    # Only their labels are still to be fetched.
    assert queue_of(db).keys() == {"a", "b", "c"}
    rows = functions.rows("take_messages", task_id)
    assert {row["message_id"]: row["known"] for row in rows} == {"a": True, "b": True, "c": False}


def test_a_joined_message_is_stored_as_a_fetched_one(functions: Session, db: Connection) -> None:
    attachment = {
        "part_id": "1", "filename": "f", "mime_type": "a/b", "size": 1, "inline": False
    }  # fmt: skip
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    store(functions, task_id, message("b", attachments=[attachment], history_id="1000"))
    stage(functions, imported("a", attachments=[attachment], subject="about b"))
    join(functions, task_id)
    differ = {"message_id", "thread_id", "change_number", "created_number", "headers"}
    a, b = (
        {name: value for name, value in row.items() if name not in differ}
        for row in stored_messages(db).values()
    )
    assert a == b
    assert only(db, "select count(*) from gmail_sync.attachment") == 2
    assert only(db, "select messages from gmail_sync.mail_count") == 2
    assert functions.value("index_messages") == 2


def test_labels_are_found_by_id_and_by_name(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    inbox = {"id": "INBOX", "name": "INBOX", "type": "system"}
    sent = {"id": "SENT", "name": "SENT", "type": "system"}
    set_labels(functions, task_id, inbox, sent, {"id": "Label_1", "name": "Work", "type": "user"})
    listed(functions, task_id, "a")
    # A label of the user that is named as one of Gmail's own.
    stage(functions, {**imported("a", "INBOX", "GONE"), "label_names": ["Work", "Other", "SENT"]})
    join(functions, task_id)
    assert stored_messages(db)["a"]["label_ids"] == ["INBOX", "Label_1"]


def test_a_message_that_is_stored_already_stays_as_it_is(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    stage(functions, imported("a", subject="of the export"))
    store(functions, task_id, message("a", "L"))
    before = stored_messages(db)
    join(functions, task_id)
    assert stored_messages(db) == before
    assert staged(db) == []
    assert counts(db, task_id) == {"found": 1, "new": 1}


def test_a_stored_message_that_is_listed_again_stays_as_it_is(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    store(functions, task_id, message("a", "L"))
    functions.value("reconcile_listing", task_id)
    functions.value("release_sync", task_id)
    full = queued(functions, p_force_full=True)
    functions.value("claim_sync", uuid.uuid4())
    stage(functions, imported("a", subject="of the export"))
    listed(functions, full, "a")
    assert queue_of(db).keys() == {"a"}
    before = stored_messages(db)
    join(functions, full)
    assert stored_messages(db) == before
    assert run_of(db, full)["imported"] == 0


def test_the_thread_and_the_history_id_are_those_of_the_listing(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    stage(functions, imported("a", thread_id="of the export"))
    listed_in(functions, task_id, a="joined since")
    join(functions, task_id)
    stored = stored_messages(db)["a"]
    assert (stored["thread_id"], stored["history_id"]) == ("joined since", 1000)


def test_a_message_that_is_staged_twice_is_stored_once(functions: Session, db: Connection) -> None:
    """Of two exports, one has no ids."""
    task_id = claimed(functions)
    begin(functions)
    stage(functions, imported("a", thread_id="T"), nameless("k", "T"))
    listed_in(functions, task_id, a="T")
    match(functions, task_id, "k", a="T")
    join(functions, task_id)
    assert stored_messages(db).keys() == {"a"}
    assert counts(db, task_id) == {"found": 1, "new": 1, "imported": 1}


def test_a_message_that_was_given_up_stays_so(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed_in(functions, task_id, a="t-a", b="t-b")
    db.execute("update gmail_sync.fetch_queue set dead = true")
    stage(functions, imported("a"), nameless("k", "t-b"))
    assert unmatched(functions, task_id) == {"k": False}
    match(functions, task_id, "k")
    join(functions, task_id)
    assert stored_messages(db) == {}


def test_a_tombstone_stays_one(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    store(functions, task_id, message("a"))
    db.execute("update gmail_sync.message set deleted_at = now()")
    begin(functions, keep_deleted=True)
    stage(functions, imported("a"))
    before = stored_messages(db)
    join(functions, task_id)
    assert stored_messages(db) == before


def test_what_gmail_no_longer_lists_is_dropped(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    begin(functions)
    stage(functions, imported("a"), imported("gone"))
    listed(functions, task_id, "a")
    join(functions, task_id)
    assert stored_messages(db).keys() == {"a"}
    assert (result(functions)["joined"], result(functions)["dropped"]) == (1, 1)


def test_it_is_kept_as_deleted_on_request(functions: Session, db: Connection) -> None:
    attachment = {
        "part_id": "1", "filename": "f", "mime_type": "a/b", "size": 1, "inline": False
    }  # fmt: skip
    task_id = claimed(functions)
    begin(functions, keep_deleted=True)
    stage(functions, imported("a"), imported("gone", attachments=[attachment]))
    listed(functions, task_id, "a")
    join(functions, task_id)
    stored = stored_messages(db)
    assert only(db, "select message_id from gmail_sync.attachment") == "gone"
    assert stored["gone"]["deleted_at"] is not None
    assert stored["a"]["deleted_at"] is None
    assert (result(functions)["kept"], result(functions)["dropped"]) == (1, 0)
    # It is not part of the mailbox: not counted, not indexed.
    assert counts(db, task_id) == {"found": 1, "new": 1, "imported": 1}
    assert only(db, "select messages from gmail_sync.mail_count") == 1
    assert functions.value("index_messages") == 1
    assert db.execute("select * from gmail_sync._miscounted_mail()").fetchall() == []
    changes = functions.rows("changes_since", "ann", 0, 10)
    assert {row["message_id"] for row in changes} == {"a", "gone"}


@pytest.mark.parametrize(("gone", "own"), [(99, True), (100, False)])
def test_one_message_in_a_hundred_decides_for_all_steps_whose_export_it_is(
    functions: Session, gone: int, own: bool
) -> None:
    task_id = claimed(functions)
    begin(functions, keep_deleted=True)
    stage(functions, imported("a"), *(imported(f"x{number}") for number in range(gone)))
    listed(functions, task_id, "a")
    join(functions, task_id, 60)
    assert result(functions)["own"] is own
    assert result(functions)["kept"] == (gone if own else 0)


def test_an_import_begins_with_its_own_wish_and_counts(functions: Session) -> None:
    task_id = claimed(functions)
    begin(functions, keep_deleted=True)
    stage(functions, imported("a"), imported("gone"), nameless("k", "T"))
    listed(functions, task_id, "a")
    join(functions, task_id)
    before = result(functions)
    assert (before["joined"], before["kept"], before["unmatched"]) == (1, 1, 1)
    begin(functions)
    assert result(functions) == {
        "keep_deleted": False, "known": 0, "staged": 0, "joined": 0, "kept": 0, "dropped": 0,
        "unmatched": 0, "own": None,
    }  # fmt: skip


def test_nothing_of_another_persons_export_is_kept(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    begin(functions, keep_deleted=True)
    stage(functions, *(imported(f"x{number}") for number in range(5)))
    listed(functions, task_id, "a", "b")
    join(functions, task_id, 2)
    assert stored_messages(db) == {}
    assert result(functions)["own"] is False
    assert result(functions)["dropped"] == 5


def test_an_export_whose_messages_are_all_stored_is_the_persons_own(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    store(functions, task_id, message("a"))
    begin(functions, keep_deleted=True)
    stage(functions, imported("gone"))
    db.execute("update gmail_sync.mail_import set known = 1")
    join(functions, task_id)
    assert stored_messages(db).keys() == {"a", "gone"}


def test_a_message_without_raw_bytes_is_fetched_where_those_are_kept(
    functions: Session, db: Connection
) -> None:
    """The mode was full while it was staged."""
    task_id = claimed(functions)
    stage(functions, imported("a"))
    functions.value("set_content_mode", "ann", "raw")
    listed(functions, task_id, "a")
    join(functions, task_id)
    assert stored_messages(db) == {}
    assert taken(functions, task_id) == ["a"]
    assert staged(db) == []


def test_raw_bytes_are_stored_only_where_they_are_kept(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    stage(functions, *map(imported, "abc"), raws=[b"x", b"y", b"z"])
    listed(functions, task_id, *"abc")
    functions.value("join_imported_messages", task_id, 1)
    functions.value("set_content_mode", "ann", "raw")
    join(functions, task_id)
    raws = {each: row["raw"] for each, row in stored_messages(db).items()}
    assert raws == {"a": None, "b": b"y", "c": b"z"}
    assert only(db, "select with_raw from gmail_sync.mail_count") == 2


def test_a_step_is_limited_in_messages_and_bytes(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, *"abcde")
    stage(functions, *map(imported, "abcde"))
    assert functions.value("join_imported_messages", task_id, 2, 10**6)
    assert staged(db) == ["c", "d", "e"]
    assert functions.value("join_imported_messages", task_id, 2, 1)
    assert staged(db) == ["d", "e"]
    assert not functions.value("join_imported_messages", task_id)


def test_it_waits_for_the_complete_listing(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    stage(functions, imported("a"))
    listed(functions, task_id, "a", token="next")
    with pytest.raises(InvalidArgument):
        functions.value("join_imported_messages", task_id)
    assert staged(db) == ["a"]


def test_what_is_known_is_said_to_be_stored_or_staged(functions: Session) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    store(functions, task_id, message("a"))
    stage(functions, imported("b"))
    known = functions.rows("list_known_imports", "ann", ["a", "b", "c"])
    assert {row["import_key"]: row["stored"] for row in known} == {"a": True, "b": False}


def test_staging_twice_changes_nothing(functions: Session, db: Connection) -> None:
    connected(functions)
    stage(functions, imported("a"))
    stage(functions, imported("a", subject="again"), imported("b"))
    rows = db.execute("select import_key, parsed from gmail_sync.imported_message order by 1")
    assert [row["parsed"]["subject"] for row in rows] == ["about a", "about b"]


def nameless(key: str, thread: str, header: str | None = "", **columns: object) -> dict[str, Any]:
    """A message to which the export gives no id."""
    header = f"<{key}@x>" if header == "" else header
    parsed = message("", thread_id=thread, rfc822_message_id=header, **columns)
    return {
        **imported(key), "message_id": None, "thread_id": thread, "rfc822_message_id": header,
        "parsed": parsed,
    }  # fmt: skip


def listed_in(functions: Session, task_id: str, **threads: str) -> None:
    """Complete the listing with messages and their threads."""
    functions.rows("begin_listing", task_id, 1000, len(threads))
    functions.rows("store_listing_page", task_id, [*threads], None, [*threads.values()])


def unmatched(functions: Session, task_id: str, *limit: int) -> dict[str, bool]:
    rows = functions.rows("list_unmatched_imports", task_id, *limit)
    assert len({row["import_key"] for row in rows}) == len(rows)
    return {row["import_key"]: row["wanted"] for row in rows}


def match(functions: Session, task_id: str, keys: str, **found: str) -> None:
    functions.value("match_imported_messages", task_id, [*keys], [*found], [*found.values()])


def test_a_message_without_an_id_is_matched_by_the_one_answer_in_its_thread(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    begin(functions)
    stage(functions, *(nameless(key, f"T{key}") for key in "klm"))
    listed_in(functions, task_id, a="Tk", b="Tl", c="Tl", d="Tm")
    assert unmatched(functions, task_id) == {"k": True, "l": True, "m": True}
    match(functions, task_id, "klm", a="Tk", b="Tl", c="Tl", x="Tx")
    assert unmatched(functions, task_id) == {}
    join(functions, task_id)
    assert stored_messages(db).keys() == {"a"}
    assert counts(db, task_id) == {"found": 4, "new": 1, "pending": 3, "imported": 1}
    assert (result(functions)["joined"], result(functions)["unmatched"]) == (1, 2)
    assert staged(db) == []


def test_messages_without_ids_are_tried_one_of_each_thread(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    arrived = str(1_700_000_000_999)
    stage(
        functions, imported("z"), nameless("k", "T1", internal_date=arrived), nameless("l", "T1"),
        nameless("m", "T2"), nameless("n", "T3", header=None),
    )  # fmt: skip
    listed_in(functions, task_id, a="T1", b="T1", c="T2")
    assert unmatched(functions, task_id, 1) == {"k": True}
    (row, _) = functions.rows("list_unmatched_imports", task_id)
    assert (row["rfc822_message_id"], row["arrived_at"].timestamp()) == ("<k@x>", 1_700_000_000.999)
    match(functions, task_id, "km", a="T1")
    assert unmatched(functions, task_id) == {"l": True}
    match(functions, task_id, "l")
    # Repeated, because the answer was lost.
    match(functions, task_id, "k")
    assert unmatched(functions, task_id) == {}
    keys = "select array_agg(import_key) from gmail_sync.imported_message where message_id = 'a'"
    assert only(db, keys) == ["k"]
    with pytest.raises(InvalidArgument):
        functions.rows("list_unmatched_imports", task_id, 101)


def test_what_no_search_can_tell_apart_or_nobody_lacks_is_not_wanted(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    begin(functions)
    stage(
        functions, nameless("k", "T1", "<same@x>"), nameless("l", "T1", "<same@x>"),
        nameless("m", "T2"), nameless("n", "T3"), nameless("o", "T4", "<m@x>"),
        nameless("p", "T2", None),
    )  # fmt: skip
    listed_in(functions, task_id, a="T1", b="T1", c="T2")
    stored = message("c", thread_id="T2", rfc822_message_id="<m@x>")
    store(functions, task_id, stored)
    assert unmatched(functions, task_id) == {"k": False, "m": False, "n": False, "o": False}
    match(functions, task_id, "kmno")
    # The other one is as ambiguous as before.
    assert unmatched(functions, task_id) == {"l": False}
    match(functions, task_id, "l")
    join(functions, task_id)
    assert (result(functions)["known"], result(functions)["unmatched"]) == (1, 5)
    assert stored_messages(db).keys() == {"c"}


def test_twins_are_searched_for_where_their_time_or_place_tells_them_apart(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    early, late = "1700000000000", "1700000001000"
    stage(
        functions,
        {**nameless("k", "T", "<same@x>", internal_date=early), "label_ids": ["SENT"]},
        {**nameless("l", "T", "<same@x>", internal_date=early), "label_ids": ["INBOX"]},
        {**nameless("m", "T", "<same@x>", internal_date=late), "label_ids": ["INBOX"]},
        {**nameless("n", "U", "<same@x>", internal_date=early), "label_ids": ["INBOX"]},
        {**nameless("o", "U", "<same@x>", internal_date=early), "label_ids": ["STARRED"]},
        # It may have been sent.
        {**nameless("p", "V", "<same@x>", internal_date=early), "label_ids": ["SENT"]},
        nameless("q", "V", "<same@x>", internal_date=early),
    )
    listed_in(functions, task_id, a="T", b="T", c="T", d="U", e="U", f="V", g="V")
    wanted, is_sent = {}, {}
    while rows := functions.rows("list_unmatched_imports", task_id):
        for row in rows:
            wanted[row["import_key"]] = row["wanted"]
            is_sent[row["import_key"]] = row["is_sent"]
        match(functions, task_id, "".join(row["import_key"] for row in rows))
    assert {key for key in wanted if wanted[key]} == {"k", "l", "m"}
    assert is_sent == {
        "k": True, "l": False, "m": False, "n": False, "o": False, "p": True, "q": None
    }  # fmt: skip


def test_nothing_is_staged_for_another_mailbox(functions: Session, db: Connection) -> None:
    connected(functions)
    with pytest.raises(AccountNotConnected, match=r"is not bo@mail.example any more"):
        functions.value("begin_import", "ann", "bo@mail.example")
    with pytest.raises(AccountNotConnected, match="has no Gmail account"):
        functions.value("begin_import", "bo", "bo@mail.example")
    functions.value("disconnect_account", "ann")
    with pytest.raises(AccountNotConnected, match="is not connected") as caught:
        stage(functions, imported("a"))
    assert caught.value.hint == "Connect Gmail for this user, then import again."
    with pytest.raises(AccountNotConnected):
        finish(functions)
    assert staged(db) == []


def test_staged_mail_is_deleted_with_the_other_mail(functions: Session, db: Connection) -> None:
    claimed(functions)
    begin(functions)
    stage(functions, *map(imported, "abc"))
    functions.value("begin_disconnect", "ann")
    assert functions.value("delete_mail_step", "ann", 2) is False
    assert staged(db) == ["c"]
    functions.value("disconnect_account", "ann", True)
    assert staged(db) == []
    assert functions.row("get_import", "ann") is None


def test_the_end_of_staging_starts_a_full_sync(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    begin(functions)
    assert run_of(db, finish(functions, known=5))["sync_type"] == "full"
    assert result(functions)["known"] == 5


def test_a_full_sync_that_is_fetching_hands_over(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a", "b")
    taken(functions, task_id)
    begin(functions)
    stage(functions, imported("a"))
    successor = finish(functions)
    assert run_of(db, task_id)["outcome"] == "superseded"
    assert successor_of(db, task_id)["task_id"] == successor
    assert functions.value("claim_sync", uuid.uuid4()) == successor
    # The listing goes on where it was, and no message is charged for the end of the run.
    assert functions.row("begin_listing", successor, 1, 1) == {"page_token": None, "complete": True}
    join(functions, successor)
    assert counts(db, successor) == {"found": 2, "new": 1, "pending": 1, "imported": 1}
    assert functions.rows("take_messages", successor)[0]["attempts"] == 1
    assert run_of(db, successor)["attempt"] == 1


def test_an_incremental_sync_is_followed_by_a_full_one(functions: Session, db: Connection) -> None:
    connected(functions)
    db.execute("update gmail_sync.account set history_id = 7")
    task_id = queued(functions)
    functions.value("claim_sync", uuid.uuid4())
    begin(functions)
    assert finish(functions) == task_id
    assert run_of(db, task_id)["follow_up"] == "full"


def test_the_successor_keeps_the_number_of_imported(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    listed(functions, task_id, "a")
    stage(functions, imported("a"))
    join(functions, task_id)
    functions.value("handover_sync", task_id, "why")
    assert successor_of(db, task_id)["imported"] == 1


def test_an_unreadable_message_is_not_staged(functions: Session, db: Connection) -> None:
    connected(functions)
    with pytest.raises(psycopg.errors.NotNullViolation):
        stage(functions, {**imported("a"), "thread_id": None})
    assert staged(db) == []
