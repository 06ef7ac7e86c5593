"""Reading one's own mail."""

import httpx
import pytest
from psycopg.types.json import Jsonb

from service.postgres.calls import Session
from tests.api.conftest import (
    Running,
    claim,
    client_of,
    list_page,
    problem,
    store,
    stored,
)


@pytest.fixture
def mail(ann: httpx.Client, functions: Session) -> None:
    """Three messages of ann's, m3 the newest."""
    task_id = ann.post("/api/gmail/sync/smart").json()["task_id"]
    claim(functions, task_id)
    list_page(functions, task_id, "m1", "m2", "m3")
    attachment = {
        "part_id": "1",
        "filename": "plan.pdf",
        "mime_type": "application/pdf",
        "size": 3,
        "content_id": None,
        "inline": False,
    }
    store(
        functions,
        task_id,
        stored("m1", internal_date=1_000, body_text="the harvest", label_ids=["Work"]),
        stored("m2", internal_date=2_000, attachments=[attachment]),
        stored("m3", internal_date=10**18, sent_at="9999-12-31T23:59:59Z"),
    )
    labels = [{"id": "INBOX", "name": "Inbox", "type": "system"}]
    functions.rows("store_labels", task_id, Jsonb(labels))


def ids(client: httpx.Client, query: str = "") -> list[str]:
    answer = client.get(f"/api/gmail/messages{query}")
    assert answer.status_code == 200, answer.text
    return [message["message_id"] for message in answer.json()["messages"]]


@pytest.mark.usefixtures("mail")
def test_mail_is_listed_newest_first_in_pages(ann: httpx.Client) -> None:
    page = ann.get("/api/gmail/messages?limit=2").json()
    assert [message["message_id"] for message in page["messages"]] == ["m3", "m2"]
    assert page["next"] == "m2"
    last = ann.get("/api/gmail/messages?limit=2&before=m2").json()
    assert [message["message_id"] for message in last["messages"]] == ["m1"]
    assert last["next"] is None


@pytest.mark.usefixtures("mail")
def test_mail_is_found_by_words_and_by_label(ann: httpx.Client) -> None:
    assert ids(ann, "?q=harvest") == ["m1"]
    assert ids(ann, '?q="about m2"') == ["m2"]
    assert ids(ann, "?q=%27%22(%26|!:*") == []
    assert ids(ann, "?label=Work") == ["m1"]
    assert ids(ann, "?label=INBOX&q=harvest") == []


@pytest.mark.usefixtures("mail")
def test_a_message_comes_with_headers_and_attachments(ann: httpx.Client) -> None:
    message = ann.get("/api/gmail/messages/m2").json()
    assert message["subject"] == "About m2"
    assert message["headers"] == [{"name": "Subject", "value": "About m2"}]
    assert [attachment["filename"] for attachment in message["attachments"]] == ["plan.pdf"]
    assert ann.get("/api/gmail/messages/m3").json()["internal_date"].startswith("9999-12-31")


@pytest.mark.usefixtures("mail")
def test_mail_of_others_is_not_there(running: Running) -> None:
    with client_of(running, "bob", "operator") as bob:
        problem(bob.get("/api/gmail/messages/m1"), 404, "no_such_message")
        assert ids(bob) == []
        assert bob.get("/api/gmail/labels").json() == {"labels": []}


@pytest.mark.usefixtures("mail")
def test_labels_are_listed(ann: httpx.Client) -> None:
    assert ann.get("/api/gmail/labels").json() == {
        "labels": [{"label_id": "INBOX", "name": "Inbox", "type": "system"}]
    }
