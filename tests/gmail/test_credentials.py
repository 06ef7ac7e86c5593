"""The vault, and Google credentials in both stored forms."""

import time
from datetime import datetime, timedelta

import pytest
from cryptography.fernet import Fernet

from service.google.cipher import CredentialCipher, WrongKey
from service.google.credentials import UnusableCredentials, load_credentials, refreshed

FIRST, SECOND = Fernet.generate_key().decode(), Fernet.generate_key().decode()
URI = "http://127.0.0.1:1/token"


def test_encrypted_credentials_are_unreadable_and_decrypt_again() -> None:
    sealed = CredentialCipher([FIRST]).encrypt({"token": "secret"})
    assert b"secret" not in sealed
    assert CredentialCipher([FIRST]).decrypt(sealed) == {"token": "secret"}


def test_the_first_key_encrypts_and_all_keys_decrypt() -> None:
    old = CredentialCipher([FIRST]).encrypt({"token": "a"})
    rotated = CredentialCipher([SECOND, FIRST])
    assert rotated.decrypt(old) == {"token": "a"}
    assert CredentialCipher([SECOND]).decrypt(rotated.encrypt({"token": "b"})) == {"token": "b"}


@pytest.mark.parametrize(
    "sealed",
    [CredentialCipher([FIRST]).encrypt({}), b"", b"not sealed"],
    ids=["another key", "empty", "no seal"],
)
def test_credentials_of_another_key_are_rejected(sealed: bytes) -> None:
    with pytest.raises(WrongKey, match="GMAIL_SYNC_CREDENTIALS_KEYS"):
        CredentialCipher([SECOND]).decrypt(sealed)


@pytest.mark.parametrize(
    ("keys", "words"), [([], "no key"), ([FIRST, "short"], "key 2"), (["ä" * 32], "key 1")]
)
def test_an_invalid_key_is_named_by_its_number(keys: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CredentialCipher(keys)


def test_only_an_access_token_is_valid_and_cannot_be_refreshed() -> None:
    credentials = load_credentials({"token": "abc\n"}, URI, "id", "secret")
    assert credentials.token == "abc"
    assert credentials.valid
    assert credentials.refresh_token is None


def test_authorized_user_json_brings_its_own_client() -> None:
    stored = {
        "refresh_token": "r",
        "client_id": "theirs",
        "client_secret": "own",
        "expiry": "2026-01-02T03:04:05Z",
    }
    credentials = load_credentials(stored, URI, "id", "secret")
    assert (credentials.client_id, credentials.client_secret) == ("theirs", "own")
    assert credentials.expiry == datetime(2026, 1, 2, 3, 4, 5)
    assert not credentials.valid


def test_the_configured_client_fills_in() -> None:
    credentials = load_credentials({"refresh_token": "r"}, URI, "id", "secret")
    assert (credentials.client_id, credentials.client_secret) == ("id", "secret")


@pytest.mark.parametrize(
    ("stored", "used"),
    [
        (None, URI),
        ("https://oauth2.googleapis.com/token", URI),
        ("http://127.0.0.1:2/token", "http://127.0.0.1:2/token"),
    ],
)
def test_a_configured_token_endpoint_replaces_only_googles(stored: str | None, used: str) -> None:
    credentials = load_credentials({"refresh_token": "r", "token_uri": stored}, URI, "i", "s")
    assert credentials.token_uri == used


def test_credentials_without_any_token_are_refused() -> None:
    with pytest.raises(UnusableCredentials, match="refresh_token"):
        load_credentials({"client_id": "x"}, URI, "id", "secret")


def test_a_refresh_changes_the_tokens_and_nothing_else_in_the_store() -> None:
    stored = {"token": "old", "refresh_token": "r", "note": 1}
    credentials = load_credentials(stored, URI, "id", "secret")
    credentials.token, credentials.expiry = "new", datetime(2026, 1, 2, 3, 4, 5)
    after = refreshed(stored, credentials)
    assert after == {
        "token": "new",
        "refresh_token": "r",
        "note": 1,
        "expiry": "2026-01-02T03:04:05Z",
    }
    assert load_credentials(after, URI, "id", "secret").expiry == credentials.expiry


def test_credentials_encrypted_too_long_ago_do_not_decrypt() -> None:
    fernet = Fernet(FIRST)
    sealed = fernet.encrypt_at_time(b'{"a": 1}', int(time.time()) - 100)
    assert CredentialCipher([FIRST]).decrypt(sealed, timedelta(seconds=120)) == {"a": 1}
    with pytest.raises(WrongKey):
        CredentialCipher([FIRST]).decrypt(sealed, timedelta(seconds=90))


def test_rotation_encrypts_with_the_first_key_unless_it_is_already() -> None:
    old = CredentialCipher([FIRST]).encrypt({"token": "ä"})
    rotated = CredentialCipher([SECOND, FIRST]).rotate(old)
    assert rotated is not None
    assert CredentialCipher([SECOND]).decrypt(rotated) == {"token": "ä"}
    assert CredentialCipher([SECOND, FIRST]).rotate(rotated) is None
    with pytest.raises(WrongKey):
        CredentialCipher([SECOND]).rotate(old)
