"""What the simulator pushes, to whom, how often, and signed by whom."""

import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import msgspec
import pytest

from service.simulator import Fault, Mailbox, Publisher, Simulator, Subscription
from tests.simulator.conftest import EMAIL
from tests.waiting import wait_until

TOPIC = "projects/my-project/topics/gmail"
AUDIENCE = "https://sync.example.org/push"
SERVICE_ACCOUNT = "push@my-project.iam.gserviceaccount.com"

Call = Callable[..., tuple[int, Any]]


class Receiver:
    """What was pushed, and with which statuses the next pushes are answered."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.statuses: list[int] = []

    def changes(self) -> list[int]:
        """The history ids that were pushed."""
        return [self.said(body)["historyId"] for body in self.bodies]

    @staticmethod
    def said(body: dict[str, Any]) -> dict[str, Any]:
        said: dict[str, Any] = msgspec.json.decode(urlsafe_b64decode(body["message"]["data"]))
        return said


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def publisher(simulator: Simulator, mailbox: Mailbox, receiver: Receiver) -> Iterator[Publisher]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.bodies.append(msgspec.json.decode(body))
            receiver.tokens.append(self.headers["Authorization"].removeprefix("Bearer "))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/push"
    yield simulator.push_to(Subscription(url, AUDIENCE, SERVICE_ACCOUNT))
    server.shutdown()
    thread.join(60)
    server.server_close()


def ready(publisher: Publisher) -> None:
    wait_until(lambda: publisher.is_ready(EMAIL))


def test_a_watch_is_answered_and_told_at_once(
    call: Call, mailbox: Mailbox, publisher: Publisher, receiver: Receiver
) -> None:
    status, answer = call("POST", "/gmail/v1/users/me/watch", {"topicName": TOPIC})
    assert (status, answer["historyId"]) == (200, str(mailbox.history_id))
    wait_until(lambda: receiver.bodies)
    (body,) = receiver.bodies
    assert receiver.said(body) == {"emailAddress": EMAIL, "historyId": mailbox.history_id}
    assert body["subscription"].startswith("projects/")
    assert body["message"].keys() == {"data", "messageId", "publishTime"}


def test_every_kind_of_change_is_told_and_at_most_one_a_second(
    mailbox: Mailbox, publisher: Publisher, receiver: Receiver
) -> None:
    mailbox.watch(TOPIC)
    told = [mailbox.history_id]
    first, second, *_ = mailbox.message_ids()
    for change in (
        lambda: mailbox.insert(b"Subject: x\r\n\r\n"),
        lambda: mailbox.modify(first, add=["STARRED"]),
        lambda: mailbox.delete(second),
    ):
        ready(publisher)
        change()
        told.append(mailbox.history_id)
        mailbox.insert(b"Subject: too soon\r\n\r\n")
    wait_until(lambda: len(receiver.bodies) >= len(told))
    assert receiver.changes() == told


def test_nothing_is_told_of_a_mailbox_that_is_not_watched(
    call: Call, mailbox: Mailbox, publisher: Publisher, receiver: Receiver
) -> None:
    mailbox.insert(b"Subject: x\r\n\r\n")
    mailbox.watch(TOPIC)
    assert call("POST", "/gmail/v1/users/me/stop")[0] == 204
    ready(publisher)
    mailbox.insert(b"Subject: y\r\n\r\n")
    publisher.stop()
    assert len(receiver.bodies) <= 1


def test_a_push_that_is_not_acknowledged_comes_again(
    mailbox: Mailbox, publisher: Publisher, receiver: Receiver
) -> None:
    receiver.statuses += [503, 404]
    mailbox.watch(TOPIC)
    wait_until(lambda: publisher.answers == [503, 404, 204])
    assert len({body["message"]["messageId"] for body in receiver.bodies}) == 1


def test_faults_strike_pushes(
    simulator: Simulator, mailbox: Mailbox, publisher: Publisher, receiver: Receiver
) -> None:
    told = []
    simulator.faults.add(Fault("*", "error"))
    for action in ("drop", "duplicate", "reorder", None):
        if action:
            simulator.faults.add(Fault("push", action, count=1))  # type: ignore[arg-type]
        ready(publisher)
        mailbox.watch(TOPIC)
        told.append(mailbox.history_id)
        mailbox.insert(b"Subject: x\r\n\r\n")
    _, duplicate, late, last = told
    wait_until(lambda: len(receiver.bodies) == 4)
    assert receiver.changes() == [duplicate, duplicate, last, late]


def test_tokens_are_signed_with_the_key_that_is_served(
    simulator: Simulator, mailbox: Mailbox, publisher: Publisher, receiver: Receiver
) -> None:
    mailbox.watch(TOPIC)
    wait_until(lambda: receiver.tokens)
    certs = httpx.get(f"{simulator.url}/oauth2/v3/certs", timeout=60).json()
    (key,) = jwt.PyJWKSet.from_dict(certs).keys
    claims = jwt.decode(receiver.tokens[0], key, ["RS256"], audience=AUDIENCE)
    assert jwt.get_unverified_header(receiver.tokens[0])["kid"] == key.key_id
    assert (claims["iss"], claims["email"], claims["email_verified"]) == (
        "https://accounts.google.com", SERVICE_ACCOUNT, True,
    )  # fmt: skip
    assert "d" not in certs["keys"][0]
