"""list_threads."""

import pytest

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, history, message, only, record, store


def page(functions: Session, **named: object) -> list[Row]:
    return functions.rows("list_threads", "ann", **named)


def shown(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row["thread_id"], row["message_id"]) for row in rows]


def at(name: str, thread: str, date: int, *labels: str) -> dict[str, object]:
    return message(name, *labels, thread_id=thread, internal_date=str(date))


@pytest.fixture
def mailbox(functions: Session) -> None:
    """Threads a, b and c of ann; another user has a thread of the same id."""
    task_id = claimed(functions)
    store(
        functions,
        task_id,
        at("a1", "a", 1000, "INBOX"),
        at("b1", "b", 2000, "INBOX"),
        at("b2", "b", 2000, "UNREAD"),
        at("c1", "c", 3000),
        at("a2", "a", 4000, "Work"),
        at("a3", "a", 5000, "TRASH"),
        at("d1", "d", 6000, "SPAM"),
        at("c2", "c", 7000),
    )
    history(functions, task_id, record(500, "messagesDeleted", "c2"))
    store(functions, claimed(functions, "bo"), at("foreign", "a", 9000))


@pytest.mark.usefixtures("mailbox")
def test_threads_come_newest_first_with_their_newest_message(functions: Session) -> None:
    rows = page(functions)
    assert shown(rows) == [("a", "a2"), ("c", "c1"), ("b", "b2")]
    assert [row["message_count"] for row in rows] == [2, 1, 2]
    assert [row["label_ids"] for row in rows] == [["INBOX", "Work"], [], ["INBOX", "UNREAD"]]
    assert all(row["is_found"] for row in rows)


@pytest.mark.usefixtures("mailbox")
def test_threads_come_in_pages(functions: Session) -> None:
    assert shown(page(functions, p_limit=2)) == [("a", "a2"), ("c", "c1")]
    assert shown(page(functions, p_limit=2, p_before="c1")) == [("b", "b2")]
    assert page(functions, p_before="b2") == []
    assert page(functions, p_before="foreign") == []


def test_a_page_stops_after_many_messages_and_goes_on_from_there(functions: Session) -> None:
    task_id = claimed(functions)
    noise = [at(f"n{number:04}", "long", 10_000 + number) for number in range(2_100)]
    store(functions, task_id, at("old", "o", 1), *noise)
    rows = page(functions)
    assert shown(rows[:1]) == [("long", "n2099")]
    assert rows[0]["message_count"] == 100
    stop = rows[1]
    assert (stop["is_found"], stop["message_id"], stop["thread_id"]) == (False, "n0100", None)
    assert shown(page(functions, p_before="n0100")) == [("o", "old")]


def test_an_absurd_page_size_is_refused(functions: Session) -> None:
    for limit in [0, 501, None]:
        with pytest.raises(InvalidArgument):
            page(functions, p_limit=limit)


@pytest.mark.gate
def test_a_page_reads_as_much_of_threads_of_three_sizes(functions: Session, db: Connection) -> None:
    """The walk meets each message of the thread, and none looks at the whole of it."""
    claimed(functions)
    read = []
    for size in (2_000, 8_000, 32_000):
        db.execute(
            "insert into gmail_sync.message (user_id, message_id, thread_id, history_id,"
            " internal_date, label_ids, headers, snippet, size_estimate, change_number)"
            " select 'ann', 'm' || n, 'one', 1, now() - n * interval '1 min', '{}', '[]', '', 1, n"
            " from generate_series(1, %s) n on conflict do nothing",
            [size],
        )
        db.execute("vacuum (analyze) gmail_sync.message")
        plan = only(
            db,
            "explain (analyze, buffers, format json) select gmail_sync.list_threads('ann')",
        )[0]["Plan"]
        read.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    assert max(read) <= 1.3 * read[0] + 100, read
