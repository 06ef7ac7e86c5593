"""A page of a user's mail by a search."""

from msgspec import Struct

from service.postgres.calls import FunctionCaller, Row


class SearchPage(Struct):
    """Rows newest first; `next` is the `before` of the next page.

    `searched_back_to` is the row at which a search stopped early, None where it did not.
    """

    rows: list[Row]
    next: str | None
    searched_back_to: Row | None
    not_understood: list[str]


def search_page(
    caller: FunctionCaller,
    user_id: str,
    query: str | None,
    label_id: str | None,
    limit: int,
    before: str | None,
    time_zone: str,
) -> SearchPage:
    """Raises InvalidArgument where the search is too large or the time zone unknown."""
    # One row more than requested shows whether there is a next page.
    found = caller.rows("search_messages", user_id, query, label_id, limit + 1, before, time_zone)
    stopped = found.pop() if found and not found[-1]["is_found"] else None
    rows = found[:limit]
    last = rows[-1] if found[limit:] else stopped
    return SearchPage(
        rows,
        last["message_id"] if last else None,
        stopped,
        caller.value("search_not_understood", user_id, query, time_zone) if query else [],
    )
