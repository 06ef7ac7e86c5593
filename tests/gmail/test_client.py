"""The client against the simulator: lists, history, labels, attachments, errors, timeouts."""

import gzip
import json
import socket
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.gmail import errors
from service.gmail.api import GmailApi
from service.mime.parse import parse_full, unfilled_text_parts
from service.simulator import Fault, Mailbox, Simulator
from tests.gmail.conftest import EMAIL, REFRESH_TOKEN, Connect
from tests.waiting import wait_until


def test_profile_has_address_cursor_and_total(connect: Connect, mailbox: Mailbox) -> None:
    profile = connect().profile()
    assert profile == (EMAIL, str(mailbox.history_id), 30)


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_endpoint_may_end_with_a_slash(
    connect: Connect, simulator: Simulator, mailbox: Mailbox, slash: str
) -> None:
    client = connect(api=GmailApi(simulator.url + slash))
    ids = mailbox.message_ids()[:2]
    assert [each.id for each in client.fetch(ids, "minimal") if each.content] == ids


def test_lists_every_page_spam_and_trash_included(connect: Connect, mailbox: Mailbox) -> None:
    client, ids, token = connect(), [], None
    mailbox.trash(mailbox.message_ids()[3])
    while True:
        page = client.list_messages(token, max_results=7)
        ids += page.ids
        token = page.next_page_token
        if token is None:
            break
    assert ids == mailbox.message_ids()


def test_an_empty_page_is_not_the_last(connect: Connect, simulator: Simulator) -> None:
    simulator.faults.add(Fault("messages.list", "empty_page", count=1))
    page = connect().list_messages()
    assert page.ids == []
    assert page.next_page_token
    assert len(connect().list_messages(page.next_page_token).ids) == 30


def test_an_unknown_page_token_is_a_bad_request(connect: Connect) -> None:
    with pytest.raises(errors.BadRequest):
        connect().list_messages("expired")


def test_history_returns_gmails_records(connect: Connect, mailbox: Mailbox) -> None:
    start, changed = str(mailbox.history_id), mailbox.message_ids()[0]
    mailbox.delete(changed)
    page = connect().history(start)
    assert page.history_id == str(mailbox.history_id)
    assert [record["messagesDeleted"][0]["message"]["id"] for record in page.records] == [changed]


def test_history_without_changes_has_no_records_but_a_cursor(
    connect: Connect, mailbox: Mailbox
) -> None:
    page = connect().history(str(mailbox.history_id))
    assert page == ([], str(mailbox.history_id), None)


def test_expired_and_future_cursors_are_expired(connect: Connect, mailbox: Mailbox) -> None:
    start = str(mailbox.history_id)
    mailbox.expire_history()
    for cursor in (start, "99999999999"):
        with pytest.raises(errors.HistoryExpired):
            connect().history(cursor)


def test_a_garbage_cursor_is_a_bad_request(connect: Connect) -> None:
    with pytest.raises(errors.BadRequest, match="start_history_id"):
        connect().history("abc")


def test_labels_are_as_gmail_lists_them(connect: Connect, mailbox: Mailbox) -> None:
    label_id = mailbox.create_label("Bills")
    assert {"INBOX", label_id} <= {label["id"] for label in connect().labels()}


def test_an_attachment_is_fetched_by_the_id_of_the_message_just_fetched(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\n"
        b"Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n"
        b"AAEC\n--b--\n"
    )
    message_id = mailbox.insert(raw, ["INBOX"])
    message = connect().fetch([message_id], "full")[0].content
    assert message
    attachment_id = message["payload"]["parts"][1]["body"]["attachmentId"]
    assert connect().attachment(message_id, attachment_id) == b"\0\1\2"
    simulator.faults.add(Fault("messages.attachments.get", "error", status=404))
    with pytest.raises(errors.Transient):
        connect().attachment(message_id, attachment_id)


def test_a_text_sent_separately_is_detected(connect: Connect, mailbox: Mailbox) -> None:
    text = b"long line\r\n" * 100_000
    message_id = mailbox.insert(b"Subject: long\n\n" + text, ["INBOX"])
    message = connect().message(message_id, "full")
    assert len(unfilled_text_parts(message)) == 1
    assert "not fetched" in parse_full(message).defects[0]


def test_raw_is_the_exact_mail(connect: Connect, mailbox: Mailbox) -> None:
    message_id = mailbox.message_ids()[0]
    message = connect().fetch([message_id], "raw")[0].content
    assert message
    assert urlsafe_b64decode(message["raw"] + "==") == mailbox.raw(message_id)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("*", "error", status=403, reason="rateLimitExceeded"), errors.RateLimited),
        (Fault("*", "error", status=403, reason="userRateLimitExceeded"), errors.RateLimited),
        (Fault("*", "error", status=403, reason="dailyLimitExceeded"), errors.DailyLimit),
        (Fault("*", "error", status=403), errors.ScopeMissing),
        (Fault("*", "error", status=403, reason="domainPolicy"), errors.AdminRefused),
        (Fault("*", "error", status=429), errors.RateLimited),
        (
            Fault("*", "error", status=429, message="Too many concurrent requests for user."),
            errors.TooManyConcurrent,
        ),
        (Fault("*", "error", status=400, reason="failedPrecondition"), errors.Transient),
        (Fault("*", "error", status=500), errors.Transient),
        (Fault("*", "html", status=502), errors.Transient),
        (Fault("*", "html", status=200), errors.MalformedResponse),
        (Fault("*", "html", status=404), errors.MalformedResponse),
        (Fault("*", "html", status=302), errors.MalformedResponse),
        (Fault("*", "cut"), errors.MalformedResponse),
        (Fault("*", "truncate"), errors.Transient),
        (Fault("*", "drop"), errors.Transient),
    ],
)
def test_every_failure_is_a_gmail_error(
    connect: Connect, simulator: Simulator, fault: Fault, kind: type[errors.GmailError]
) -> None:
    simulator.faults.add(fault)
    with pytest.raises(errors.GmailError) as raised:
        connect().profile()
    assert type(raised.value) is kind


def test_the_retry_time_is_kept(connect: Connect, simulator: Simulator) -> None:
    until = "2026-12-01T20:00:00.000Z"
    simulator.faults.add(Fault("*", "error", status=429, retry_after=until))
    with pytest.raises(errors.RateLimited) as raised:
        connect().profile()
    assert raised.value.retry_at == datetime(2026, 12, 1, 20, tzinfo=UTC)


def test_a_failing_request_is_not_repeated(connect: Connect, simulator: Simulator) -> None:
    simulator.faults.add(Fault("*", "error", status=503))
    with pytest.raises(errors.Transient):
        connect().profile()
    assert simulator.requests.methods["getProfile"] == 1


def test_a_server_that_hangs_times_out(connect: Connect, simulator: Simulator) -> None:
    simulator.faults.add(Fault("getProfile", "hang", count=1))
    client = connect(timeout=2)
    with pytest.raises(errors.Transient):
        client.profile()
    assert client.profile().email == EMAIL


def test_an_unreachable_server_is_transient(connect: Connect) -> None:
    with pytest.raises(errors.Transient):
        connect(api=GmailApi("http://127.0.0.1:1"), timeout=1).profile()


@pytest.mark.parametrize("method", ["getProfile", "token"])
@pytest.mark.parametrize("action", ["drip", "hang"])
def test_interrupt_ends_a_call_that_no_timeout_ends(
    connect: Connect, simulator: Simulator, method: str, action: str
) -> None:
    hung = simulator.faults.add(Fault(method, action, seconds=600))  # type: ignore[arg-type]
    token = "access-1" if method == "getProfile" else ""
    client = connect(token, refresh_token=REFRESH_TOKEN, timeout=600)
    caught: list[Exception] = []

    def call() -> None:
        try:
            client.profile()
        except errors.Transient as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert hung.wait_arrived(60)
    client.interrupt()
    thread.join(60)
    assert not thread.is_alive()
    assert len(caught) == 1
    client.interrupt()
    with pytest.raises(errors.Transient, match="interrupted"):
        client.profile()


def test_interrupt_ends_an_answer_whose_socket_http_client_dropped(connect: Connect) -> None:
    """Connection: close makes http.client drop the socket while the body is still read."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = connect(api=GmailApi(f"http://127.0.0.1:{server.getsockname()[1]}"), timeout=600)
        failed = threading.Event()

        def call() -> None:
            with pytest.raises(errors.Transient):
                client.profile()
            failed.set()

        thread = threading.Thread(target=call)
        thread.start()
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n{"
            )
            connections = client._transport._connections
            wait_until(lambda: not any(each.sock for each in connections.values()))
            client.interrupt()
            thread.join(60)
        assert failed.is_set()


def test_a_mail_that_shrinks_a_thousandfold_is_accepted(connect: Connect) -> None:
    """httplib2 refuses by default what unpacks to a hundred times its size."""
    body = gzip.compress(b'{"labels": [], "zeros": "' + b"0" * 12_000_000 + b'"}')
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = connect(api=GmailApi(f"http://127.0.0.1:{server.getsockname()[1]}"))

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
                connection.sendall(head % len(body) + body)

        thread = threading.Thread(target=serve)
        thread.start()
        assert client.labels() == []
        thread.join(5)


def test_a_watch_lasts_a_week_and_only_the_same_topic_renews_it(connect: Connect) -> None:
    client = connect()
    first = client.watch("projects/p/topics/one")
    assert timedelta(days=6) < first - datetime.now(UTC) < timedelta(days=8)
    assert client.watch("projects/p/topics/one") >= first
    with pytest.raises(errors.WatchedElsewhere):
        client.watch("projects/p/topics/other")
    client.stop()
    client.watch("projects/p/topics/other")


def test_an_absurd_end_of_a_watch_is_malformed(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.simulator.methods._WATCH_LIFETIME", 10**30)
    with pytest.raises(errors.MalformedResponse):
        connect().watch("projects/p/topics/one")


def test_a_refused_stop_is_an_error(connect: Connect, simulator: Simulator) -> None:
    simulator.faults.add(Fault("stop", "error", status=503))
    with pytest.raises(errors.Transient):
        connect().stop()


@pytest.mark.parametrize(
    ("method", "body"),
    [
        *(
            ("getProfile", {"emailAddress": address, "historyId": "5"})
            for address in (None, "", 5, "someone")
        ),
        *(
            ("getProfile", {"emailAddress": "someone@example.com", "historyId": number})
            for number in (None, "", "-5", "x", 5.5, "9" * 40)
        ),
        *(("history.list", {"historyId": number}) for number in (None, "", "x")),
        ("history.list", {"historyId": "5", "history": {}}),
        ("history.list", {"historyId": "5", "history": [{"id": "x"}]}),
        ("history.list", {"historyId": "5", "nextPageToken": {}}),
        ("messages.list", {"messages": "abc"}),
        ("messages.list", {"messages": {}}),
        ("messages.list", {"nextPageToken": []}),
        ("labels.list", {"labels": {"id": "A"}}),
    ],
)
def test_an_answer_that_breaks_its_own_form_is_malformed(
    connect: Connect, simulator: Simulator, mailbox: Mailbox, method: str, body: dict[str, Any]
) -> None:
    """What it says is not believed: a missing address is not another mailbox."""
    simulator.faults.add(Fault(method, "mangle", body=json.dumps(body)))
    client = connect()
    requests: dict[str, Callable[[], object]] = {
        "getProfile": client.profile,
        "history.list": lambda: client.history(str(mailbox.history_id)),
        "messages.list": client.list_messages,
        "labels.list": client.labels,
    }
    with pytest.raises(errors.MalformedResponse):
        requests[method]()


def test_what_postgres_cannot_store_is_replaced_in_lists(
    connect: Connect, simulator: Simulator, mailbox: Mailbox
) -> None:
    bad, good = "a\0\ud800", "a\ufffd\ufffd"
    answers = {
        "messages.list": {"messages": [{"id": bad, "threadId": bad}], "nextPageToken": bad},
        "history.list": {
            "history": [{"id": "5", "labelsAdded": [{"message": {"id": bad}, "labelIds": [bad]}]}],
            "historyId": "5",
        },
        "labels.list": {"labels": [None, {"id": bad, "name": bad, bad: 5}]},
    }
    for method, body in answers.items():
        simulator.faults.add(Fault(method, "mangle", body=json.dumps(body)))
    client = connect()
    assert client.list_messages() == ([good], good, [good])
    assert client.history(str(mailbox.history_id)).records == [
        {"id": "5", "labelsAdded": [{"message": {"id": good}, "labelIds": [good]}]}
    ]
    assert client.labels() == [{"id": good, "name": good, good: 5}]
