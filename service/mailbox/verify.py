"""Compares a user's stored mail with Gmail's list of all messages.

The comparison reads the cursor first, then all ids, then the history since the cursor. Messages
named in that history are about to be synced; all others must agree, even while syncs run. Postgres
keeps the ids meanwhile, so memory does not grow with the mailbox.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from service.gmail.answers import HistoryPage, MessagePage
from service.gmail.errors import HistoryExpired
from service.gmail.pages import follow_pages
from service.mailbox.access import MailboxAccess
from service.postgres.calls import FunctionCaller

# Nobody waits for a comparison: it waits for as long as the ledger reserves quota ahead.
MAX_QUOTA_WAIT = timedelta(hours=24)
# The history events that a sync acts on. It ignores labels removed from unknown messages.
SYNCED_EVENTS = ("messagesAdded", "messagesDeleted", "labelsAdded")
DRIFT = ("missing", "extra", "failed", "queued")


class NotSynced(Exception):
    """No full sync has finished, so there is no cursor to compare from."""


class EmptyListing(Exception):
    """Gmail listed no messages of a mailbox that has some."""


@dataclass(frozen=True)
class Findings:
    """The result: ids by drift, as compare_mailbox names it, and ids that a sync will bring.

    `queued` is not drift: those messages are known and wait for their sync. `units` are quota
    units, 0 for an account without caps.
    """

    email: str
    remote: int
    local: int
    drift: dict[str, list[str]]
    coming: list[str]
    full_sync_due: bool
    requests: int
    units: int

    @property
    def to_refetch(self) -> list[str]:
        return [*self.drift["missing"], *self.drift["failed"], *self.drift["extra"]]


class MailboxComparison:
    """One comparison of a mailbox. on_progress is called with the ids listed and their total.

    Raises NotSynced, EmptyListing, AccountNotConnected, QuotaUsedUp and GmailError.
    """

    def __init__(
        self,
        caller: FunctionCaller,
        access: MailboxAccess,
        user_id: str,
        on_progress: Callable[[int, int], None] = lambda listed, total: None,
    ) -> None:
        self._caller = caller
        self._access = access
        self._user_id = user_id
        self._on_progress = on_progress
        self._comparison = uuid.uuid4()

    def run(self) -> Findings:
        cursor = self._access.account.history_id
        if cursor is None:
            raise NotSynced(f"no full sync of user {self._user_id} has been finished yet")
        try:
            remote = self._list(self._access.own_profile(MAX_QUOTA_WAIT).messages_total)
            coming, full_sync_due = self._coming(str(cursor)), False
            if coming is None:
                coming, full_sync_due = set(), True
            drift = self._compare()
        finally:
            self._caller.value("end_comparison", self._user_id, self._comparison)
        drift = without(coming, drift)
        if any(drift.values()) and not full_sync_due:
            # A sync may have stored mail that reached Gmail between the history and the comparison.
            coming = self._coming(str(cursor)) or coming
            drift = without(coming, drift)
        return Findings(
            email=self._access.account.email,
            remote=remote,
            local=(self._caller.row("count_messages", self._user_id) or {"messages": 0})[
                "messages"
            ],
            drift=drift,
            coming=sorted(coming),
            full_sync_due=full_sync_due,
            requests=self._access.calls.total(),
            units=self._units(),
        )

    def _list(self, total: int) -> int:
        """Store all ids of the mailbox; their number."""
        listed = 0
        for page in follow_pages(self._message_page):
            listed += self._caller.value(
                "store_compared_page", self._user_id, self._comparison, page.ids
            )
            self._on_progress(listed, total)
        if total and not listed:
            raise EmptyListing("Gmail listed none of the mailbox's messages, though it has some")
        return listed

    def _coming(self, cursor: str) -> set[str] | None:
        """The ids that a sync from the cursor will act on; None if a full sync is needed."""
        coming: set[str] = set()
        try:
            for page in follow_pages(partial(self._history_page, cursor)):
                coming.update(named_ids(page.records))
        except HistoryExpired:
            return None
        return coming

    def _message_page(self, page_token: str | None) -> MessagePage:
        request = partial(self._access.client.list_messages, page_token)
        return self._access.call("messages.list", request, MAX_QUOTA_WAIT)

    def _history_page(self, cursor: str, page_token: str | None) -> HistoryPage:
        request = partial(self._access.client.history, cursor, page_token)
        return self._access.call("history.list", request, MAX_QUOTA_WAIT)

    def _compare(self) -> dict[str, list[str]]:
        drift: dict[str, list[str]] = {kind: [] for kind in DRIFT}
        for row in self._caller.rows("compare_mailbox", self._user_id, self._comparison):
            drift[row["drift"]].append(row["message_id"])
        return drift

    def _units(self) -> int:
        costs = self._caller.rows("list_quota_costs", self._user_id)
        return sum(row["units"] * self._access.calls[row["method"], row["format"]] for row in costs)


def without(coming: set[str], drift: dict[str, list[str]]) -> dict[str, list[str]]:
    return {kind: [each for each in ids if each not in coming] for kind, ids in drift.items()}


def named_ids(records: Iterable[dict[str, Any]]) -> Iterable[str]:
    """The ids of messages in history records that a sync acts on."""
    for record in records:
        for kind in SYNCED_EVENTS:
            for event in record.get(kind) or []:
                if message_id := (event.get("message") or {}).get("id"):
                    yield str(message_id)
