"""Pages, asked for as browsers do."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from service.api.auth import COOKIE
from tests.api.conftest import (  # noqa: F401  (fixtures)
    PATIENCE_SECONDS,
    Running,
    ann,
    connect_account,
    google,
    nobody,
    running,
    simulator,
    token,
)

BrowserOf = Callable[..., httpx.Client]


@pytest.fixture
def browser_of(
    running: Running,  # noqa: F811
) -> Iterator[BrowserOf]:
    """Makes browsers: browser_of("ann", "operator", **headers) is signed in as this user."""
    opened: list[httpx.Client] = []

    def open_browser(user_id: str | None, *scopes: str, **headers: str) -> httpx.Client:
        cookies = {COOKIE: token(user_id, *scopes)} if user_id else {}
        sent = {"Accept-Language": "en", **{k.replace("_", "-"): v for k, v in headers.items()}}
        opened.append(
            httpx.Client(
                base_url=running.url, cookies=cookies, headers=sent, timeout=PATIENCE_SECONDS
            )
        )
        return opened[-1]

    yield open_browser
    for client in opened:
        client.close()
