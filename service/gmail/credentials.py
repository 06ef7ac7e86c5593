"""Google credentials at rest: sealed with Fernet keys, opened into google-auth's Credentials."""

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials

GOOGLES_TOKEN_ENDPOINTS = frozenset(
    {
        "https://oauth2.googleapis.com/token",
        "https://accounts.google.com/o/oauth2/token",
        "https://www.googleapis.com/oauth2/v4/token",
    }
)


class WrongKey(Exception):
    """None of the configured keys opens the stored credentials."""

    def __init__(self) -> None:
        super().__init__(
            "none of the keys in GMAIL_SYNC_CREDENTIALS_KEYS opens the stored credentials; "
            "add the key that sealed them, or connect the account again"
        )


class UnusableCredentials(ValueError):
    """The credentials hold neither an access token nor a refresh token."""


class Vault:
    """Seals and opens credentials. The first key seals, all keys open: prepend one to rotate."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("GMAIL_SYNC_CREDENTIALS_KEYS names no key")
        fernets = [_fernet(key, number) for number, key in enumerate(keys, 1)]
        self._first = fernets[0]
        self._fernet = MultiFernet(fernets)

    def seal(self, credentials: Mapping[str, Any]) -> bytes:
        content = json.dumps(dict(credentials), ensure_ascii=False, separators=(",", ":"))
        return self._fernet.encrypt(content.encode())

    def open(self, sealed: bytes, max_age: timedelta | None = None) -> dict[str, Any]:
        """What was sealed; WrongKey when no key fits, or the bytes were never sealed, or longer
        ago than `max_age`."""
        seconds = None if max_age is None else int(max_age.total_seconds())
        try:
            opened: dict[str, Any] = json.loads(self._fernet.decrypt(sealed, ttl=seconds))
        except InvalidToken:
            raise WrongKey from None
        return opened

    def reseal(self, sealed: bytes) -> bytes | None:
        """The same under the first key; None when it is already. Raises WrongKey."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return self.seal(self.open(sealed))
        return None


class Grant(Credentials):
    """Credentials that the clients of an account share, in as many threads.

    One renews them at a time. Once Google has refused that, it is not asked again: what died for
    one is dead for all, and no request leaves with an access token that outlived its grant.
    """

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)  # type: ignore[no-untyped-call]
        self._renewing = threading.Lock()
        self._refusal: RefreshError | None = None

    def refresh(self, request: Any) -> None:
        """Raises google.auth's RefreshError and TransportError."""
        seen = self.token
        with self._renewing:
            if self._refusal is None and self.token != seen:
                return  # another thread has, while this one waited
            if self._refusal is not None:
                raise self._refusal
            try:
                super().refresh(request)  # type: ignore[no-untyped-call]
            except RefreshError as error:
                # A page instead of an answer is not Google's word on the grant.
                if not error.retryable and isinstance(error.args[-1], dict):
                    self._refusal, self.token = error, None
                raise


def load_credentials(
    stored: Mapping[str, Any], token_uri: str, client_id: str | None, client_secret: str | None
) -> Credentials:
    """Credentials from an access token alone, or from Google's authorized_user JSON.

    A client or a token endpoint named in `stored` wins over the configured one, but that Google's
    own endpoint gives way: a configured one is there to replace it.
    """
    token, refresh_token = stored.get("token"), stored.get("refresh_token")
    if not token and not refresh_token:
        raise UnusableCredentials("the credentials hold neither `token` nor `refresh_token`")
    own_uri = stored.get("token_uri")
    if own_uri and own_uri not in GOOGLES_TOKEN_ENDPOINTS:
        token_uri = own_uri
    return Grant(
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


def _fernet(key: str, number: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise ValueError(
            f"GMAIL_SYNC_CREDENTIALS_KEYS: key {number} is not a Fernet key "
            "(32 bytes in url-safe base64)"
        ) from None


def _expiry(text: str | None) -> datetime | None:
    """google-auth compares expiry as UTC without a zone."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
