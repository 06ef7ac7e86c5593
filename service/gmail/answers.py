"""What the Gmail client answers with."""

from typing import Any, NamedTuple

from service.gmail.errors import GmailError


class Profile(NamedTuple):
    email: str
    history_id: str
    messages_total: int


class MessagePage(NamedTuple):
    """Follow next_page_token to the end: a page can be empty and not be the last."""

    ids: list[str]
    next_page_token: str | None


class HistoryPage(NamedTuple):
    """records are as Gmail gave them. The cursor is the FIRST page's history_id: later pages
    name a newer one, although they leave out what happened meanwhile."""

    records: list[dict[str, Any]]
    history_id: str
    next_page_token: str | None


class Fetched(NamedTuple):
    """One of message and error is None."""

    message_id: str
    message: dict[str, Any] | None
    error: GmailError | None
