"""Follows the page tokens of a list, and stops when the pages do not end.

A broken server or proxy can repeat a token, or name a new one for ever. An empty page with a new
token is legitimate, so a list ends only after many pages in a row that bring nothing new.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from service.gmail.errors import BadRequest, EndlessPages

# Pages in a row that may bring nothing new.
MAX_BARREN_PAGES = 20
# One bit for each item. A million items set an eighth of the bits, in 1 MiB of memory.
_SEEN_BITS = 1 << 23


class Page(Protocol):
    @property
    def next_page_token(self) -> str | None: ...

    def items(self) -> Iterable[str]: ...


P = TypeVar("P", bound=Page)


def follow_pages(
    request: Callable[[str | None], P],
    page_token: str | None = None,
    restart: Callable[[], object] = lambda: None,
) -> Iterator[P]:
    """The pages from `page_token` on, until one names no next page.

    If they do not end, or Gmail refuses a token, `restart` is called and the list is requested
    once more from its first page. The second time raises EndlessPages.
    """
    try:
        yield from _follow_once(request, page_token)
    except EndlessPages:
        restart()
        yield from _follow_once(request, None)


def _follow_once(request: Callable[[str | None], P], page_token: str | None) -> Iterator[P]:
    # Hashes, because a token can be of any length.
    tokens = {hash(page_token)}
    seen = _SeenItems()
    barren = 0
    while True:
        page = _request(request, page_token)
        yield page
        page_token = page.next_page_token
        if page_token is None:
            return
        if hash(page_token) in tokens:
            raise EndlessPages("a page token came a second time")
        tokens.add(hash(page_token))
        barren = 0 if seen.add(page.items()) else barren + 1
        if barren == MAX_BARREN_PAGES:
            raise EndlessPages(f"{barren} pages in a row brought nothing new")


def _request(request: Callable[[str | None], P], page_token: str | None) -> P:
    try:
        return request(page_token)
    except BadRequest as error:
        if page_token is None:
            raise
        # The token may have expired.
        raise EndlessPages(f"a page token was refused: {error.detail}") from error


class _SeenItems:
    """A set of items in constant memory.

    It can take a new item for a known one, but not all items of many pages in a row.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_SEEN_BITS >> 3)

    def add(self, items: Iterable[str]) -> bool:
        """Whether any of the items is new."""
        new = False
        for item in items:
            byte, bit = divmod(hash(item) % _SEEN_BITS, 8)
            if not self._bits[byte] >> bit & 1:
                self._bits[byte] |= 1 << bit
                new = True
        return new
