"""google-auth's Credentials, made of what an account stores."""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials

from service.gmail.classify import classify
from service.gmail.errors import Refused

GOOGLE_TOKEN_ENDPOINTS = frozenset(
    {
        "https://oauth2.googleapis.com/token",
        "https://accounts.google.com/o/oauth2/token",
        "https://www.googleapis.com/oauth2/v4/token",
    }
)


class UnusableCredentials(ValueError):
    """The credentials hold neither an access token nor a refresh token."""


class SharedCredentials(Credentials):
    """Credentials that the clients of an account share, each in a thread of its own.

    One thread renews them at a time. After Google refused a renewal, none asks again, and no
    request uses an access token of the revoked grant.
    """

    def __init__(
        self, on_refresh: "Callable[[SharedCredentials], None] | None" = None, **fields: Any
    ) -> None:
        """`on_refresh` stores what a renewal changed, before another thread can renew."""
        super().__init__(**fields)  # type: ignore[no-untyped-call]
        self._renewing = threading.Lock()
        self._refusal: RefreshError | None = None
        self._on_refresh = on_refresh

    def renew(self, request: Callable[..., Any], refused: str | None = None) -> bool:
        """Get a valid access token other than `refused`; whether this call renewed it.

        Raises google.auth's RefreshError and TransportError.
        """
        with self._renewing:
            if self._refusal is not None:
                raise self._refusal
            if self.valid and self.token != refused:
                return False  # another thread has, while this one waited
            self._refresh(request)
            if self._on_refresh:
                self._on_refresh(self)
            return True

    def _refresh(self, request: Callable[..., Any]) -> None:
        try:
            self.refresh(request)  # type: ignore[no-untyped-call]
        except RefreshError as error:
            # Others, such as an HTML page instead of JSON, can pass.
            if isinstance(classify(error), Refused):
                self._refusal, self.token = error, None
            raise


def load_credentials(
    stored: Mapping[str, Any],
    token_uri: str,
    client_id: str | None,
    client_secret: str | None,
    on_refresh: Callable[[SharedCredentials], None] | None = None,
) -> SharedCredentials:
    """Credentials from only an access token, or from Google's authorized_user JSON.

    A client named in `stored` wins over the configured one. So does a token endpoint, unless it is
    Google's own: a configured endpoint replaces that.
    """
    token, refresh_token = stored.get("token"), stored.get("refresh_token")
    if not token and not refresh_token:
        raise UnusableCredentials("the credentials hold neither `token` nor `refresh_token`")
    own_uri = stored.get("token_uri")
    if own_uri and own_uri not in GOOGLE_TOKEN_ENDPOINTS:
        token_uri = own_uri
    return SharedCredentials(
        on_refresh,
        token=token.strip() if token else None,
        refresh_token=refresh_token,
        token_uri=token_uri,
        client_id=stored.get("client_id") or client_id,
        client_secret=stored.get("client_secret") or client_secret,
        expiry=_expiry(stored.get("expiry")),
    )


def refreshed(stored: Mapping[str, Any], credentials: Credentials) -> dict[str, Any]:
    """`stored` with what a refresh changed: the token, its expiry, perhaps the refresh token."""
    expiry = credentials.expiry.isoformat() + "Z" if credentials.expiry else None
    changed = {
        "token": credentials.token,
        "refresh_token": credentials.refresh_token,
        "expiry": expiry,
    }
    return {**stored, **{name: value for name, value in changed.items() if value}}


def _expiry(text: str | None) -> datetime | None:
    """google-auth compares expiry as UTC without a zone."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
