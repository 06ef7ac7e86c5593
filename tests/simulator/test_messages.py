"""messages.*: lists and their pages, the formats, attachments, and what changes a mailbox."""

import io
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import pytest
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseUpload

from service.simulator import Mailbox, Simulator
from service.simulator.errors import ApiError
from tests.simulator.conftest import COUNT, EMAIL

Call = Callable[..., tuple[int, Any]]
PATH = "/gmail/v1/users/me/messages"
MIXED = b"""\
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?IGFu?=
 alle
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

caf=E9 <here>
--inner
Content-Type: text/html; charset=koi8-r
Content-Transfer-Encoding: 8bit

<p>\xf0\xf2\xe9</p>
--inner--
--outer
Content-Type: message/rfc822

Subject: inside
Content-Type: multipart/mixed; boundary=deep

--deep

nested text
--deep--
--outer
Content-Type: text/csv; name="ignored"
Content-Disposition: attachment; filename*0*=utf-8''%C3%9Cber; filename*1=.csv
Content-Transfer-Encoding: base64

YSxi
--outer--
"""


def listed(gmail: Any, **options: Any) -> list[str]:
    """All ids, page by page."""
    ids: list[str] = []
    request = gmail.messages().list(userId="me", **options)
    while request is not None:
        page = request.execute()
        ids += [message["id"] for message in page.get("messages", [])]
        request = gmail.messages().list_next(request, page)
    return ids


def decoded(data: str) -> bytes:
    return urlsafe_b64decode(data + "=" * (-len(data) % 4))


def reason(error: HttpError) -> str:
    details: Any = error.error_details
    return str(details[0]["reason"])


def test_lists_all_newest_first_whatever_the_page_size(gmail: Any, mailbox: Mailbox) -> None:
    dates = [mailbox.get(message_id).internal_date for message_id in mailbox.message_ids()]
    assert dates == sorted(dates, reverse=True)
    assert len(dates) == COUNT
    for size in (1, 7, COUNT, 500):
        found = listed(gmail, maxResults=size, includeSpamTrash=True)
        assert found == mailbox.message_ids()


def test_leaves_out_spam_and_trash_unless_asked(gmail: Any, mailbox: Mailbox) -> None:
    first, second, *_ = mailbox.message_ids()
    mailbox.modify(first, add=["SPAM"])
    mailbox.trash(second)
    found = listed(gmail)
    assert first not in found
    assert second not in found
    assert {first, second} <= set(listed(gmail, includeSpamTrash=True))


def test_lists_messages_that_carry_all_the_labels(gmail: Any, mailbox: Mailbox) -> None:
    chosen = mailbox.message_ids()[3]
    mailbox.modify(chosen, add=["STARRED", "IMPORTANT"])
    found = listed(gmail, labelIds=["STARRED", "IMPORTANT"], includeSpamTrash=True)
    assert chosen in found
    for message_id in found:
        assert {"STARRED", "IMPORTANT"} <= set(mailbox.get(message_id).label_ids)


def test_a_search_that_leaves_out_chats_finds_all_mail(gmail: Any, mailbox: Mailbox) -> None:
    assert listed(gmail, q="-in:chats", includeSpamTrash=True) == mailbox.message_ids()


def test_a_search_finds_messages_by_message_id_and_time_of_arrival(
    gmail: Any, mailbox: Mailbox
) -> None:
    raw = b"Message-ID: <a@x>\r\n\r\ntext\r\n"
    first, second = (mailbox.insert(raw, internal_date=date) for date in (5_000, 9_000))
    spam = mailbox.insert(b"Message-ID: <b@x>\r\n\r\ntext\r\n", ["SPAM"], internal_date=5_999)
    term = "(rfc822msgid:{}@x after:4 before:{})"
    assert listed(gmail, q=term.format("a", 6)) == [first]
    assert listed(gmail, q=term.format("a", 10)) == [second, first]
    assert listed(gmail, q=term.format("c", 10)) == []
    both = f"{term.format('a', 6)} OR {term.format('b', 6)}"
    assert listed(gmail, q=both) == [first]
    assert listed(gmail, q=both, includeSpamTrash=True) == [spam, first]
    mailbox.delete(first)
    assert listed(gmail, q=both) == []
    sent = mailbox.insert(raw, ["SENT"], internal_date=5_000)
    received = mailbox.insert(raw, [], internal_date=5_000)
    for place, found in ((" in:sent", sent), (" -in:sent", received)):
        assert listed(gmail, q=f"(rfc822msgid:a@x after:4 before:6{place})") == [found]


def test_an_empty_list_has_no_messages_key(gmail: Any) -> None:
    assert gmail.messages().list(userId="me").execute() == {"resultSizeEstimate": 0}


def test_pages_hold_100_by_default_and_500_at_most(call: Call, simulator: Simulator) -> None:
    mailbox = simulator.add_mailbox(EMAIL)
    for number in range(501):
        mailbox.insert(b"Subject: %d\r\n\r\n" % number)
    assert len(call("GET", PATH)[1]["messages"]) == 100
    assert len(call("GET", PATH + "?maxResults=900")[1]["messages"]) == 500


def test_a_page_token_outlives_the_deletion_of_the_message_it_stands_for(
    gmail: Any, mailbox: Mailbox
) -> None:
    ids = mailbox.message_ids()
    request = gmail.messages().list(userId="me", maxResults=5, includeSpamTrash=True)
    page = request.execute()
    mailbox.delete(ids[4])
    mailbox.insert(b"Subject: newest\r\n\r\n")
    following = gmail.messages().list_next(request, page).execute()
    assert [message["id"] for message in following["messages"]] == ids[5:10]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("pageToken=garbage", "invalidArgument"),
        ("maxResults=many", "invalid"),
        ("q=from:me", "invalidArgument"),
    ],
)
def test_refuses_parameters_it_cannot_read(call: Call, query: str, expected: str) -> None:
    status, answer = call("GET", f"{PATH}?{query}")
    assert status == 400
    assert answer["error"]["status"] == "INVALID_ARGUMENT"
    assert answer["error"]["errors"][0]["reason"] == expected


def test_full_numbers_the_parts_and_decodes_text_and_headers(gmail: Any, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(MIXED)
    payload = gmail.messages().get(userId="me", id=message_id).execute()["payload"]
    assert payload["headers"][0] == {"name": "Subject", "value": "Grüße an alle"}
    assert (payload["partId"], payload["body"]) == ("", {"size": 0})
    texts, nested, attached = payload["parts"]
    plain, html = texts["parts"]
    assert (plain["partId"], html["partId"]) == ("0.0", "0.1")
    assert decoded(plain["body"]["data"]) == "café <here>".encode()
    assert decoded(html["body"]["data"]) == "<p>ПРИ</p>".encode()
    assert plain["body"]["size"] == len("café <here>".encode())
    assert [part["partId"] for part in nested["parts"][0]["parts"]] == ["1.0.0"]
    assert nested["parts"][0]["headers"][0] == {"name": "Subject", "value": "inside"}
    assert attached["filename"] == "Über.csv"
    assert "data" not in attached["body"]


def test_the_snippet_is_html_escaped(gmail: Any, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(MIXED)
    answer = gmail.messages().get(userId="me", id=message_id, format="minimal").execute()
    assert answer["snippet"] == "café &lt;here&gt;"


def test_attachment_ids_change_and_stay_valid(gmail: Any, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(MIXED)
    ids = []
    for _ in range(2):
        payload = gmail.messages().get(userId="me", id=message_id).execute()["payload"]
        ids.append(payload["parts"][2]["body"]["attachmentId"])
    assert ids[0] != ids[1]
    get = gmail.messages().attachments().get
    for attachment_id in ids:
        answer = get(userId="me", messageId=message_id, id=attachment_id).execute()
        assert decoded(answer["data"]) == b"a,b"
    with pytest.raises(HttpError) as refused:
        get(userId="me", messageId=mailbox.message_ids()[5], id=ids[0]).execute()
    assert refused.value.status_code == 400


def test_huge_text_comes_by_attachment_id(gmail: Any, mailbox: Mailbox) -> None:
    text = b"word " * 210_000
    message_id = mailbox.insert(b"Subject: huge\r\n\r\n" + text)
    body = gmail.messages().get(userId="me", id=message_id).execute()["payload"]["body"]
    assert "data" not in body
    get = gmail.messages().attachments().get
    answer = get(userId="me", messageId=message_id, id=body["attachmentId"]).execute()
    assert decoded(answer["data"]) == text


def test_raw_is_the_exact_bytes_with_crlf(gmail: Any, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(b"Subject: \xff\x00\n\nbare\nand\r\nboth\x00\xfe")
    answer = gmail.messages().get(userId="me", id=message_id, format="raw").execute()
    raw = b"Subject: \xff\x00\r\n\r\nbare\r\nand\r\nboth\x00\xfe"
    assert answer["raw"] == urlsafe_b64encode(raw).decode(), "padded, as Gmail's is"
    assert answer["sizeEstimate"] == len(decoded(answer["raw"]))


def test_nul_bytes_reach_headers_and_body(gmail: Any, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(b"Subject: a\x00b\n\nc\x00d")
    payload = gmail.messages().get(userId="me", id=message_id).execute()["payload"]
    assert payload["headers"][0]["value"] == "a\x00b"
    assert decoded(payload["body"]["data"]) == b"c\x00d"


def test_metadata_gives_the_headers_asked_for(gmail: Any, mailbox: Mailbox) -> None:
    wanted = ["subject", "From"]
    options = {"format": "metadata", "metadataHeaders": wanted}
    message_id = mailbox.message_ids()[0]
    answer = gmail.messages().get(userId="me", id=message_id, **options).execute()
    assert [header["name"] for header in answer["payload"]["headers"]] == ["From", "Subject"]


def test_a_message_without_labels_has_no_label_ids(gmail: Any, mailbox: Mailbox) -> None:
    message_id = mailbox.insert(b"Subject: archived\r\n\r\n", label_ids=[])
    assert "labelIds" not in gmail.messages().get(userId="me", id=message_id).execute()


def test_an_unknown_message_is_404_in_googles_words(gmail: Any) -> None:
    with pytest.raises(HttpError) as refused:
        gmail.messages().get(userId="me", id="18c0000000000000").execute()
    assert refused.value.status_code == 404
    assert reason(refused.value) == "notFound"
    assert refused.value.reason == "Requested entity was not found."


def test_inserts_and_imports_json_media_and_both_at_once(gmail: Any, mailbox: Mailbox) -> None:
    raw = b"Date: Tue, 1 Feb 2022 10:00:00 +0000\r\nSubject: in\r\n\r\nhello"
    encoded = urlsafe_b64encode(raw).decode()
    body = {"raw": encoded, "labelIds": ["INBOX"]}
    in_json = gmail.messages().insert(userId="me", body=body).execute()
    media = MediaIoBaseUpload(io.BytesIO(raw), "message/rfc822")
    by_upload = gmail.messages().import_(userId="me", media_body=media).execute()
    labels = {"labelIds": ["STARRED"]}
    both = gmail.messages().insert(userId="me", body=labels, media_body=media).execute()
    for answer in (in_json, by_upload, both):
        assert mailbox.raw(answer["id"]) == raw
    assert mailbox.get(both["id"]).label_ids == ("STARRED",)
    assert mailbox.get(by_upload["id"]).internal_date == 1_643_709_600_000
    assert mailbox.get(in_json["id"]).internal_date > 1_700_000_000_000
    with pytest.raises(HttpError):
        gmail.messages().insert(userId="me", body={"labelIds": ["INBOX"]}).execute()


def test_modifies_trashes_and_deletes(gmail: Any, mailbox: Mailbox) -> None:
    first, second = (mailbox.insert(b"Subject: x\r\n\r\n") for _ in range(2))
    gmail.messages().trash(userId="me", id=first).execute()
    assert set(mailbox.get(first).label_ids) == {"UNREAD", "TRASH"}
    gmail.messages().untrash(userId="me", id=first).execute()
    assert mailbox.get(first).label_ids == ("UNREAD",)
    change = {"ids": [first, second, "unknown"], "addLabelIds": ["STARRED"]}
    assert gmail.messages().batchModify(userId="me", body=change).execute() == ""
    assert "STARRED" in mailbox.get(first).label_ids
    assert "STARRED" in mailbox.get(second).label_ids
    gmail.messages().delete(userId="me", id=first).execute()
    gmail.messages().batchDelete(userId="me", body={"ids": [second]}).execute()
    assert not {first, second} & set(mailbox.message_ids())


def test_refuses_labels_that_do_not_exist(gmail: Any, mailbox: Mailbox) -> None:
    message_id = mailbox.message_ids()[0]
    body = {"addLabelIds": ["Label_99"]}
    with pytest.raises(HttpError) as refused:
        gmail.messages().modify(userId="me", id=message_id, body=body).execute()
    assert refused.value.status_code == 400


def test_replies_join_the_thread_of_what_they_answer_in_any_order(mailbox: Mailbox) -> None:
    reply = mailbox.insert(b"Message-ID: <b@x>\nIn-Reply-To: <a@x>\n\n")
    root = mailbox.insert(b"Message-ID: <a@x>\n\n")
    third = mailbox.insert(b"Message-ID: <c@x>\nReferences: <a@x> <b@x>\n\n")
    other = mailbox.insert(b"Message-ID: <d@x>\n\n")
    threads = [mailbox.get(message_id).thread_id for message_id in (reply, root, third, other)]
    assert threads == [reply, reply, reply, other]


def test_a_thread_has_no_raw_form_and_can_be_gone(mailbox: Mailbox, call: Call) -> None:
    thread_id = mailbox.get(mailbox.message_ids()[0]).thread_id
    assert call("GET", f"/gmail/v1/users/me/threads/{thread_id}?format=raw")[0] == 400
    assert call("GET", "/gmail/v1/users/me/threads/f00")[0] == 404


def test_a_thread_has_the_messages_that_are_left_of_it(mailbox: Mailbox) -> None:
    first = mailbox.insert(b"Subject: first\r\n\r\n")
    second = mailbox.insert(b"Subject: second\r\n\r\n", thread_id=first)
    assert [each.id for each in mailbox.thread(first)] == [first, second]
    mailbox.delete(first)
    assert [each.id for each in mailbox.thread(first)] == [second]
    mailbox.delete(second)
    with pytest.raises(ApiError):
        mailbox.thread(first)
