"""Joins the messages that an import has staged with the complete listing of a full sync."""

from contextlib import suppress
from functools import partial

from service.gmail.answers import MessagePage
from service.gmail.client import GmailClient
from service.gmail.errors import BadRequest
from service.gmail.search import any_of, message_term
from service.worker.fenced_calls import FencedCalls
from service.worker.throttle import Throttle

NOTHING = MessagePage([], None, [])


class ImportJoin:
    """Stores the listed ones of the staged messages, of which only the labels are left."""

    def __init__(self, calls: FencedCalls, throttle: Throttle, client: GmailClient) -> None:
        self._calls = calls
        self._throttle = throttle
        self._client = client

    def join(self) -> None:
        """Raises what call_with_retry raises."""
        if not self._calls.value("has_imported_messages"):
            return
        while self._match():
            pass
        while self._calls.value("join_imported_messages"):
            self._throttle.check()

    def _match(self) -> bool:
        """Find the ids of some messages whose export has none; whether there were any.

        Those without a match are fetched.
        """
        rows = self._calls.rows("list_unmatched_imports")
        terms = {
            row["import_key"]: message_term(
                row["rfc822_message_id"], row["arrived_at"], row["is_sent"]
            )
            if row["wanted"]
            else None
            for row in rows
        }
        self._record([key for key, term in terms.items() if term is None], NOTHING)
        wanted = {key: term for key, term in terms.items() if term is not None}
        query, number = any_of(wanted.values())
        if query:
            self._record([*wanted][:number], self._search(query))
        return bool(rows)

    def _search(self, query: str) -> MessagePage:
        page = NOTHING
        with suppress(BadRequest):
            page = self._throttle.call_with_retry(
                "messages.list", partial(self._client.list_messages, query=query)
            )
        # Part of an answer does not say that a message is the only one.
        return page if page.next_page_token is None else NOTHING

    def _record(self, import_keys: list[str], found: MessagePage) -> None:
        if import_keys:
            self._calls.value("match_imported_messages", import_keys, found.ids, found.thread_ids)
