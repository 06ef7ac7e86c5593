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

# A second full sync in one run can be due to history that expired during a very long first one;
# a third would go on for ever.
MAX_FULL_SYNCS = 2
CURSOR_REFUSED = (
    "Gmail does not understand the stored history id {cursor}. "
    "Start a full sync: it compares all mail and takes a new one."
)
LOOP = (
    "Gmail does not accept the history id it gave itself. The mail that is there was fetched; "
    "try again later."
)


class AccountSync:
    """One run's work. Raises GmailError, RunEnd and LeaseLost; returns when all is done.

    `thread_client` gives the calling thread its own client.
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
        """`verified` says that the mailbox is known to be the account's."""
        if not verified:
            profile = self._throttle.call_with_retry("getProfile", self._client.profile)
            self._calls.value("confirm_mailbox_identity", profile.email)
        # Before the changes are read: what comes later is pushed.
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
                    raise Failed(LOOP) from error
                self._calls.value("expire_history")
                sync_type = "full"

    def _ask_for_labels(self) -> Future[list[dict[str, Any]]]:
        """Ask in another thread, so that this one can ask something else meanwhile."""
        self._throttle.charge("labels.list")
        return self._pool.submit(lambda: self._thread_client().labels())

    def _store_labels(self, asked: Future[list[dict[str, Any]]]) -> None:
        try:
            labels = asked.result()
        except GmailError:
            labels = self._throttle.call_with_retry("labels.list", self._client.labels)
        self._calls.value("store_labels", Jsonb(labels))

    def _full(self) -> None:
        """List everything, fetch what is missing, drop what is gone."""
        self._store_labels(self._ask_for_labels())
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
                # The token has aged: from the first page again, and nothing is fetched twice.
                self._calls.value("restart_listing")
                page_token, restarted = None, True
                continue
            page_token = page.next_page_token
            self._calls.value("store_listing_page", page.ids, page_token)
            if page_token is None:
                return

    def _incremental(self, *, until_quiet: bool) -> None:
        """Take the changes since the cursor, and after a long sync those made meanwhile."""
        while True:
            labels = self._ask_for_labels()
            changed = self._take_history()
            if changed:
                # It can name a label that was made a moment before it.
                labels = self._ask_for_labels()
            self._store_labels(labels)
            self._fetcher.drain_queue()
            if not (changed and until_quiet):
                return

    def _take_history(self) -> bool:
        """Page through the history once; whether there was any."""
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
                # The token has aged: on from the cursor, which has passed the pages taken.
                cursor = str(self._calls.value("get_cursor"))
                page_token = history_id = None
                restarted = True
                continue
            # Later pages name a newer id, although they leave out what happened meanwhile.
            history_id = history_id or page.history_id
            changed = changed or bool(page.records)
            page_token = page.next_page_token
            last = page_token is None
            self._calls.value("apply_history", Jsonb(page.records), history_id if last else None)
            if last:
                return changed
