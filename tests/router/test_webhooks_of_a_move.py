"""Events of webhooks go on at the node to which their users move: in order, under the same ids."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import NamedTuple

import pytest

from db.router import move as mover
from service.demo.routed import superuser
from service.postgres.calls import Connection, Session, connect
from tests.functions.conftest import claimed, message, store
from tests.functions.webhooks.test_webhooks import age, claim
from tests.router.conftest import Installation, clear, user_at
from tests.waiting import wait_until
from tests.webhooks.conftest import Receiver, added, answer, receiver, sending

__all__ = ["receiver"]
pytestmark = pytest.mark.gate

OWN, WIDE = "own", "wide"


class Place(NamedTuple):
    url: str
    functions: Session
    db: Connection

    def mail(self, user: str, *message_ids: str) -> None:
        task_id = claimed(self.functions, user)
        for message_id in message_ids:
            store(self.functions, task_id, message(message_id))
        self.functions.value("cancel_sync", task_id)


@pytest.fixture
def places(installation: Installation) -> Iterator[list[Place]]:
    """The first two nodes."""
    clear(installation)
    with ExitStack() as down:
        places = [
            Place(
                url,
                down.enter_context(closing(Session(url, "test"))),
                down.enter_context(connect(url, "test")),
            )
            for url in installation.node_urls[:2]
        ]
        yield places
        for place in places:
            place.db.execute("delete from gmail_sync.webhook")


def lead(installation: Installation, user: str, target: int) -> None:
    with superuser(installation.router_url) as router, installation.superusers() as nodes:
        row = router.execute("select gmail_sync_router.slot(%s)", [user]).fetchone()
        mover.move([router], nodes, row[0] if row else 0, target, lambda _: None)


def arrived(receiver: Receiver, which: str) -> list[tuple[str, list[str]]]:
    """The id of each event of messages that came to an address, and its messages."""
    return [
        (got.id, got.event["data"]["message_ids"])
        for got in receiver.received
        if got.path.endswith(which) and "message_ids" in got.event["data"]
    ]


def test_what_waits_is_sent_by_the_other_node(
    installation: Installation, places: list[Place], receiver: Receiver
) -> None:
    source, target = places
    user = user_at(installation, 0, "hooked")
    with closing(Session(installation.router_url, "test")) as router:
        for which, of_user in ((OWN, user), (WIDE, None)):
            added(router, f"{receiver.url}&{which}", of_user, "message.created", "sync.failed")
    receiver.behave = answer(503)
    with sending(source.url):
        source.mail(user, "m1")
        wait_until(lambda: arrived(receiver, OWN) and arrived(receiver, WIDE))
    refused = {which: arrived(receiver, which)[0] for which in (OWN, WIDE)}
    source.mail(user, "m2", "m3")
    receiver.received.clear()
    receiver.behave = answer(200)

    lead(installation, user, 1)
    try:
        target.mail(user, "m4")
        age(target.db, "1 day")
        with sending(source.url), sending(target.url):
            for which in (OWN, WIDE):
                wait_until(lambda which=which: "m4" in str(arrived(receiver, which)))  # type: ignore[misc]
        for which in (OWN, WIDE):
            first, *others = arrived(receiver, which)
            # It may have arrived before. Its repetition is known by the id.
            assert first == refused[which], which
            messages = [each for _, listed in (first, *others) for each in listed]
            assert messages == ["m1", "m2", "m3", "m4"], which
    finally:
        lead(installation, user, 0)


def test_mail_that_is_older_than_a_webhook_is_not_new_at_the_other_node(
    installation: Installation, places: list[Place]
) -> None:
    source, target = places
    user = user_at(installation, 0, "older")
    # So changes of the source have the larger numbers.
    source.db.execute("select setval('gmail_sync.message_change', 1000000)")
    source.mail(user, "old")
    with closing(Session(installation.router_url, "test")) as router:
        added(router, "https://app.example/", None)

    lead(installation, user, 1)
    try:
        target.mail(user, "new")
        (delivery,) = claim(target.functions)
        assert json.loads(delivery["body"])["data"]["message_ids"] == ["new"]
    finally:
        lead(installation, user, 0)
