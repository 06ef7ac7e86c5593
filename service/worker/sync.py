"""Brings one account up to date: listing, history, labels. See DESIGN.md, section 7."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from psycopg.types.json import Jsonb

from service.gmail.answers import HistoryPage
from service.gmail.client import GmailClient
from service.gmail.errors import BadRequest, GmailError, HistoryExpired
from service.gmail.pages import follow_pages
from service.worker.fenced_calls import FencedCalls
from service.worker.fetch import MessageFetcher
from service.worker.import_join import ImportJoin
from service.worker.run_end import Failed
from service.worker.throttle import Throttle
from service.worker.watch import Watch

# History can expire during a very long full sync, so one run may do a second. A third could mean
# an endless loop.
MAX_FULL_SYNCS = 2
# How often a full sync reads the changes made meanwhile. The next sync reads what is left.
MAX_CATCH_UPS = 5
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
        self._cursor = ""

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
                    raise Failed("history_loop", HISTORY_LOOP) from error
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
        begin = partial(
            self._calls.row, "begin_listing", profile.history_id, profile.messages_total
        )
        while (listing := begin()) is None:  # an earlier listing is deleted in steps
            self._throttle.check()
        if not listing["complete"]:
            self._list(listing["page_token"])
        ImportJoin(self._calls, self._throttle, self._client).join()
        self._settle_labels()
        self._fetcher.drain_queue()
        while not self._calls.value("reconcile_listing"):
            self._throttle.check()

    def _list(self, page_token: str | None) -> None:
        pages = follow_pages(
            lambda token: self._throttle.call_with_retry(
                "messages.list", partial(self._client.list_messages, token)
            ),
            page_token,
            # Nothing is fetched twice.
            restart=lambda: self._calls.value("restart_listing"),
        )
        for page in pages:
            self._calls.value("store_listing_page", page.ids, page.next_page_token, page.thread_ids)

    def _settle_labels(self) -> None:
        """Take the labels of known messages from lists of each label, where that costs less."""
        with suppress(BadRequest):
            # A label was deleted meanwhile. What is not settled is fetched.
            for row in self._calls.rows("plan_label_lists"):
                self._list_label(row["label_id"])
        after: str | None = ""
        while after is not None:
            self._throttle.check()
            after = self._calls.value("settle_label_lists", after)

    def _list_label(self, label_id: str) -> None:
        pages = follow_pages(
            lambda token: self._throttle.call_with_retry(
                "messages.list", partial(self._client.list_messages, token, label_id=label_id)
            )
        )
        for page in pages:
            is_last = page.next_page_token is None
            self._calls.value("store_label_page", label_id, page.ids, is_last)

    def _incremental(self, *, until_quiet: bool) -> None:
        """Apply the changes since the cursor; `until_quiet` repeats until there are none."""
        for _ in range(MAX_CATCH_UPS if until_quiet else 1):
            labels = self._request_labels()
            changed = self._take_history()
            if changed:
                # The history can name a label that was created just before.
                labels = self._request_labels()
            self._store_labels(labels)
            self._fetcher.drain_queue()
            if not changed:
                return

    def _take_history(self) -> bool:
        """Apply the history once, page by page; whether there were changes."""
        self._read_cursor()
        history_id = None
        changed = False
        for page in follow_pages(self._history_page, restart=self._read_cursor):
            # Later pages have a newer id, but do not include the changes up to it.
            history_id = history_id or page.history_id
            last = page.next_page_token is None
            newer = self._calls.value(
                "apply_history", Jsonb(page.records), history_id if last else None
            )
            changed = changed or newer
        return changed

    def _read_cursor(self) -> None:
        """A history that is read again continues after the pages that were applied."""
        self._cursor = str(self._calls.value("get_cursor"))

    def _history_page(self, page_token: str | None) -> HistoryPage:
        try:
            return self._throttle.call_with_retry(
                "history.list", partial(self._client.history, self._cursor, page_token)
            )
        except BadRequest as error:
            if page_token is None:
                message = CURSOR_REFUSED.format(cursor=self._cursor)
                raise Failed("cursor_refused", message) from error
            raise
