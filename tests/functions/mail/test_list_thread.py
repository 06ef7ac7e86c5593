"""list_thread."""

import pytest

from service.postgres.calls import Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, history, message, record, store


@pytest.fixture(autouse=True)
def mailbox(functions: Session) -> None:
    """Messages 1 to 4 of ann's thread t, 2 and 3 of the same moment; others elsewhere."""
    task_id = claimed(functions)
    dates = {"1": 1000, "2": 2000, "3": 2000, "4": 4000, "deleted": 5000}
    store(
        functions, task_id,
        *(message(name, thread_id="t", internal_date=str(at)) for name, at in dates.items()),
        message("other", thread_id="u"),
    )  # fmt: skip
    history(functions, task_id, record(500, "messagesDeleted", "deleted"))
    store(functions, claimed(functions, "bo"), message("foreign", thread_id="t"))


def ids(functions: Session, **named: object) -> list[str]:
    return [row["message_id"] for row in functions.rows("list_thread", "ann", "t", **named)]


def test_a_thread_comes_newest_first_in_pages(functions: Session) -> None:
    assert ids(functions) == ["4", "3", "2", "1"]
    assert ids(functions, p_limit=2) == ["4", "3"]
    assert ids(functions, p_limit=2, p_upto="2") == ["2", "1"]
    assert ids(functions, p_upto="deleted") == ["4", "3", "2", "1"]


def test_only_its_own_messages_are_places_in_it(functions: Session) -> None:
    assert ids(functions, p_upto="foreign") == []
    assert ids(functions, p_upto="other") == []
    assert functions.rows("list_thread", "bo", "t", p_upto="4") == []


def test_texts_are_cut_and_say_so(functions: Session) -> None:
    long, short = "é" * 20_001, "é" * 20_000
    store(
        functions,
        claimed(functions, "cy"),
        message("long", thread_id="t", body_text=long, body_html=long, internal_date="3000"),
        message("short", thread_id="t", body_text=short, internal_date="2000"),
        message("html", thread_id="t", body_text=None, body_html="<p>", internal_date="1000"),
    )
    rows = functions.rows("list_thread", "cy", "t")
    assert [(row["body_text"], row["body_html"], row["is_cut"]) for row in rows] == [
        (short, short, True),
        (short, None, False),
        (None, "<p>", False),
    ]


def test_attachments_are_told(functions: Session) -> None:
    attached = {
        "part_id": "2", "filename": "x.pdf", "mime_type": "application/pdf", "size": 5,
        "content_id": None, "inline": False,
    }  # fmt: skip
    store(functions, claimed(functions, "cy"), message("1", thread_id="t", attachments=[attached]))
    (row,) = functions.rows("list_thread", "cy", "t")
    assert row["attachments"] == [attached]


def test_an_absurd_page_size_is_refused(functions: Session) -> None:
    for limit in [0, 101, None]:
        with pytest.raises(InvalidArgument):
            ids(functions, p_limit=limit)
