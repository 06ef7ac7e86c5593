"""labels.*"""

from typing import Any

import pytest
from googleapiclient.errors import HttpError

from service.simulator import Mailbox


def test_lists_system_labels_by_name_without_counts(gmail: Any, mailbox: Mailbox) -> None:
    labels = {label["id"]: label for label in gmail.labels().list(userId="me").execute()["labels"]}
    assert labels["INBOX"] == {"id": "INBOX", "name": "INBOX", "type": "system"}
    assert labels["CATEGORY_SOCIAL"]["labelListVisibility"] == "labelHide"
    assert all("messagesTotal" not in label for label in labels.values())


def test_creates_renames_colours_and_deletes(gmail: Any, mailbox: Mailbox) -> None:
    labels = gmail.labels()
    made = labels.create(userId="me", body={"name": "Bücher"}).execute()
    assert made["id"].startswith("Label_")
    assert (made["type"], made["labelListVisibility"]) == ("user", "labelShow")
    color = {"textColor": "#000000", "backgroundColor": "#ffffff"}
    labels.patch(userId="me", id=made["id"], body={"color": color}).execute()
    body = {"name": "Books", "labelListVisibility": "labelHide"}
    labels.update(userId="me", id=made["id"], body=body).execute()
    found = labels.get(userId="me", id=made["id"]).execute()
    assert (found["name"], found["labelListVisibility"], found["color"]) == (
        "Books",
        "labelHide",
        color,
    )
    message_id = mailbox.insert(b"Subject: x\r\n\r\n", [made["id"]])
    labels.delete(userId="me", id=made["id"]).execute()
    assert mailbox.get(message_id).label_ids == ()


def test_get_counts_messages_and_threads(gmail: Any, mailbox: Mailbox) -> None:
    label = mailbox.create_label("Counted")
    first = mailbox.insert(b"Subject: x\r\n\r\n", [label, "UNREAD"])
    mailbox.insert(b"Subject: y\r\n\r\n", [label], thread_id=mailbox.get(first).thread_id)
    mailbox.insert(b"Subject: z\r\n\r\n", [label])
    found = gmail.labels().get(userId="me", id=label).execute()
    assert (found["messagesTotal"], found["messagesUnread"]) == (3, 1)
    assert (found["threadsTotal"], found["threadsUnread"]) == (2, 1)


@pytest.mark.parametrize(
    ("verb", "label_id", "body", "status"),
    [
        ("create", None, {"name": "INBOX"}, 409),
        ("create", None, {}, 400),
        ("create", None, {"name": "x", "labelListVisibility": "sometimes"}, 400),
        ("update", "INBOX", {"name": "mine"}, 400),
        ("update", "Label_77", {"name": "mine"}, 404),
    ],
)
def test_refuses_what_gmail_refuses(
    gmail: Any, verb: str, label_id: str | None, body: Any, status: int
) -> None:
    options = {"id": label_id} if label_id else {}
    request = getattr(gmail.labels(), verb)(userId="me", body=body, **options)
    with pytest.raises(HttpError) as refused:
        request.execute()
    assert refused.value.status_code == status
