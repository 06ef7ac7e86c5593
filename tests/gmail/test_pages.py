"""What follow_pages takes for an end, in mailboxes of every size."""

import tracemalloc
from collections.abc import Iterable

import pytest

from service.gmail.answers import HistoryPage, MessagePage
from service.gmail.errors import BadRequest, EndlessPages, Transient
from service.gmail.pages import MAX_BARREN_PAGES, follow_pages

PAGE = 500


class Listing:
    """A list that answers the given pages, each by its number as token."""

    def __init__(self, pages: Iterable[list[str]]) -> None:
        self._pages = list(pages)
        self.requested: list[str | None] = []

    def __call__(self, page_token: str | None) -> MessagePage:
        self.requested.append(page_token)
        number = int(page_token or 0)
        last = number + 1 == len(self._pages)
        return MessagePage(self._pages[number], None if last else str(number + 1))


def test_pages_come_once_and_in_order() -> None:
    listing = Listing([["a"], [], ["b"]])
    assert [page.ids for page in follow_pages(listing)] == [["a"], [], ["b"]]
    assert listing.requested == [None, "1", "2"]


def test_a_list_goes_on_at_a_token_and_begins_again_once_it_is_refused() -> None:
    listing, restarts = Listing([["a"], ["b"], ["c"]]), [0]

    def refuse_once(page_token: str | None) -> MessagePage:
        if page_token == "2" and not restarts[0]:
            raise BadRequest("Invalid pageToken")
        return listing(page_token)

    def restart() -> None:
        restarts[0] += 1

    pages = follow_pages(refuse_once, "1", restart)

    assert [page.ids for page in pages] == [["b"], ["a"], ["b"], ["c"]]
    assert restarts == [1]


def test_a_first_page_that_is_refused_is_not_a_matter_of_tokens() -> None:
    def refuse(page_token: str | None) -> MessagePage:
        raise BadRequest("Invalid startHistoryId")

    with pytest.raises(BadRequest):
        list(follow_pages(refuse))


def test_other_errors_are_the_callers() -> None:
    requested = []

    def fail(page_token: str | None) -> MessagePage:
        requested.append(page_token)
        raise Transient

    with pytest.raises(Transient) as failure:
        list(follow_pages(fail, "1"))
    assert not isinstance(failure.value, EndlessPages)
    assert requested == ["1"]


@pytest.mark.parametrize("barren", [[], ["a"]])
def test_many_pages_in_a_row_may_bring_nothing_new(barren: list[str]) -> None:
    few = [barren] * (MAX_BARREN_PAGES - 1)
    listing = Listing([["a"], *few, ["b"], *few, ["c"]])
    assert len(list(follow_pages(listing))) == 2 * MAX_BARREN_PAGES + 1


def test_the_reason_names_what_gmail_did() -> None:
    def refuse(page_token: str | None) -> MessagePage:
        if page_token:
            raise BadRequest("Invalid pageToken")
        return MessagePage(["a"], "1")

    with pytest.raises(EndlessPages, match=r"\(a page token was refused: Invalid pageToken\)$"):
        list(follow_pages(refuse))


class Mailbox:
    """A list of so many messages, which takes no memory itself."""

    def __init__(self, messages: int) -> None:
        self._last = messages // PAGE - 1

    def __call__(self, page_token: str | None) -> MessagePage:
        number = int(page_token or 0)
        ids = [f"{number * PAGE + n:016x}" for n in range(PAGE)]
        return MessagePage(ids, None if number == self._last else str(number + 1))


def test_a_million_messages_are_not_taken_for_known_ones() -> None:
    assert sum(len(page.ids) for page in follow_pages(Mailbox(1_000_000))) == 1_000_000


def test_memory_does_not_grow_with_the_mailbox() -> None:
    def peak(messages: int) -> int:
        tracemalloc.start()
        try:
            for _ in follow_pages(Mailbox(messages)):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # One id takes more than 60 bytes.
    assert peak(20 * PAGE) - peak(PAGE) < 10 * 20 * PAGE


def test_records_are_compared_by_what_they_change() -> None:
    """A server can number the same changes for ever; many changes of one message are new."""

    def record(number: int, *label_ids: str) -> dict[str, object]:
        change = {"message": {"id": "m"}, "labelIds": list(label_ids)}
        return {"id": str(number), "labelsAdded": [change]}

    def items(*records: dict[str, object]) -> list[str]:
        return list(HistoryPage(list(records), "9", None).items())

    assert items(record(1, "A")) == items(record(2, "A")) != items(record(1, "B"))
