"""Requests that our OpenAPI document allows, and others. No answer is a 5xx, and each is one that
the document promises.

The same requests each time, few enough for `make test`; GMAIL_SYNC_FUZZ_EXAMPLES=1000 makes so many
for each operation, other ones each time. What fails is printed with a curl that shows it again.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.google.configuration import Google
from service.postgres.calls import Connection, Session
from service.simulator import Simulator
from tests.api.conftest import (
    EMAIL,
    Running,
    claim,
    connect_account,
    list_page,
    serving,
    store,
    stored,
    token,
)
from tests.api.test_push import ACCOUNT, AUDIENCE

EXAMPLES = os.environ.get("GMAIL_SYNC_FUZZ_EXAMPLES")
LONGEST_SECONDS = 3600 if EXAMPLES else 120
PDF = b'Content-Disposition: attachment; filename="plan.pdf"\r\n\r\n%PDF\r\n'
MIXED = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSoon.\r\n--b\r\n%b--b--\r\n" % PDF
)
PLAN = {
    "filename": "plan.pdf",
    "mime_type": "application/pdf",
    "size": 4,
    "content_id": None,
    "inline": False,
}
# Half of the ids are ids of something.
CONFIGURATION = """
max-stream-events = 1
max-redirects = 0

[generation]
deterministic = {deterministic}
max-examples = {examples}
database = "none"

[headers]
Authorization = "Bearer {ann}"

[dictionaries]
actions = {{ values = ["check_sync_consistency", "start_sync", "cancel_sync"] }}
messages = {{ values = ["{mixed}", "{bare}", "gone"] }}
parts = {{ values = ["1"] }}
tasks = {{ values = ["{task_id}"] }}
users = {{ values = ["ann", "bob"] }}

[parameters]
"path.action" = {{ dictionary = "actions", probability = 0.5 }}
"path.message_id" = {{ dictionary = "messages", probability = 0.5 }}
"path.part_id" = {{ dictionary = "parts", probability = 0.5 }}
"path.task_id" = {{ dictionary = "tasks", probability = 0.5 }}
"query.user_id" = {{ dictionary = "users", probability = 0.5 }}

# Who is not in the middle of connecting has nothing to come back with.
[[operations]]
include-path = "/api/gmail/callback"
checks.positive_data_acceptance.expected-statuses = [303, 400]

# A schema cannot list the time zones of Postgres, nor say how many words are too many.
[[operations]]
include-path = "/api/gmail/messages"
checks.positive_data_acceptance.expected-statuses = [200, 400]

# A cursor has a check that no schema can describe.
[[operations]]
include-path = "/api/gmail/changes"
checks.positive_data_acceptance.expected-statuses = [200, 400]

# Some actions need the id of a user, others none.
[[operations]]
include-path = "/api/operator/{{action}}"
checks.positive_data_acceptance.expected-statuses = [200, 400, 404]

# Litestar's own answer to OPTIONS only knows the first handler of a path.
[[operations]]
include-path-regex = "^/api/(gmail/connection|(operator/)?webhooks)$"
checks.allow_header_conformance.enabled = false

# Litestar's schema does not say that other fields than those of a webhook are refused.
[[operations]]
include-path-regex = "^/api/(operator/)?webhooks$"
checks.positive_data_acceptance.expected-statuses = [200, 201, 400]

[[operations]]
include-method = "DELETE"
headers = {{ Authorization = "Bearer {bob}" }}

[[operations]]
include-path = "/api/gmail/push"
headers = {{ Authorization = "Bearer {pubsub}" }}
"""


@pytest.fixture
def running(service_url: str, google: Google, simulator: Simulator) -> Iterator[Running]:
    environment = {
        "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
        "GMAIL_SYNC_PUSH_AUDIENCE": AUDIENCE,
        "GMAIL_SYNC_PUSH_SERVICE_ACCOUNT": ACCOUNT,
    }
    with serving(service_url, google=google, **environment) as running:
        yield running


@pytest.fixture
def ids(simulator: Simulator, google: Google, functions: Session, db: Connection) -> dict[str, str]:
    """Of a run and of messages of ann, who has mail; bob has none."""
    db.execute(
        "update gmail_sync.settings"
        " set max_starts_a_minute = 1000000, max_connects_a_minute = 1000000"
    )
    mailbox = simulator.add_mailbox(EMAIL)
    mixed, bare = mailbox.insert(MIXED), mailbox.insert(PDF)
    sealed = google.cipher.encrypt({"token": simulator.tokens.allow(EMAIL)})
    functions.value("connect_account", "ann", EMAIL, sealed, "unlimited")
    connect_account(functions, "bob")
    task_id = functions.rows("start_sync", "ann")[0]["task_id"]
    claim(functions, task_id)
    functions.rows("confirm_mailbox_identity", task_id, EMAIL)
    list_page(functions, task_id, mixed, bare, "gone")
    for message_id, part_id in ((mixed, "1"), (bare, ""), ("gone", "1")):
        mail = stored(message_id, attachments=[{**PLAN, "part_id": part_id}])
        store(functions, task_id, mail)
    functions.value("release_sync", task_id)
    return {"mixed": mixed, "bare": bare, "task_id": task_id}


def test_answers_are_what_the_document_promises(
    running: Running, simulator: Simulator, ids: dict[str, str], tmp_path: Path
) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(
        CONFIGURATION.format(
            deterministic="false" if EXAMPLES else "true",
            examples=EXAMPLES or 10,
            ann=token("ann", "operator"),
            bob=token("bob"),
            pubsub=simulator.issuer.token(AUDIENCE, ACCOUNT),
            **ids,
        )
    )
    schemathesis = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)]
    done = subprocess.run(
        [*schemathesis, "run", f"{running.url}/schema/openapi.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
