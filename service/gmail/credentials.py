"""Google credentials at rest: sealed with Fernet keys, opened into google-auth's Credentials."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
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
        self._fernet = MultiFernet([_fernet(key, number) for number, key in enumerate(keys, 1)])

    def seal(self, credentials: Mapping[str, Any]) -> bytes:
        return self._fernet.encrypt(json.dumps(dict(credentials)).encode())

    def open(self, sealed: bytes) -> dict[str, Any]:
        """What was sealed; WrongKey when no key fits, or the bytes were never sealed."""
        try:
            opened: dict[str, Any] = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise WrongKey from None
        return opened


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
    return Credentials(  # type: ignore[no-untyped-call]
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
