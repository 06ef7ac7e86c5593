"""Encrypts credentials for the database with Fernet keys, and decrypts them."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class WrongKey(Exception):
    """None of the configured keys opens the stored credentials."""

    def __init__(self) -> None:
        super().__init__(
            "none of the keys in GMAIL_SYNC_CREDENTIALS_KEYS opens the stored credentials; "
            "add the key that sealed them, or connect the account again"
        )


class CredentialCipher:
    """Seals and opens credentials. The first key seals, all keys open: prepend one to rotate."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("GMAIL_SYNC_CREDENTIALS_KEYS names no key")
        fernets = [_fernet(key, number) for number, key in enumerate(keys, 1)]
        self._first = fernets[0]
        self._fernet = MultiFernet(fernets)

    def encrypt(self, credentials: Mapping[str, Any]) -> bytes:
        content = json.dumps(dict(credentials), ensure_ascii=False, separators=(",", ":"))
        return self._fernet.encrypt(content.encode())

    def decrypt(self, sealed: bytes, max_age: timedelta | None = None) -> dict[str, Any]:
        """What was sealed; WrongKey when no key fits, or the bytes were never sealed, or longer
        ago than `max_age`."""
        seconds = None if max_age is None else int(max_age.total_seconds())
        try:
            opened: dict[str, Any] = json.loads(self._fernet.decrypt(sealed, ttl=seconds))
        except InvalidToken:
            raise WrongKey from None
        return opened

    def rotate(self, sealed: bytes) -> bytes | None:
        """The same under the first key; None when it is already. Raises WrongKey."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return self.encrypt(self.decrypt(sealed))
        return None


def _fernet(key: str, number: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise ValueError(
            f"GMAIL_SYNC_CREDENTIALS_KEYS: key {number} is not a Fernet key "
            "(32 bytes in url-safe base64)"
        ) from None
