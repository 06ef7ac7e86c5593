"""Downloads a mailbox in batches and throws it away: the fastest that any sync could be.

It uses as many threads and as large batches as a worker. "google" is google-api-python-client as it
is. "ours" codes the batches around its requests as workers do.

throughput.py runs it in a process of its own. It reports that it is ready and begins at a line of
input. It prints JSON: begin and end (seconds since 1970), CPU seconds and messages.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import httplib2
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.http import BatchHttpRequest

from service.gmail.api import GmailApi
from service.gmail.client import GmailClient
from service.worker.fetch import LARGEST_BATCH, PARALLEL

PAGE_SIZE = 500
TIMEOUT_SECONDS = 30.0


class Client(Protocol):
    """One thread's."""

    def page(self, page_token: str | None) -> tuple[list[str], str | None]:
        """Ids, and the token of the next page."""

    def fetch(self, ids: list[str]) -> int:
        """How many of them arrived."""


class Google:
    def __init__(self, api: GmailApi, credentials: Credentials) -> None:
        self._api = api
        self._http = AuthorizedHttp(credentials, httplib2.Http(timeout=TIMEOUT_SECONDS))

    def page(self, page_token: str | None) -> tuple[list[str], str | None]:
        asked = self._api.messages.list(userId="me", maxResults=PAGE_SIZE, pageToken=page_token)
        page = asked.execute(http=self._http)
        return [each["id"] for each in page.get("messages", [])], page.get("nextPageToken")

    def fetch(self, ids: list[str]) -> int:
        arrived: list[str] = []

        def take(request_id: str, message: dict[str, Any] | None, error: Exception | None) -> None:
            if message:
                arrived.append(message["id"])

        batch = BatchHttpRequest(callback=take, batch_uri=self._api.batch_url)
        for message_id in ids:
            request = self._api.messages.get(userId="me", id=message_id, format="full")
            # GmailApi gives requests no http of their own.
            request.http = self._http
            batch.add(request)
        batch.execute(http=self._http)
        return len(arrived)


class Ours:
    def __init__(self, api: GmailApi, credentials: Credentials) -> None:
        self._client = GmailClient(api, credentials, timeout=TIMEOUT_SECONDS)

    def page(self, page_token: str | None) -> tuple[list[str], str | None]:
        page = self._client.list_messages(page_token)
        return page.ids, page.next_page_token

    def fetch(self, ids: list[str]) -> int:
        return sum(fetched.error is None for fetched in self._client.fetch(ids, "full"))


CLIENTS: dict[str, Callable[[GmailApi, Credentials], Client]] = {"google": Google, "ours": Ours}


def download(client: Client, pool: ThreadPoolExecutor, mine: threading.local) -> int:
    """List all messages, fetch them batch by batch; how many arrived."""
    ids, page_token = client.page(None)
    while page_token is not None:
        more, page_token = client.page(page_token)
        ids += more
    groups = [ids[start : start + LARGEST_BATCH] for start in range(0, len(ids), LARGEST_BATCH)]
    return sum(pool.map(lambda group: mine.client.fetch(group), groups))


def main(endpoint: str, access_token: str, kind: str) -> None:
    api = GmailApi(endpoint)
    mine = threading.local()

    def new_client() -> Client:
        mine.client = CLIENTS[kind](api, Credentials(token=access_token))
        client: Client = mine.client
        return client

    with ThreadPoolExecutor(PARALLEL, initializer=new_client) as pool:
        print("ready", flush=True)
        sys.stdin.readline()
        began, cpu = time.time(), time.process_time()
        messages = download(new_client(), pool, mine)
        ended, cpu = time.time(), time.process_time() - cpu
    print(json.dumps({"messages": messages, "began": began, "ended": ended, "cpu": cpu}))


if __name__ == "__main__":
    main(*sys.argv[1:])
