"""A simulator with one small mailbox, and the real Google client pointed at it."""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httplib2
import pytest
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build_from_document

from service.simulator import Mailbox, Simulator, generate

EMAIL = "someone@mail.example"
TOKEN = "access-token"
REFRESH_TOKEN = "refresh-token"
MAIL = Path(__file__).parents[3] / "shared" / "mail"
COUNT = 40  # messages in the mailbox of the fixture


@pytest.fixture(scope="session")
def discovery_document() -> dict[str, Any]:
    folder = files("googleapiclient.discovery_cache") / "documents"
    document: dict[str, Any] = json.loads((folder / "gmail.v1.json").read_text())
    return document


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        running.add_mailbox(EMAIL, TOKEN, REFRESH_TOKEN)
        yield running


@pytest.fixture
def mailbox(simulator: Simulator) -> Mailbox:
    return simulator.add_mailbox(EMAIL, messages=generate(COUNT, seed=7))


@pytest.fixture
def connect(
    simulator: Simulator, discovery_document: dict[str, Any]
) -> Iterator[Callable[..., Any]]:
    """Makes a Google client for an access token; batches too go to the simulator."""
    clients = []
    here = discovery_document | {"rootUrl": simulator.url + "/", "baseUrl": simulator.url + "/"}

    def connect(token: str = TOKEN) -> Any:
        client = build_from_document(here, credentials=Credentials(token=token))
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def gmail(connect: Callable[..., Any]) -> Any:
    return connect().users()


@pytest.fixture
def call(simulator: Simulator) -> Iterator[Callable[..., tuple[int, Any]]]:
    """One plain HTTP request with the fixture's token; gives the status and the JSON or bytes."""
    http = httplib2.Http(timeout=60)

    def call(
        verb: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {TOKEN}"} if headers is None else headers
        response, content = http.request(simulator.url + path, verb, body, sent)
        kind = response.get("content-type", "")
        return response.status, json.loads(content) if "json" in kind else content

    yield call
    http.close()


@pytest.fixture
def mail_folder() -> Path:
    if not MAIL.is_dir():
        pytest.skip("the folder of real mail, ../shared/mail, is not there")
    return MAIL
