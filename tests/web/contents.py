"""Something on every page: what people and operators see when much is going on at once."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg.types.json import Jsonb

from service.postgres.calls import Connection, Session
from tests.api.conftest import EMAIL, claim, list_page, store, stored
from tests.functions.conftest import shift

WIDE_TABLE = (
    "<p>Hello</p><table width=2000><tr>" + "<td>0123456789" * 40 + "</table>"
    "<img src=https://pics.example/remote.png>"
)


@dataclass(frozen=True)
class Contents:
    """What a user has: a run at work, one that failed before it, mail in every shape, and a
    message that could not be fetched. `text` is what others wrote, wherever others write."""

    functions: Session
    db: Connection
    user_id: str = "ann"
    text: str = "Minutes of the meeting"

    def fill(self) -> str:
        """The task_id of the run at work."""
        self.functions.value("release_sync", self._start(self.user_id), f"Stopped: {self.text}")
        task_id = self._start(self.user_id)
        labels = [{"id": "Label_1", "name": f"Garden {self.text}", "type": "user"}]
        self.functions.rows("store_labels", task_id, Jsonb(labels))
        list_page(self.functions, task_id, *(f"m{number}" for number in range(10)))
        self.functions.rows("take_messages", task_id, 8)
        store(self.functions, task_id, *self._mail())
        failure = {
            "message_id": "m7",
            "error_code": "malformed",
            "error_message": self.text,
            "permanent": True,
        }
        self.functions.rows("fail_messages", task_id, Jsonb([failure]))
        return task_id

    def trouble(self) -> None:
        """What operators mend: a zombie, a lost worker, an account that Google refuses."""
        shift(self.db, self._start(f"zoe {self.text}"), "-5 min", "updated_at")
        self.functions.rows("worker_heartbeat", uuid.uuid4(), self.text[:20], 4)
        self.db.execute("update gmail_sync.worker set seen_at = now() - interval '7 min'")
        self._connect("bob")
        self.db.execute(
            "update gmail_sync.account set status = 'reauth_required', status_reason = %s"
            " where user_id = 'bob'",
            [self.text],
        )

    def _connect(self, user_id: str) -> None:
        self.functions.value("connect_account", user_id, EMAIL, b"sealed", "unlimited")

    def _start(self, user_id: str) -> str:
        self._connect(user_id)
        task_id: str = self.functions.value("start_sync_idempotent", user_id, False, "api")
        claim(self.functions, task_id)
        return task_id

    def _mail(self) -> list[dict[str, object]]:
        """A thread of two in HTML and in text, and others."""
        now = round(datetime.now(UTC).timestamp() * 1000)
        attachment = {
            "part_id": "2", "filename": f"{self.text}.pdf", "mime_type": "application/pdf",
            "size": 2048, "content_id": None, "inline": False,
        }  # fmt: skip
        written = {
            "subject": self.text,
            "sender": f'"{self.text}" <alice@mail.example>',
            "recipients": self.text,
            "snippet": f"{self.text} {self.text}",
            "body_text": f"{self.text}\nhttps://mail.example/{'long' * 60}",
            "thread_id": "t0",
        }
        more: list[dict[str, object]] = [
            {**written, "body_html": WIDE_TABLE, "defects": [self.text]},
            {**written, "label_ids": ["INBOX", "UNREAD", "STARRED", "Label_1"]},
            {**written, "attachments": [attachment], "thread_id": "t2"},
            {"label_ids": ["SPAM"], "sender": None, "subject": None},
        ]
        return [
            stored(f"m{number}", **{"internal_date": now - number * 86_400_000, **each})
            for number, each in enumerate(more)
        ]
