"""Somebody's browser."""

from typing import Self

import httpx

from tests.api.conftest import PATIENCE_SECONDS, Running, bearer, token


class Browser:
    """Somebody's browser: it keeps cookies, and goes where it is sent one step at a time."""

    def __init__(self, running: Running, user_id: str) -> None:
        self.http = httpx.Client(timeout=PATIENCE_SECONDS)
        self._url = running.url
        self._header = bearer(token(user_id))

    def begin(self, **query: str) -> str:
        """The address of Google's page."""
        answer = self.http.get(f"{self._url}/api/gmail/connect", params=query, headers=self._header)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def attempts(self) -> dict[str, str]:
        """The cookies of what it has set out for and not come back from, the oldest first."""
        return {
            cookie.name: (cookie.value or "").strip('"')
            for cookie in self.http.cookies.jar
            if "gmail_sync_connect_" in cookie.name
        }

    def consent(self, page: str) -> str:
        """What Google sends the browser back to."""
        location: str = self.http.get(page).headers["location"]
        assert location.startswith(f"{self._url}/api/gmail/callback?")
        return location

    def complete(self, location: str) -> httpx.Response:
        return self.http.get(location)

    def connect(self, **query: str) -> str:
        """The whole way; the path it ends at."""
        answer = self.complete(self.consent(self.begin(**query)))
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
