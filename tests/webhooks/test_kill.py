"""kill -9 of the sender at every statement: each event arrives, in order, under one id."""

import subprocess
import sys

import pytest

from service.postgres.calls import Connection, Session
from tests.functions.conftest import message, store
from tests.functions.webhooks.test_webhooks import age
from tests.webhooks.conftest import Receiver, added, mail

pytestmark = pytest.mark.gate

# For each line of stdin a new process sends, and kills itself before or after the nth statement or
# request. Processes are forked, which takes no imports.
PROGRAM = """
import os, signal, sys, time
from ipaddress import ip_network
import structlog
from service.postgres.calls import Session
from service.webhooks.post import Poster
from service.webhooks.sender import WebhookSender

KINDS = {"statement": (Session, "rows"), "request": (Poster, "post")}

def kill_at(when, what, left):
    kind, name = KINDS[what]
    original = getattr(kind, name)

    def counted(self, *arguments, **named):
        nonlocal left
        left -= 1
        is_last = not left
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(self, *arguments, **named)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(kind, name, counted)

def drop(*_):
    raise structlog.DropEvent

for line in sys.stdin:
    child = os.fork()
    if not child:
        when, what, number = line.split()
        kill_at(when, what, int(number))
        log = structlog.wrap_logger(None, processors=[drop])
        WebhookSender(sys.argv[1], [ip_network("127.0.0.0/8")], log).start()
        time.sleep(20)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
PLACES = [
    f"{when} {what} {number}"
    for what, last in (("statement", 6), ("request", 2))
    for when in ("before", "after")
    for number in range(1, last + 1)
]


def test_a_sender_that_is_killed_loses_nothing_and_repeats_under_the_same_id(
    functions: Session, db: Connection, service_url: str, receiver: Receiver
) -> None:
    added(functions, receiver.url, None)
    tasks = {user: mail(functions, user) for user in ("ann", "bo")}
    expected: dict[str, list[str]] = {"ann": [], "bo": []}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, service_url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as senders:  # fmt: skip
        assert senders.stdin
        assert senders.stdout
        # The last is killed when it has nothing left to do.
        for number, place in enumerate([*PLACES, "before statement 20"]):
            for user, task_id in tasks.items():
                for part in "xy":
                    message_id = f"{number:02}{part}"
                    store(functions, task_id, message(message_id))
                    expected[user].append(message_id)
            senders.stdin.write(f"{place}\n")
            senders.stdin.flush()
            assert senders.stdout.readline() == "-9\n", place
            age(db, "61 s")
        senders.stdin.close()

    assert functions.rows("list_webhooks", None)[0]["waiting"] == 0
    bodies: dict[str, set[bytes]] = {}
    for got in receiver.received:
        bodies.setdefault(got.id, set()).add(got.body)
    assert all(len(texts) == 1 for texts in bodies.values())
    assert len(receiver.received) > len(bodies), "something was repeated"
    for user, message_ids in expected.items():
        arrived = [message_id for who, message_id in receiver.ids() if who == user]
        assert list(dict.fromkeys(arrived)) == message_ids
        changes = functions.rows("changes_since", user, 0)
        assert [change["message_id"] for change in changes] == message_ids
