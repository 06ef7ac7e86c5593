"""index_messages: the words of mail, and that search_messages finds it before they are indexed."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import (
    busy_user,
    claimed,
    history,
    message,
    only,
    record,
    store,
    stored_messages,
)
from tests.waiting import wait_until

WAITING = "select 1 from pg_stat_activity where datname = current_database() and wait_event = %s"


def words(db: Connection) -> dict[str, Row]:
    rows = db.execute(
        "select message_id, words, xmin::text from gmail_sync.message_words where user_id <> ''"
    )
    return {row["message_id"]: row for row in rows}


def found(functions: Session, query: str) -> list[str]:
    return [row["message_id"] for row in functions.rows("search_messages", "ann", query)]


def test_so_many_at_a_time_until_none_is_left(functions: Session, db: Connection) -> None:
    store(functions, claimed(functions), *(message(str(n)) for n in range(5)))

    assert [functions.value("index_messages", 3) for _ in range(3)] == [3, 2, 0]
    assert words(db).keys() == set("01234")


def test_a_message_stored_anew_is_found_by_its_new_words(functions: Session) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", subject="anchor"))
    functions.value("index_messages")

    store(functions, task_id, message("m", subject="sail"))

    for _ in range(2):
        assert (found(functions, "anchor"), found(functions, "sail")) == ([], ["m"])
        functions.value("index_messages")


def test_two_users_share_no_entry_of_the_index(functions: Session, db: Connection) -> None:
    for user in ("ann", "bo"):
        store(functions, claimed(functions, user), message(user, subject="anchor", sender="zoe"))
    functions.value("index_messages")

    shared = """
        select count(*)
        from gmail_sync.message_words a, gmail_sync.message_words b, unnest(a.words) x,
          unnest(b.words) y
        where a.user_id = 'ann' and b.user_id = 'bo' and x.lexeme = y.lexeme
    """
    assert only(db, shared) == 0


# Their keys begin or end with a sign of base64: /6GA, yHr+, 8GT/ and +rHo.
@pytest.mark.parametrize("user", ["user-35", "user-84", "user-260", "user-261"])
def test_a_key_may_have_any_sign_of_base64(functions: Session, db: Connection, user: str) -> None:
    assert re.fullmatch("[/+]...|...[/+]", only(db, f"select gmail_sync._search_key('{user}')"))
    store(functions, claimed(functions, user), message("m", "INBOX", subject="the anchor 合同"))
    functions.value("index_messages")

    for query in ("anchor", '"the anchor"', "合", "in:inbox", "smaller:1M", "-boat"):
        found = functions.rows("search_messages", user, query)
        assert [row["message_id"] for row in found] == ["m"], query


def test_words_do_not_depend_on_the_order_in_which_a_plan_reads_attachments(
    functions: Session, db: Connection
) -> None:
    parts = [
        {"part_id": part_id, "filename": name, "mime_type": "image/gif", "size": 1, "inline": False}
        for part_id, name in (("2", "title.gif"), ("10", "logo.gif"))
    ]
    store(functions, claimed(functions), message("m", attachments=parts))

    def vector(*off: str) -> str:
        db.execute("discard plans")
        with db.transaction(force_rollback=True):
            for kind in off:
                db.execute(f"set local enable_{kind} = off")
            return str(only(db, "select gmail_sync._message_vector('ann', 'm')::text"))

    assert vector("seqscan", "bitmapscan") == vector("indexscan", "indexonlyscan", "bitmapscan")


def test_a_change_of_labels_leaves_the_words_alone(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", "INBOX"))
    functions.value("index_messages")
    before = words(db)

    history(functions, task_id, record(500, "labelsAdded", "m", "STARRED"))

    assert stored_messages(db)["m"]["label_ids"] == ["INBOX", "STARRED"]
    assert words(db) == before
    assert functions.value("index_messages") == 0


def test_two_index_at_once_without_waiting(functions: Session, db: Connection) -> None:
    store(functions, claimed(functions), *(message(str(n)) for n in range(5)))

    with db.transaction():
        db.execute("select gmail_sync.index_messages(3)")
        assert functions.value("index_messages") == 2


def test_what_is_stored_while_it_is_indexed_is_indexed_again(
    functions: Session, db: Connection
) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("m", subject="anchor"))

    with ThreadPoolExecutor(1) as pool:
        with db.transaction():
            db.execute("select gmail_sync.index_messages()")
            storing = pool.submit(store, functions, task_id, message("m", subject="sail"))
            wait_until(lambda: db.execute(WAITING, ["transactionid"]).fetchone())
        storing.result()

    assert functions.value("index_messages") == 1
    assert (found(functions, "anchor"), found(functions, "sail")) == ([], ["m"])


@pytest.mark.parametrize(
    "columns",
    [
        {"body_text": "a_" * 50_000},
        {"body_text": "~/" * 50_000},
        {"body_text": "字" * 100_000},
        {"subject": "a_" * 5_000, "sender": "~/" * 5_000},
        {"body_text": "".join(chr(0x1F300 + n) for n in range(700)) * 140},
    ],
    ids=["letters", "paths", "running text", "heads", "symbols"],
)
def test_no_text_is_more_than_can_be_indexed(
    functions: Session, db: Connection, columns: dict[str, object]
) -> None:
    """Read as they are, the parser of Postgres would take minutes for some of these."""
    task_id = claimed(functions)
    store(functions, task_id, message("m", **columns), message("n", subject="anchor"))

    db.execute("set statement_timeout = '20 s'")
    for _ in range(2):
        query = "select message_id from gmail_sync.search_messages('ann', 'anchor')"
        assert only(db, query) == "n"
        db.execute("select gmail_sync.index_messages()")
    assert words(db).keys() == {"m", "n"}


def test_a_deleted_message_has_no_words(functions: Session, db: Connection) -> None:
    task_id = claimed(functions)
    store(functions, task_id, message("indexed"))
    functions.value("index_messages")
    store(functions, task_id, message("waiting"))

    for name in ("indexed", "waiting"):
        history(functions, task_id, record(500, "messagesDeleted", name))

    assert words(db) == {}
    assert functions.value("index_messages") == 0


def test_a_message_whose_date_has_changed_is_found_once(functions: Session) -> None:
    task_id = claimed(functions)
    for date in ("1700000000000", "1600000000000"):
        store(functions, task_id, message("m", subject="anchor", internal_date=date))

    assert functions.value("index_messages", 1) == 1
    assert found(functions, "anchor") == ["m"]
    functions.value("index_messages")
    assert found(functions, "anchor") == ["m"]


def test_words_go_with_the_mail(functions: Session, db: Connection) -> None:
    busy_user(functions)
    functions.value("index_messages")
    assert words(db)

    functions.value("delete_account", "ann")

    assert words(db) == {}


def test_an_absurd_number_is_refused(functions: Session) -> None:
    for limit in [0, -1, 1001, None]:
        with pytest.raises(InvalidArgument):
            functions.value("index_messages", limit)
