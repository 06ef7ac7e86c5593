"""search_messages and search_not_understood."""

from datetime import datetime

import pytest

from service.postgres.calls import Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, history, message, record, store


@pytest.fixture(autouse=True, params=["indexed", "not indexed"])
def mailbox(request: pytest.FixtureRequest, functions: Session) -> None:
    """Messages 1 to 5 of ann, 5 the newest, 3 and 4 of the same moment; one of bo."""
    task_id = claimed(functions)
    dates = {"1": 1000, "2": 2000, "3": 3000, "4": 3000, "5": 5000}
    store(
        functions, task_id,
        *(message(name, internal_date=str(date * 1000)) for name, date in dates.items()),
        message("deleted", subject="invoice"),
    )  # fmt: skip
    attached = {
        "part_id": "2", "filename": "x.pdf", "mime_type": "application/pdf", "size": 5,
        "content_id": None, "inline": False,
    }  # fmt: skip
    store(
        functions, task_id,
        message("2", "INBOX", internal_date="2000000", subject="Invoice for the boat",
                sender="Zoë <zoe@mail.example>", attachments=[attached]),
        message("4", "INBOX", internal_date="3000000", body_text="boats sail"),
    )  # fmt: skip
    history(functions, task_id, record(500, "messagesDeleted", "deleted"))
    store(functions, claimed(functions, "bo"), message("foreign", subject="invoice"))
    if request.param == "indexed":
        assert functions.value("index_messages") == 6


def ids(functions: Session, **named: object) -> list[str]:
    return [row["message_id"] for row in functions.rows("search_messages", "ann", **named)]


def test_mail_comes_newest_first_in_pages(functions: Session) -> None:
    seen: list[str] = []
    while page := ids(functions, p_limit=2, p_before=seen[-1] if seen else None):
        seen += page
    assert seen == ["5", "4", "3", "2", "1"]


def test_words_are_searched(functions: Session) -> None:
    for query, found in [
        ("invoice", ["2"]),
        ("INVOICE boat", ["2"]),
        ('"for the boat"', ["2"]),
        ('"boat the for"', []),
        ("invoice OR sail", ["4", "2"]),
        ("about -5", ["4", "3", "1"]),
        ("zoe@mail.example", ["2"]),
        ("zoe", ["2"]),
        ("Zoë", ["2"]),
        ("b", []),
        ("& | ! ( ' \" \\", []),
    ]:
        assert ids(functions, p_query=query) == found, query


def test_a_label_filters(functions: Session) -> None:
    assert ids(functions, p_label_id="INBOX") == ["4", "2"]
    assert ids(functions, p_label_id="INBOX", p_query="invoice") == ["2"]
    assert ids(functions, p_label_id="NONE") == []


def test_an_absurd_page_size_is_refused(functions: Session) -> None:
    for limit in [0, -1, 501, None]:
        with pytest.raises(InvalidArgument):
            ids(functions, p_limit=limit)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("invoice from:ann", []),
        ("is:muted x", ["is:muted"]),
        ("label:nowhere", ["label:nowhere"]),
        ("before:yesterday -after:2024/2/31", ["before:yesterday", "after:2024/2/31"]),
        ("foo:bar https://x.example 10:30", ["foo:bar"]),
        ("larger:big OR (in:nowhere)", ["larger:big", "in:nowhere"]),
    ],
)
def test_what_is_not_understood_is_said(
    functions: Session, query: str, expected: list[str]
) -> None:
    assert functions.value("search_not_understood", "ann", query) == expected
    functions.rows("search_messages", "ann", query)


def test_pages_lose_nothing_at_the_borders_of_periods(functions: Session) -> None:
    """Messages at the first moment of a month, several of one moment, in pages of one."""
    moments = ["2023-12-31 23:59:59.999", "2024-01-01", "2024-01-01", "2024-02-01", "2024-03-01"]
    milliseconds = [
        round(datetime.fromisoformat(f"{each}+00:00").timestamp() * 1000) for each in moments
    ]
    store(
        functions, claimed(functions, "cy"),
        *(message(f"b{n}", "INBOX", subject="border", internal_date=str(each))
          for n, each in enumerate(milliseconds)),
    )  # fmt: skip
    for query in ["border", "in:inbox", "border in:inbox", "-nothing", None]:
        seen: list[str] = []
        while page := functions.rows(
            "search_messages", "cy", query, p_limit=1, p_before=seen[-1] if seen else None
        ):
            seen += [row["message_id"] for row in page]
        assert seen == ["b4", "b3", "b2", "b1", "b0"], query
