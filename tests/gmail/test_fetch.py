"""Batches: every part on its own, whatever becomes of the others."""

import pytest

from service.gmail import errors, multipart
from service.gmail.answers import Fetched
from service.gmail.api import GmailApi
from service.gmail.client import BATCH_SIZE
from service.simulator import Fault, Mailbox, Simulator
from tests.gmail.conftest import Connect, patience

BOUNDARY = b"batch_x"


def kinds(fetched: list[Fetched]) -> list[type[errors.GmailError]]:
    return [type(each.error) for each in fetched if each.error]


def test_fetches_in_batches_of_25_in_the_order_asked(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    ids = mailbox.message_ids()[::-1]
    fetched = connect().fetch(ids, "full")
    assert [each.id for each in fetched] == ids
    assert [each.content["id"] for each in fetched if each.content] == ids
    assert simulator.requests.methods["batch"] == 2
    assert BATCH_SIZE == 25


@pytest.mark.parametrize("batch", [True, False])
def test_threads_come_with_messages_in_one_request(
    connect: Connect, simulator: Simulator, mailbox: Mailbox, batch: bool
) -> None:
    first = mailbox.message_ids()[0]
    thread = mailbox.get(first).thread_id
    other = mailbox.insert(b"Subject: reply\r\n\r\nbody", thread_id=thread)
    ids = mailbox.message_ids()[-2:]
    if not batch:
        simulator.faults.add(Fault("batch", "error", status=404))
    fetched = connect().fetch(ids, "full", [thread, "unknown"])
    assert [each.id for each in fetched] == [*ids, thread, "unknown"]
    whole = fetched[2].content
    assert whole
    singly = [each.content for each in connect().fetch([first, other], "full")]
    assert whole["messages"] == singly
    assert kinds(fetched) == [errors.BadRequest]
    assert simulator.requests.methods["threads.get"] == 2


@pytest.mark.parametrize("batch", [True, False])
def test_no_more_is_read_of_a_thread_than_of_a_batch(
    connect: Connect,
    simulator: Simulator,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    batch: bool,
) -> None:
    monkeypatch.setattr("service.gmail.client.BATCH_BYTES", 20_000)
    first = mailbox.message_ids()[-1]
    thread = mailbox.get(first).thread_id
    noise = b"".join(b"%d\r\n" % (number * number) for number in range(10_000))
    mailbox.insert(b"Subject: long\r\n\r\n" + noise, thread_id=thread)
    if batch:
        fetched = connect().fetch([first], "full", [thread])
        assert [bool(each.content) for each in fetched] == [True, False]
        assert kinds(fetched) == [errors.TooLarge]
    else:
        with pytest.raises(errors.TooLarge):
            connect().fetch([], "full", [thread])


def test_no_ids_make_no_request(connect: Connect, simulator: Simulator) -> None:
    assert connect().fetch([], "full") == []
    assert not simulator.requests.methods


def test_an_id_asked_for_twice_is_answered_twice(connect: Connect, mailbox: Mailbox) -> None:
    twice = mailbox.message_ids()[:1] * 2
    assert [each.id for each in connect().fetch(twice, "minimal") if each.content] == twice


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("messages.get", "drop", count=1), errors.MalformedResponse),
        (Fault("messages.get", "truncate", count=1), errors.MalformedResponse),
        (Fault("messages.get", "cut", count=1), errors.MalformedResponse),
        (Fault("messages.get", "html", status=502, count=1), errors.Transient),
        (Fault("messages.get", "html", status=200, count=1), errors.MalformedResponse),
        (Fault("messages.get", "error", status=404, count=1), errors.Gone),
        (Fault("messages.get", "error", status=429, count=1), errors.RateLimited),
        (Fault("messages.get", "error", status=500, count=1), errors.Transient),
        (Fault("messages.get", "error", status=403, count=1), errors.ScopeMissing),
    ],
)
def test_a_failed_part_affects_only_its_message(
    connect: Connect,
    simulator: Simulator,
    mailbox: Mailbox,
    fault: Fault,
    kind: type[errors.GmailError],
) -> None:
    simulator.faults.add(fault)
    fetched = connect().fetch(mailbox.message_ids()[:5], "full")
    assert type(fetched[0].error) is kind
    assert all(each.content and not each.error for each in fetched[1:])


def test_parts_in_any_order_find_their_messages(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("batch", "reorder"))
    ids = mailbox.message_ids()[:5]
    assert [e.content["id"] for e in connect().fetch(ids, "full") if e.content] == ids


@pytest.mark.parametrize("action", ["truncate", "cut"])
def test_the_whole_parts_of_a_truncated_answer_are_kept(
    connect: Connect, simulator: Simulator, mailbox: Mailbox, action: str
) -> None:
    simulator.faults.add(Fault("batch", action))  # type: ignore[arg-type]
    fetched = connect().fetch(mailbox.message_ids()[:10], "full")
    whole = [each for each in fetched if each.content]
    assert 3 <= len(whole) <= 6
    assert kinds(fetched) == [errors.MalformedResponse] * (10 - len(whole))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("batch", "error", status=503), errors.Transient),
        (Fault("batch", "error", status=429), errors.RateLimited),
        (Fault("batch", "html", status=200), errors.MalformedResponse),
        (Fault("batch", "html", status=502), errors.Transient),
        (Fault("batch", "drop"), errors.Transient),
        (Fault("batch", "hang"), errors.Transient),
    ],
)
def test_a_batch_that_fails_as_a_whole_raises(
    connect: Connect,
    simulator: Simulator,
    mailbox: Mailbox,
    fault: Fault,
    kind: type[errors.GmailError],
) -> None:
    simulator.faults.add(fault)
    with pytest.raises(errors.GmailError) as raised:
        connect(timeout=patience(fault)).fetch(mailbox.message_ids(), "full")
    assert type(raised.value) is kind


def test_a_later_batch_that_fails_leaves_the_earlier_ones(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("batch", "error", status=503, after=1))
    fetched = connect().fetch(mailbox.message_ids(), "full")
    assert len([each for each in fetched if each.content]) == BATCH_SIZE
    assert kinds(fetched) == [errors.Transient] * 5


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_batches_is_asked_one_by_one_and_remembered(
    connect: Connect, simulator: Simulator, mailbox: Mailbox, status: int
) -> None:
    simulator.faults.add(Fault("batch", "error", status=status))
    ids = mailbox.message_ids()[:4]
    for client in (connect(), connect()):
        assert [each.id for each in client.fetch(ids, "full") if each.content] == ids
    assert simulator.requests.methods["batch"] == 1


def test_one_by_one_a_failing_message_does_not_stop_the_others(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("batch", "error", status=404))
    ids = mailbox.message_ids()[:4]
    simulator.faults.add(Fault("messages.get", "error", status=404, message_id=ids[0]))
    simulator.faults.add(Fault("messages.get", "error", status=500, message_id=ids[1]))
    assert kinds(connect().fetch(ids, "full")) == [errors.Gone, errors.Transient]


def test_one_by_one_an_account_wide_refusal_stops_the_rest(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    simulator.faults.add(Fault("batch", "error", status=404))
    simulator.faults.add(Fault("messages.get", "error", status=429, after=1))
    fetched = connect().fetch(mailbox.message_ids()[:4], "full")
    assert kinds(fetched) == [errors.RateLimited] * 3
    assert simulator.requests.methods["messages.get"] == 2


def test_a_batch_quotes_ids_as_googleapiclient_does() -> None:
    api = GmailApi("http://localhost")
    wanted = "a/b c?d=é%~"
    body, _ = multipart.encode([api.get(kind, wanted, "full") for kind in ("message", "thread")])
    for methods in (api.messages, api.threads):
        single = methods.get(userId="me", id=wanted, format="full").uri
        path = single.removeprefix("http://localhost")
        assert f"\r\nGET {path} HTTP/1.1\r\n".encode() in body


def part(index: int, content: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-u + %d>\r\n\r\n"
    return head % index + b"HTTP/1.1 " + status + b"\r\nA: b\r\n\r\n" + content + b"\r\n"


def test_reads_parts_with_either_line_end_and_without_headers() -> None:
    content = b"\r\n" + part(1, b"{}") + b"--batch_x\nContent-ID: <response-0>\n\nHTTP/1.1 204\n\n"
    parts = multipart.decode(content + b"--batch_x--", BOUNDARY)
    assert sorted(parts) == [0, 1]
    assert (parts[0].response.status, parts[0].content) == (204, b"")
    assert (parts[1].response["a"], parts[1].content) == ("b", b"{}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"--",
        b"--batch_x",
        b"--batch_x\r\n\r\n",
        b"\x1f\x8bnot gzip",
        part(0, b"").replace(b"200", b"2x0"),
    ],
)
def test_content_that_is_not_a_batch_answer_has_no_parts(content: bytes) -> None:
    assert multipart.decode(content, BOUNDARY) == {}
    assert multipart.decode(content, None) == {}


@pytest.mark.parametrize(
    "part",
    [b" " * 300_000, b"content-id: " + b"1" * 300_000 + b"x\r\n\r\nHTTP/1.1 200\r\n\r\n{}"],
    ids=["blanks", "digits"],
)
def test_an_absurd_part_takes_linear_time(part: bytes) -> None:
    """If each of its bytes started a new search, it would hold the interpreter for many minutes."""
    assert multipart.decode(b"--batch_x\r\n" + part + b"\r\n--batch_x--", BOUNDARY) == {}
