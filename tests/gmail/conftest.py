"""Mail to parse, the shared collection of real mail, and clients of a simulated mailbox."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.gmail.api import GmailApi
from service.gmail.client import GmailClient
from service.google.credentials import load_credentials
from service.simulator import Fault, Mail, Mailbox, Simulator
from service.simulator.load import read

SHARED_MAIL = Path(__file__).parents[3] / "shared" / "mail"


def raw_message(mail: bytes) -> dict[str, Any]:
    """`mail` as messages.get answers with format raw."""
    return {
        "id": "18c2a5d3e4f50001",
        "threadId": "18c2a5d3e4f50000",
        "historyId": "4711",
        "internalDate": "1030000000000",
        "labelIds": ["INBOX", "UNREAD"],
        "snippet": "hello",
        "sizeEstimate": len(mail),
        "raw": urlsafe_b64encode(mail).decode().rstrip("="),
    }


def full_message(payload: Any) -> dict[str, Any]:
    """`payload` as messages.get answers with format full."""
    message = raw_message(b"")
    del message["raw"]
    return {**message, "payload": payload}


@pytest.fixture(params=["ham-2002", "mime-cases", "non-english"])
def real_mail(request: pytest.FixtureRequest) -> Iterator[bytes]:
    """The messages of one file of the shared collection, with CRLF as Gmail has them."""
    path = SHARED_MAIL / f"{request.param}.mbox.xz"
    if not path.exists():
        pytest.skip("the shared mail collection is not here")
    return (re.sub(rb"\r?\n", b"\r\n", mail) for mail in read(path))


EMAIL, TOKEN, REFRESH_TOKEN = "ann@example.com", "access-1", "refresh-1"


def mail(number: int) -> Mail:
    raw = b"Subject: mail %d\nTo: ann@example.com\n\nbody %d\n" % (number, number)
    return Mail.of(raw, ("INBOX",), 1_700_000_000_000 + number * 1000)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def mailbox(simulator: Simulator) -> Mailbox:
    """Thirty messages."""
    return simulator.add_mailbox(EMAIL, TOKEN, REFRESH_TOKEN, [mail(each) for each in range(30)])


Connect = Callable[..., GmailClient]


@pytest.fixture
def connect(simulator: Simulator, mailbox: Mailbox) -> Iterator[Connect]:
    """Makes clients of the mailbox: connect(token=…, refresh_token=…, on_refresh=…, timeout=…)."""
    made: list[GmailClient] = []
    api = GmailApi(simulator.url)

    def make(token: str = TOKEN, refresh_token: str | None = None, **options: Any) -> GmailClient:
        credentials = load_credentials(
            {"token": token, "refresh_token": refresh_token},
            f"{simulator.url}/token",
            "id",
            "s",
            options.pop("on_refresh", None),
        )
        made.append(GmailClient(options.pop("api", api), credentials, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def patience(fault: Fault) -> float:
    """Seconds to wait for an answer: few where none is meant to come."""
    return 0.3 if fault.action == "hang" else 30
