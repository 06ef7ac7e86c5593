"""Downloads a mailbox as a worker does, and throws it away: nobody can store it any faster.

Run by throughput.py in a process of its own. Says that it is ready, begins at a line of its input,
and prints when it began and ended (seconds since 1970), CPU seconds and messages as JSON.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from google.oauth2.credentials import Credentials

from service.gmail.api import GmailApi
from service.gmail.client import GmailClient
from service.worker.hydrate import LARGEST_BATCH, PARALLEL


def download(client: GmailClient, pool: ThreadPoolExecutor, mine: threading.local) -> int:
    """List all messages, fetch them batch by batch; how many arrived."""
    ids: list[str] = []
    page_token: str | None = ""
    while page_token is not None:
        page = client.list_messages(page_token or None)
        ids += page.ids
        page_token = page.next_page_token
    groups = [ids[start : start + LARGEST_BATCH] for start in range(0, len(ids), LARGEST_BATCH)]
    return sum(pool.map(lambda group: fetch(mine.client, group), groups))


def fetch(client: GmailClient, ids: list[str]) -> int:
    return sum(fetched.error is None for fetched in client.fetch(ids, "full"))


def main(endpoint: str, access_token: str) -> None:
    api = GmailApi(endpoint)
    mine = threading.local()

    def new_client() -> GmailClient:
        mine.client = GmailClient(api, Credentials(token=access_token))  # type: ignore[no-untyped-call]
        client: GmailClient = mine.client
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
