"""Every kind of answer has the shape the discovery document gives it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import ValidationError

from service.simulator import Mailbox, Simulator, load
from tests.simulator.conftest import EMAIL
from tests.simulator.discovery import validator

Check = Callable[[str, Any], None]


@pytest.fixture
def check(discovery_document: dict[str, Any]) -> Check:
    def check(schema: str, answer: Any) -> None:
        validator(discovery_document, schema).validate(answer)

    return check


def test_the_check_itself_refuses_unknown_properties_and_wrong_types(check: Check) -> None:
    with pytest.raises(ValidationError):
        check("Message", {"id": "1", "unheard": "of"})
    with pytest.raises(ValidationError):
        check("Message", {"historyId": 5})
    with pytest.raises(ValidationError):
        check("Message", {"payload": {"parts": [{"body": {"size": "big"}}]}})


@pytest.mark.parametrize("form", ["minimal", "full", "raw", "metadata"])
def test_messages(gmail: Any, mailbox: Mailbox, check: Check, form: str) -> None:
    for message_id in mailbox.message_ids():
        answer = gmail.messages().get(userId="me", id=message_id, format=form).execute()
        check("Message", answer)
        assert ("payload" in answer) == (form in ("full", "metadata"))
        assert ("raw" in answer) == (form == "raw")


@pytest.mark.parametrize("form", ["minimal", "full", "metadata"])
def test_threads(gmail: Any, mailbox: Mailbox, check: Check, form: str) -> None:
    first = mailbox.insert(b"Message-ID: <1@x>\r\n\r\n", internal_date=2)
    reply = mailbox.insert(b"References: <1@x>\r\n\r\n", internal_date=1)
    thread_id = mailbox.get(first).thread_id
    answer = gmail.threads().get(userId="me", id=thread_id, format=form).execute()
    check("Thread", answer)
    assert answer["messages"] == [
        gmail.messages().get(userId="me", id=message_id, format=form).execute()
        for message_id in (reply, first)
    ]


def test_lists_profile_labels_and_watch(gmail: Any, mailbox: Mailbox, check: Check) -> None:
    check("ListMessagesResponse", gmail.messages().list(userId="me", maxResults=5).execute())
    check("Profile", gmail.getProfile(userId=EMAIL).execute())
    check("ListLabelsResponse", gmail.labels().list(userId="me").execute())
    check("Label", gmail.labels().get(userId="me", id="INBOX").execute())
    check("Label", gmail.labels().create(userId="me", body={"name": "New"}).execute())
    watched = gmail.watch(userId="me", body={"topicName": "projects/p/topics/t"}).execute()
    check("WatchResponse", watched)
    assert gmail.stop(userId="me").execute() == ""


def test_history_of_every_kind(gmail: Any, mailbox: Mailbox, check: Check) -> None:
    start = mailbox.history_id
    added = mailbox.insert(b"Subject: new\r\n\r\nhello\r\n")
    mailbox.modify(added, add=["STARRED"], remove=["UNREAD"])
    mailbox.delete(added)
    answer = gmail.history().list(userId="me", startHistoryId=str(start)).execute()
    check("ListHistoryResponse", answer)
    keys = {key for record in answer["history"] for key in record}
    assert {"messagesAdded", "messagesDeleted", "labelsAdded", "labelsRemoved"} < keys


def test_attachments_and_changes(gmail: Any, mailbox: Mailbox, check: Check) -> None:
    raw = b"Content-Type: application/pdf; name=a.pdf\r\n\r\ncontent"
    message_id = mailbox.insert(raw)
    full = gmail.messages().get(userId="me", id=message_id).execute()
    attachment_id = full["payload"]["body"]["attachmentId"]
    attachments = gmail.messages().attachments()
    got = attachments.get(userId="me", messageId=message_id, id=attachment_id).execute()
    check("MessagePartBody", got)
    body = {"addLabelIds": ["STARRED"]}
    check("Message", gmail.messages().modify(userId="me", id=message_id, body=body).execute())
    check("Message", gmail.messages().trash(userId="me", id=message_id).execute())
    check("Message", gmail.messages().untrash(userId="me", id=message_id).execute())


@pytest.mark.parametrize("name", ["mime-cases", "non-english"])
def test_the_broken_mail_of_the_world(
    simulator: Simulator,
    call: Callable[..., tuple[int, Any]],
    mail_folder: Path,
    discovery_document: dict[str, Any],
    name: str,
) -> None:
    mailbox = simulator.add_mailbox(EMAIL, messages=load(mail_folder / f"{name}.mbox.xz"))
    checker = validator(discovery_document, "Message")
    for message_id in mailbox.message_ids():
        status, answer = call("GET", f"/gmail/v1/users/me/messages/{message_id}?format=full")
        assert status == 200
        checker.validate(answer)
