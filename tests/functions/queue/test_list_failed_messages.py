from datetime import datetime

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Row, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, listed, queue_of, taken


def fail(functions: Session, *failures: dict[str, object], user: str = "ann") -> str:
    """A claimed run whose messages failed so."""
    task_id = claimed(functions, user)
    listed(functions, task_id, *(str(each["message_id"]) for each in failures), "good")
    taken(functions, task_id)
    functions.rows("fail_messages", task_id, Jsonb(failures))
    return task_id


def failed(functions: Session, *arguments: object, user: str = "ann") -> list[Row]:
    return functions.rows("list_failed_messages", user, *arguments)


def test_given_up_and_waiting_messages_are_listed_with_their_error(
    functions: Session, db: Connection
) -> None:
    fail(
        functions,
        {
            "message_id": "b",
            "error_code": "bad_request",
            "error_message": "Gmail said: no (400)",
            "permanent": True,
        },
        {
            "message_id": "a",
            "error_code": "transient",
            "error_message": "Gmail could not be reached",
        },
    )
    retry_at = queue_of(db)["a"]["not_before"]
    assert isinstance(retry_at, datetime)
    assert failed(functions) == [
        {
            "message_id": "a",
            "attempts": 1,
            "error_code": "transient",
            "error_message": "Gmail could not be reached",
            "retry_at": retry_at,
            "dead": False,
        },
        {
            "message_id": "b",
            "attempts": 1,
            "error_code": "bad_request",
            "error_message": "Gmail said: no (400)",
            "retry_at": None,
            "dead": True,
        },
    ]


def test_an_error_may_have_no_code(functions: Session) -> None:
    fail(
        functions, {"message_id": "a", "error_message": "its parts: unreadable", "permanent": True}
    )
    (row,) = failed(functions)
    assert (row["error_code"], row["error_message"]) == (None, "its parts: unreadable")


def test_what_is_tried_again_is_no_longer_listed(functions: Session) -> None:
    fail(functions, {"message_id": "a", "error_code": "x", "error_message": "y", "permanent": True})
    functions.value("retry_failed_messages", "ann")
    assert failed(functions) == []


def test_pages_follow_one_another(functions: Session) -> None:
    ids = [f"m{number}" for number in range(5)]
    failures: list[dict[str, object]] = [
        {"message_id": each, "error_code": "x", "error_message": "y"} for each in ids
    ]
    fail(functions, *reversed(failures))
    seen: list[str] = []
    while page := failed(functions, 2, seen[-1] if seen else None):
        seen += [row["message_id"] for row in page]
    assert seen == ids


def test_other_users_failures_are_theirs(functions: Session) -> None:
    fail(functions, {"message_id": "a", "error_code": "x", "error_message": "y"}, user="bo")
    assert failed(functions) == []
    assert len(failed(functions, user="bo")) == 1


def test_a_limit_out_of_range_is_refused(functions: Session) -> None:
    for limit in (0, 501, None):
        with pytest.raises(InvalidArgument):
            failed(functions, limit)
