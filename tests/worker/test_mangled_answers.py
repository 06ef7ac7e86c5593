"""Answers of Gmail that break its own documentation cost what is broken in them, no message.

Each is put in the place of one message's answer; all are synced together, in both content modes.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from service.mime.parse import NO_CONTENT
from service.postgres.calls import Row
from service.simulator import Mailbox, Simulator
from service.simulator.encoding import base64url
from service.simulator.faults import Fault
from service.worker.worker import Worker
from tests.cluster import Cluster
from tests.worker.conftest import Account
from tests.worker.stack import Stack, running_stack

MAIL = b"Subject: hello\r\n\r\nbody\r\n"


class Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()
LARGE = b"Subject: large\r\n\r\n" + b"word " * 300_000


class Mangled(NamedTuple):
    """Fields in place of the answer's, and what the defects say; of one content mode, or both."""

    fields: dict[str, Any]
    defect: str = ""
    content_mode: str | None = None
    text: str | None = "body\r\n"


def part(data: bytes = b"body\r\n", mime_type: Any = "text/plain", **fields: Any) -> dict[str, Any]:
    headers = [{"name": "Subject", "value": "hello"}]
    body = {"size": len(data), "data": base64url(data)}
    return {"partId": "", "mimeType": mime_type, "headers": headers, "body": body} | fields


def full(defect: str, text: str | None = "body\r\n", **fields: Any) -> Mangled:
    return Mangled({"payload": part(**fields)}, defect, "full", text)


def mixed(*parts: Any, **fields: Any) -> dict[str, Any]:
    return part(b"", **{"mime_type": "multipart/mixed", "parts": list(parts), **fields})


def deep(levels: int) -> dict[str, Any]:
    inner = part()
    for _ in range(levels):
        inner = mixed(inner)
    return inner


IMAGE = part(b"image", "image/png", partId="1")
UNSTORABLE = "a\0b\ud800"
NO_DATE = "no usable internalDate"
NO_HISTORY_ID = "no usable historyId"
NO_THREAD_ID = "no usable threadId"
ALL = (
    *("threadId", "historyId", "internalDate", "labelIds", "snippet", "sizeEstimate"),
    *("payload", "raw"),
)

MANGLED: dict[str, Mangled] = {
    # Fetched in raw form then.
    "no payload": Mangled({"payload": ABSENT}, "", "full"),
    "payload null": Mangled({"payload": None}, "", "full"),
    "payload a list": Mangled({"payload": [part()]}, "", "full"),
    "payload empty": Mangled({"payload": {}}, "", "full", None),
    "headers null": full("", headers=None),
    "headers a text": full("the headers of part root are not as", headers="Subject: x"),
    "headers of anything": full(
        "the headers of part root are not as",
        headers=[None, 5, [], {"value": "x"}, {"name": "Subject", "value": "hello"}],
    ),
    "a header that is not text": full(
        "header X is not text", headers=[{"name": "X", "value": [1]}]
    ),
    "a header name that is not text": full("the name of a header", headers=[{"name": 5}]),
    "a header that cannot be stored": full(
        "lone surrogates replaced in the name of a header",
        headers=[{"name": UNSTORABLE, "value": UNSTORABLE}],
    ),
    "parts not a list": full("the parts of part root", None, mime_type="multipart/x", parts={}),
    "parts of anything": Mangled(
        {"payload": mixed(None, 5, "x", [], part())}, "the parts of part root", "full"
    ),
    "no parts": full("has no parts", None, mime_type="multipart/x", body={}),
    "parts without a type": Mangled({"payload": mixed(part(), mimeType=None)}, "", "full"),
    "parts too deep": Mangled({"payload": deep(200)}, "too many levels", "full", None),
    "part ids that are all the same": Mangled(
        {"payload": mixed(part(), IMAGE, IMAGE, IMAGE)}, "no usable part id", "full"
    ),
    "a part id of 100 kB": Mangled(
        {"payload": mixed(part(), IMAGE | {"partId": "1" * 100_000})}, "no usable part id", "full"
    ),
    "a part id that is not text": Mangled({"payload": mixed(part(), IMAGE | {"partId": 5})}),
    "a type that is not text": full("", mime_type=5),
    "a filename that is not text": full("a filename is not text", filename={}),
    "a filename that cannot be stored": full("NUL", None, filename=UNSTORABLE),
    "body null": full("", None, body=None),
    "body a list": full("", None, body=["x"]),
    "data that is not text": full("the content of part root is not text", "", body={"data": 5}),
    "data of broken base64": full("broken base64", "bod", body={"data": "Ym9k*!%"}),
    "data of no base64": full("broken base64", "", body={"data": "%%%\ud800é"}),
    "sizes that are no sizes": Mangled(
        {
            "payload": mixed(
                *(
                    part(b"", "image/png", partId=str(n), body={"size": size})
                    for n, size in enumerate([None, "x", -5, 10**30, 1.5, True, []])
                )
            )
        },
        text=None,
        content_mode="full",
    ),
    "an attachmentId that is not text": full("", body={"attachmentId": [5]}),
    "raw null": Mangled({"raw": None}, NO_CONTENT, "raw", None),
    "no raw": Mangled({"raw": ABSENT}, NO_CONTENT, "raw", None),
    "raw a number": Mangled({"raw": 5}, NO_CONTENT, "raw", None),
    "raw of broken base64": Mangled({"raw": "!" + base64url(MAIL)}, "broken base64", "raw"),
    "snippet that cannot be stored": Mangled({"snippet": UNSTORABLE}, "in the snippet"),
    "snippet an object": Mangled({"snippet": {"a": 1}}, "the snippet is not text"),
    "a field nobody knows": Mangled({"payloads": [part()], "\0": "\ud800"}),
    "labelIds null": Mangled({"labelIds": None}),
    "labelIds a text": Mangled({"labelIds": "INBOX"}, "labels that are not text"),
    "labelIds of anything": Mangled(
        {"labelIds": [5, None, ["x"], "INBOX"]}, "labels that are not text"
    ),
    "labelIds that cannot be stored": Mangled({"labelIds": [UNSTORABLE, "x" * 100_000]}, "a label"),
    "everything absent": Mangled(dict.fromkeys(ALL, ABSENT), NO_CONTENT, text=None),
    **{
        f"everything {value!r}": Mangled(dict.fromkeys(ALL, value), NO_HISTORY_ID, text=None)
        for value in (None, 1.5, True, "x", [], [[]], {"x": {}})
    },
    **{
        f"historyId {value!r:.20}": Mangled({"historyId": value}, NO_HISTORY_ID)
        for value in (ABSENT, None, "abc", "", -5, 1.5, "9" * 31, [], True)
    },
    "historyId of 22 digits": Mangled({"historyId": "9" * 22}),
    "historyId a number": Mangled({"historyId": 12345}),
    **{
        f"internalDate {value!r:.20}": Mangled({"internalDate": value}, NO_DATE)
        for value in (ABSENT, None, "soon", "", 10**30, -(10**30), "9" * 5000, 1.5, [], True)
    },
    **{
        f"threadId {value!r:.20}": Mangled({"threadId": value}, NO_THREAD_ID)
        for value in (ABSENT, None, "", "x" * 100_000, [])
    },
    **{
        f"sizeEstimate {value!r:.20}": Mangled({"sizeEstimate": value})
        for value in (ABSENT, None, "x", -1, 10**30, 1.5, {})
    },
}


class Synced(NamedTuple):
    stack: Stack
    ids: dict[str, str]


def mangle(simulator: Simulator, message_id: str, fields: dict[str, Any]) -> None:
    """From now on this is the answer for the message; json escapes what is not UTF-8."""
    whole = {
        "id": message_id,
        "threadId": message_id,
        "historyId": "4711",
        "internalDate": "1030000000000",
        "labelIds": ["INBOX"],
        "snippet": "body",
        "sizeEstimate": len(MAIL),
        "payload": part(),
        "raw": base64url(MAIL),
        **fields,
    }
    present = {name: value for name, value in whole.items() if value is not ABSENT}
    simulator.faults.add(Fault("messages.get", "mangle", message_id, body=json.dumps(present)))


@pytest.fixture(scope="module", params=["full", "raw"])
def synced(request: pytest.FixtureRequest, cluster: Cluster, template: str) -> Iterator[Synced]:
    """A message for each of MANGLED, after a sync that failed on none."""
    with running_stack(cluster, template, request.param) as stack:
        ids = {}
        for name, mangled in MANGLED.items():
            ids[name] = stack.mailbox.insert(MAIL)
            mangle(stack.simulator, ids[name], mangled.fields)
        assert stack.sync()["new"] == len(MANGLED)
        yield Synced(stack, ids)


@pytest.mark.parametrize("name", MANGLED)
def test_what_could_be_read_of_it_is_stored(synced: Synced, name: str) -> None:
    stack, mangled = synced.stack, MANGLED[name]
    message = stack.message(synced.ids[name])

    assert "not read" not in "; ".join(message["defects"])
    if mangled.content_mode in (None, stack.content_mode):
        assert mangled.defect in "; ".join(message["defects"])
        assert bool(message["defects"]) == bool(mangled.defect)
        assert message["body_text"] == mangled.text or mangled.text is None
    else:
        assert message["defects"] == []
        assert message["body_text"] == "body\r\n"
    if stack.content_mode == "raw" and "raw" not in mangled.fields:
        assert message["raw"] == MAIL


def test_attachments_of_one_part_id_are_all_stored(synced: Synced) -> None:
    rows = synced.stack.attachments(synced.ids["part ids that are all the same"])
    if synced.stack.content_mode == "full":
        assert [row["part_id"] for row in rows] == ["1", "?2", "?3"]


def test_an_answer_about_another_message_is_stored_for_neither(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
) -> None:
    asked, other = mailbox.insert(MAIL), mailbox.insert(b"Subject: other\r\n\r\n")
    mangle(simulator, asked, {"id": other})

    assert account.sync()["current_stats"]["failed"] == 1

    stored = db.execute("select message_id, subject from gmail_sync.message").fetchall()
    assert stored == [{"message_id": other, "subject": "other"}]
    error = db.execute("select error_message from gmail_sync.fetch_queue").fetchone()
    assert error is not None
    assert "another message" in error["error_message"]
    simulator.faults.clear()
    db.execute("update gmail_sync.fetch_queue set not_before = now()")
    assert account.sync()["current_stats"]["new"] == 1


@pytest.mark.parametrize("status", [400, 404])
def test_a_large_text_arrives_whole_whatever_becomes_of_its_attachment_id(
    simulator: Simulator,
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    status: int,
) -> None:
    """Attachment ids change from call to call, and expire."""
    mailbox.insert(LARGE)
    simulator.faults.add(Fault("messages.attachments.get", "error", status=status))

    assert account.sync()["current_stats"]["failed"] == 0

    assert db.execute("select body_text, raw, defects from gmail_sync.message").fetchone() == {
        "body_text": LARGE.partition(b"\r\n\r\n")[2].decode(),
        "raw": None,
        "defects": [],
    }
