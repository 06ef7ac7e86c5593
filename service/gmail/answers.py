"""What the Gmail client returns."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from service.gmail.errors import GmailError


class Profile(NamedTuple):
    email: str
    history_id: str
    messages_total: int


class MessagePage(NamedTuple):
    """An empty page is not the last one if it has a next_page_token. `thread_ids` has the thread
    of each message, None where it is not known."""

    ids: list[str]
    next_page_token: str | None
    thread_ids: Sequence[str | None] = ()

    def items(self) -> Iterable[str]:
        """What pages must bring more of; see service.gmail.pages."""
        return self.ids


class HistoryPage(NamedTuple):
    """`records` are as Gmail returns them. The next cursor is the history_id of the FIRST page:
    later pages have a newer one, but leave out what happened meanwhile."""

    records: list[dict[str, Any]]
    history_id: str
    next_page_token: str | None

    def items(self) -> Iterable[str]:
        """What pages must bring more of; see service.gmail.pages.

        A record's own id does not count: a server could number the same changes for ever.
        """
        for record in self.records:
            yield str({**record, "id": None} if isinstance(record, dict) else record)


class Fetched(NamedTuple):
    """A message or thread as Gmail returns it: either `content` or `error` is None."""

    id: str
    content: dict[str, Any] | None
    error: GmailError | None
