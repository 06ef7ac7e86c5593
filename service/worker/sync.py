"""Brings one account up to date: listing, history, labels. See DESIGN.md, section 7."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from service.gmail.client import GmailClient
from service.gmail.errors import BadRequest, GmailError, HistoryExpired
from service.worker.fenced_calls import FencedCalls
from service.worker.fetch import MessageFetcher
from service.worker.run_end import Failed
from service.worker.throttle import Throttle
from service.worker.watch import Watch

# History can expire during a very long full sync, so one run may do a second. A third could mean
# an endless loop.
MAX_FULL_SYNCS = 2
CURSOR_REFUSED = (
    "Gmail does not understand the stored history id {cursor}. "
    "Start a full sync: it compares all mail and stores a new one."
)
HISTORY_LOOP = (
    "Gmail does not accept its own history id. All listed mail was fetched; try again later."
)


class AccountSync:
    """The sync of one run. Raises GmailError, RunEnd and LeaseLost.

    `thread_client` returns the calling thread's own client.
    """

    def __init__(
        self,
        calls: FencedCalls,
        throttle: Throttle,
        pool: ThreadPoolExecutor,
        thread_client: Callable[[], GmailClient],
        fetcher: MessageFetcher,
        watch: Watch,
    ) -> None:
        self._calls = calls
        self._throttle = throttle
        self._pool = pool
        self._thread_client = thread_client
        self._client = thread_client()
        self._fetcher = fetcher
        self._watch = watch

    def run(self, sync_type: str, *, verified: bool) -> None:
        """`verified`: the mailbox's address has been checked against the account."""
        if not verified:
            profile = self._throttle.call_with_retry("getProfile", self._client.profile)
            self._calls.value("confirm_mailbox_identity", profile.email)
        # Before the history is read: later changes are pushed.
        self._watch.renew()
        full_syncs = 0
        while True:
            full = sync_type == "full"
            try:
                if full:
                    full_syncs += 1
                    self._full()
                self._incremental(until_quiet=full)
                return
            except HistoryExpired as error:
                if full_syncs == MAX_FULL_SYNCS:
                    raise Failed(HISTORY_LOOP) from error
                self._calls.value("expire_history")
                sync_type = "full"

    def _request_labels(self) -> Future[list[dict[str, Any]]]:
        """Request the labels in another thread, in parallel with the next request."""
        self._throttle.charge("labels.list")
        return self._pool.submit(lambda: self._thread_client().labels())

    def _store_labels(self, requested: Future[list[dict[str, Any]]]) -> None:
        try:
            labels = requested.result()
        except GmailError:
            labels = self._throttle.call_with_retry("labels.list", self._client.labels)
        self._calls.value("store_labels", Jsonb(labels))

    def _full(self) -> None:
        """List all messages, fetch missing ones, delete those that Gmail no longer has."""
        self._store_labels(self._request_labels())
        profile = self._throttle.call_with_retry("getProfile", self._client.profile)
        listing = self._calls.row("begin_listing", profile.history_id, profile.messages_total)
        if listing and not listing["complete"]:
            self._list(listing["page_token"])
        self._fetcher.drain_queue()
        while not self._calls.value("reconcile_listing"):
            self._throttle.check()

    def _list(self, page_token: str | None) -> None:
        restarted = False
        while True:
            try:
                page = self._throttle.call_with_retry(
                    "messages.list", partial(self._client.list_messages, page_token)
                )
            except BadRequest:
                if page_token is None or restarted:
                    raise
                # The page token expired: list from the first page again. Nothing is fetched twice.
                self._calls.value("restart_listing")
                page_token, restarted = None, True
                continue
            page_token = page.next_page_token
            self._calls.value("store_listing_page", page.ids, page_token)
            if page_token is None:
                return

    def _incremental(self, *, until_quiet: bool) -> None:
        """Apply the changes since the cursor; `until_quiet` repeats until there are none."""
        while True:
            labels = self._request_labels()
            changed = self._take_history()
            if changed:
                # The history can name a label that was created just before.
                labels = self._request_labels()
            self._store_labels(labels)
            self._fetcher.drain_queue()
            if not (changed and until_quiet):
                return

    def _take_history(self) -> bool:
        """Apply the history once, page by page; whether there were changes."""
        cursor = str(self._calls.value("get_cursor"))
        page_token = history_id = None
        changed = restarted = False
        while True:
            try:
                page = self._throttle.call_with_retry(
                    "history.list", partial(self._client.history, cursor, page_token)
                )
            except BadRequest as error:
                if page_token is None:
                    raise Failed(CURSOR_REFUSED.format(cursor=cursor)) from error
                if restarted:
                    raise
                # The page token expired: continue from the cursor, which is past the applied pages.
                cursor = str(self._calls.value("get_cursor"))
                page_token = history_id = None
                restarted = True
                continue
            # Later pages have a newer id, but do not include the changes up to it.
            history_id = history_id or page.history_id
            changed = changed or bool(page.records)
            page_token = page.next_page_token
            last = page_token is None
            self._calls.value("apply_history", Jsonb(page.records), history_id if last else None)
            if last:
                return changed
