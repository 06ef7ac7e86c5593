"""Every row of the tables about search, run on the mailbox that the page describes."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from service.postgres.errors import InvalidArgument
from tests.functions.conftest import claimed, message, store
from tests.handbook.handbook import ROOT

PAGE = (ROOT / "db/handbook/search.md").read_text(encoding="utf-8")
LABELS = [
    {"id": "Label_1", "name": "Work/Clients & Co.", "type": "user"},
    {"id": "Label_2", "name": "Reçus d'achat", "type": "user"},
]
HIDDEN = {"spam", "trash"}


def tables(*columns: str) -> list[list[str]]:
    """The cells of each row of the tables with these columns."""
    head = f"| {' | '.join(columns)} |\n| {' | '.join('---' for _ in columns)} |\n"
    return [
        [unescape(cell.strip()) for cell in line[1:-1].split(" | ")]
        for rows in re.findall(re.escape(head) + r"((?:\|.*\|\n)+)", PAGE)
        for line in rows.splitlines()
    ]


MAILBOX = tables("message", "date", "from", "to", "subject", "text", "besides")
SEARCHES = tables("search", "found", "Gmail's answer, and ours")
NOT_UNDERSTOOD = tables("search", "not understood")
REFUSED = tables("search", "message")


def as_stored(row: list[str]) -> dict[str, object]:
    message_id, date, sender, to, subject, text, besides = row
    more = [field.partition(": ")[::2] for field in besides.split("; ")]
    named = dict(more)
    file = {
        "part_id": "2", "filename": named.get("file"), "mime_type": "application/octet-stream",
        "size": 5, "content_id": None, "inline": False,
    }  # fmt: skip
    return message(
        message_id,
        *(value for name, value in more if name == "label"),
        internal_date=f"{datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp():.0f}000",
        sender=sender,
        recipients=to,
        cc=named.get("cc"),
        bcc=named.get("bcc"),
        reply_to=named.get("reply-to"),
        subject=subject,
        body_text=text,
        rfc822_message_id=named.get("id"),
        size_estimate=int(named.get("size", 1000)),
        headers=[{"name": name, "value": value} for name, value in more],
        attachments=[file] if "file" in named else [],
    )


@pytest.fixture(scope="module")
def functions(shared_db: Connection, shared_functions: Session) -> Session:
    """With the page's mailbox, of ann."""
    task_id = claimed(shared_functions)
    shared_db.execute("update gmail_sync.account set email = 'me@mail.example'")
    shared_functions.rows("store_labels", task_id, Jsonb(LABELS))
    store(shared_functions, task_id, *map(as_stored, MAILBOX))
    shared_functions.value("index_messages", 1000)
    return shared_functions


def typed(cell: str) -> str:
    """The search of a cell such as “`(` 3 times, then `a`”."""
    parts = re.findall(r"`([^`]+)`(?: (\d+) times)?", cell)
    return "".join(text * int(times or 1) for text, times in parts)


def named(cell: str) -> set[str]:
    every = {row[0] for row in MAILBOX} - HIDDEN
    return {"nothing": set(), "all": every}.get(cell, set(cell.split()))


@pytest.mark.parametrize(("search", "found"), [row[:2] for row in SEARCHES])
def test_a_search_finds_what_the_page_says(functions: Session, search: str, found: str) -> None:
    rows = functions.rows("search_messages", "ann", typed(search))
    assert {row["message_id"] for row in rows} == named(found)


@pytest.mark.parametrize(("search", "expected"), NOT_UNDERSTOOD)
def test_what_is_not_understood_is_what_the_page_says(
    functions: Session, search: str, expected: str
) -> None:
    answer = functions.value("search_not_understood", "ann", typed(search))
    assert answer == re.findall(r"`([^`]+)`", expected)


def test_the_page_says_of_each_search_whether_it_is_understood(functions: Session) -> None:
    odd = [
        search
        for search, _, answer in SEARCHES
        if bool(functions.value("search_not_understood", "ann", typed(search)))
        != ("not understood" in answer)
    ]
    assert odd == []


@pytest.mark.parametrize(("search", "expected"), REFUSED)
def test_what_is_refused_is_what_the_page_says(
    functions: Session, search: str, expected: str
) -> None:
    with pytest.raises(InvalidArgument, match=re.escape(expected)):
        functions.rows("search_messages", "ann", typed(search))


def test_each_operator_is_in_the_tables(shared_db: Connection) -> None:
    parser = shared_db.execute(
        "select prosrc from pg_proc where proname = '_search_token'"
    ).fetchone()
    assert parser is not None
    names = re.findall(r"'([a-z0-9_]+)'", parser["prosrc"].partition("in (")[2].partition(")")[0])
    assert len(names) > 20
    searches = " ".join(typed(row[0]).lower() for row in SEARCHES)
    assert [name for name in names if f"{name}:" not in searches] == []
