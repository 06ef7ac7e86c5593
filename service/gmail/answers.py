"""What the Gmail client returns."""

from typing import Any, NamedTuple

from service.gmail.errors import GmailError


class Profile(NamedTuple):
    email: str
    history_id: str
    messages_total: int


class MessagePage(NamedTuple):
    """An empty page is not the last one if it has a next_page_token."""

    ids: list[str]
    next_page_token: str | None


class HistoryPage(NamedTuple):
    """`records` are as Gmail returns them. The next cursor is the history_id of the FIRST page:
    later pages have a newer one, but leave out what happened meanwhile."""

    records: list[dict[str, Any]]
    history_id: str
    next_page_token: str | None


class Fetched(NamedTuple):
    """Either `message` or `error` is None."""

    message_id: str
    message: dict[str, Any] | None
    error: GmailError | None
