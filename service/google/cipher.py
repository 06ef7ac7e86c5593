"""Encrypts credentials for the database with Fernet keys, and decrypts them."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class WrongKey(Exception):
    """None of the configured keys decrypts the stored credentials."""

    def __init__(self) -> None:
        super().__init__(
            "none of the keys in GMAIL_SYNC_CREDENTIALS_KEYS decrypts the stored credentials; "
            "add the key that encrypted them, or connect the account again"
        )


class CredentialCipher:
    """Encrypts with the first key and decrypts with all keys: prepend a key to rotate."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("GMAIL_SYNC_CREDENTIALS_KEYS names no key")
        self._keys = keys
        fernets = [_fernet(key, number) for number, key in enumerate(keys, 1)]
        self._first = fernets[0]
        self._fernet = MultiFernet(fernets)

    def for_purpose(self, purpose: str) -> Self:
        """A cipher of its own keys, made of these: neither decrypts what the other encrypted."""
        derived = [
            hmac.digest(urlsafe_b64decode(key), purpose.encode(), "sha256") for key in self._keys
        ]
        return type(self)([urlsafe_b64encode(key).decode() for key in derived])

    def encrypt(self, credentials: Mapping[str, Any]) -> bytes:
        content = json.dumps(dict(credentials), ensure_ascii=False, separators=(",", ":"))
        return self._fernet.encrypt(content.encode())

    def decrypt(self, encrypted: bytes, max_age: timedelta | None = None) -> dict[str, Any]:
        """Raises WrongKey for bytes of another key, invalid bytes and bytes older than max_age."""
        seconds = None if max_age is None else int(max_age.total_seconds())
        try:
            decrypted: dict[str, Any] = json.loads(self._fernet.decrypt(encrypted, ttl=seconds))
        except InvalidToken:
            raise WrongKey from None
        return decrypted

    def rotate(self, encrypted: bytes) -> bytes | None:
        """The same, encrypted with the first key; None if it was already. Raises WrongKey."""
        try:
            self._first.decrypt(encrypted)
        except InvalidToken:
            return self.encrypt(self.decrypt(encrypted))
        return None


def _fernet(key: str, number: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise ValueError(
            f"GMAIL_SYNC_CREDENTIALS_KEYS: key {number} is not a Fernet key "
            "(32 bytes in url-safe base64)"
        ) from None
