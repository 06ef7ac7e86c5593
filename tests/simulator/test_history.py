"""history.list, rule by rule."""

from collections.abc import Callable
from typing import Any

import pytest

from service.simulator import Mailbox

Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def history(call: Call) -> Callable[..., tuple[int, Any]]:
    def history(start: object, query: str = "") -> tuple[int, Any]:
        return call("GET", f"/gmail/v1/users/me/history?startHistoryId={start}{query}")

    return history


def test_the_current_id_gives_no_history_key(history: Call, mailbox: Mailbox) -> None:
    status, answer = history(mailbox.history_id)
    assert (status, answer) == (200, {"historyId": str(mailbox.history_id)})


@pytest.mark.parametrize("distance", [1, 1_000_000])
def test_a_future_id_is_404(history: Call, mailbox: Mailbox, distance: int) -> None:
    status, answer = history(mailbox.history_id + distance)
    assert (status, answer["error"]["errors"][0]["reason"]) == (404, "notFound")


def test_an_id_from_before_the_mail_was_loaded_is_404(history: Call, mailbox: Mailbox) -> None:
    assert history(1)[0] == 404


@pytest.mark.parametrize("garbage", ["abc", "-5", "1.5", "%F0%9F%98%80"])
def test_garbage_is_400_invalid(history: Call, mailbox: Mailbox, garbage: str) -> None:
    status, answer = history(garbage)
    assert status == 400
    assert answer["error"]["status"] == "INVALID_ARGUMENT"
    assert answer["error"]["errors"][0]["reason"] == "invalid"


def test_a_missing_start_is_400(call: Call) -> None:
    assert call("GET", "/gmail/v1/users/me/history")[0] == 400


def test_expired_ids_are_404_and_the_new_current_id_is_good(
    history: Call, mailbox: Mailbox
) -> None:
    before = mailbox.history_id
    mailbox.expire_history()
    assert history(before)[0] == 404
    assert history(mailbox.history_id)[0] == 200


def test_records_come_in_order_with_ids_that_grow_with_gaps(
    history: Call, mailbox: Mailbox
) -> None:
    start = mailbox.history_id
    added = [mailbox.insert(b"Subject: x\r\n\r\n") for _ in range(20)]
    _, answer = history(start)
    ids = [int(record["id"]) for record in answer["history"]]
    assert ids == sorted(set(ids))
    assert ids[-1] - start > 20
    assert answer["historyId"] == str(ids[-1])
    messages = [record["messagesAdded"][0]["message"] for record in answer["history"]]
    assert [message["id"] for message in messages] == added
    assert messages[0]["labelIds"] == ["INBOX", "UNREAD"]


def test_a_change_of_labels_tells_both_directions(history: Call, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(b"Subject: x\r\n\r\n")
    start = mailbox.history_id
    mailbox.modify(message_id, add=["STARRED", "INBOX"], remove=["UNREAD", "SENT"])
    (record,) = history(start)[1]["history"]
    assert record["labelsAdded"][0]["labelIds"] == ["STARRED"]
    assert record["labelsRemoved"][0]["labelIds"] == ["UNREAD"]
    assert record["labelsAdded"][0]["message"]["labelIds"] == ["INBOX", "STARRED"]
    assert mailbox.get(message_id).history_id == int(record["id"])


def test_a_change_that_changes_nothing_leaves_no_record(history: Call, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(b"Subject: x\r\n\r\n")
    start = mailbox.history_id
    mailbox.modify(message_id, add=["INBOX"], remove=["STARRED"])
    assert history(start)[1] == {"historyId": str(start)}


def test_trash_is_a_label_and_delete_is_a_deletion(history: Call, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(b"Subject: x\r\n\r\n")
    start = mailbox.history_id
    mailbox.trash(message_id)
    mailbox.delete(message_id)
    trashed, deleted = history(start)[1]["history"]
    assert trashed["labelsAdded"][0]["labelIds"] == ["TRASH"]
    assert "messagesDeleted" not in trashed
    assert deleted["messagesDeleted"][0]["message"]["id"] == message_id


def test_renaming_and_deleting_a_label_leave_no_record(history: Call, mailbox: Mailbox) -> None:
    label = mailbox.create_label("Short-lived")
    message_id = mailbox.insert(b"Subject: x\r\n\r\n", [label])
    start = mailbox.history_id
    mailbox.update_label(label, {"name": "Renamed"})
    mailbox.delete_label(label)
    assert mailbox.get(message_id).label_ids == ()
    assert history(start)[1] == {"historyId": str(start)}


def test_filters_by_type_and_by_label(history: Call, mailbox: Mailbox) -> None:
    start = mailbox.history_id
    sent = mailbox.insert(b"Subject: x\r\n\r\n", ["SENT"])
    mailbox.modify(sent, add=["STARRED"])
    mailbox.insert(b"Subject: x\r\n\r\n", ["INBOX"])
    only_labels = history(start, "&historyTypes=labelAdded&historyTypes=labelRemoved")[1]
    assert [set(record) for record in only_labels["history"]] == [{"id", "messages", "labelsAdded"}]
    only_sent = history(start, "&labelId=SENT")[1]
    assert len(only_sent["history"]) == 2
    assert history(start, "&historyTypes=nonsense")[0] == 400


def test_pages_join_to_the_whole_and_an_empty_page_can_have_a_next(
    history: Call, mailbox: Mailbox
) -> None:
    start = mailbox.history_id
    for _ in range(3):
        mailbox.delete(mailbox.insert(b"Subject: x\r\n\r\n"))
    whole = history(start)[1]["history"]
    pages: list[Any] = [history(start, "&maxResults=1&historyTypes=messageDeleted")[1]]
    while "nextPageToken" in pages[-1]:
        token = pages[-1]["nextPageToken"]
        query = f"&maxResults=1&historyTypes=messageDeleted&pageToken={token}"
        pages.append(history(start, query)[1])
    assert [page.get("history", []) for page in pages] == [
        [record] if "messagesDeleted" in record else [] for record in whole
    ]


def test_later_pages_tell_a_newer_history_id(history: Call, mailbox: Mailbox) -> None:
    start = mailbox.history_id
    for _ in range(2):
        mailbox.insert(b"Subject: x\r\n\r\n")
    first = history(start, "&maxResults=1")[1]
    mailbox.insert(b"Subject: x\r\n\r\n")
    second = history(start, f"&maxResults=1&pageToken={first['nextPageToken']}")[1]
    assert int(second["historyId"]) > int(first["historyId"])


def test_what_happens_between_two_pages_is_in_neither(history: Call, mailbox: Mailbox) -> None:
    start = mailbox.history_id
    expected = [mailbox.insert(b"Subject: x\r\n\r\n") for _ in range(2)]
    pages = [history(start, "&maxResults=1")[1]]
    mailbox.insert(b"Subject: x\r\n\r\n")
    while "nextPageToken" in pages[-1]:
        pages.append(history(start, f"&maxResults=1&pageToken={pages[-1]['nextPageToken']}")[1])
    records = [record for page in pages for record in page["history"]]
    assert [record["messages"][0]["id"] for record in records] == expected


def test_ids_can_be_longer_than_googles(history: Call, mailbox: Mailbox) -> None:
    mailbox.skip_history(10**24)
    start = mailbox.history_id
    mailbox.insert(b"Subject: x\r\n\r\n", message_id="no-hex_id")
    (record,) = history(start)[1]["history"]
    assert int(record["id"]) > 10**24
    assert record["messages"][0]["id"] == "no-hex_id"


def test_history_can_expire_between_two_pages(history: Call, mailbox: Mailbox) -> None:
    start = mailbox.history_id
    for _ in range(2):
        mailbox.insert(b"Subject: x\r\n\r\n")
    token = history(start, "&maxResults=1")[1]["nextPageToken"]
    mailbox.expire_history()
    assert history(start, f"&maxResults=1&pageToken={token}")[0] == 404


def test_a_token_of_another_list_is_refused(history: Call, call: Call, mailbox: Mailbox) -> None:
    token = call("GET", "/gmail/v1/users/me/messages?maxResults=1")[1]["nextPageToken"]
    assert history(mailbox.history_id, f"&pageToken={token}")[0] == 400
