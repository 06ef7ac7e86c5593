"""Sessions of people who signed in by the provider: an encrypted cookie, and no table.

The lists of the configuration are checked at each request, so who is taken off them is out at the
next start of the service.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from litestar.datastructures import Cookie

from service.api.auth.cookies import cookie, cookie_name
from service.api.links import Connection
from service.google.cipher import CredentialCipher, WrongKey
from service.oidc.people import People, Person

COOKIE = "gmail_sync_session"
LIFETIME = timedelta(hours=12)
# Browsers keep cookies of up to 4,096 bytes, name and attributes included.
LONGEST_COOKIE = 3800
T = TypeVar("T")


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`id_token` is for signing out at the provider; empty if it is too long for a cookie."""

    person: Person
    expires_at: datetime
    id_token: str = ""


class Sessions:
    def __init__(self, cipher: CredentialCipher, people: People) -> None:
        self._cipher = cipher
        self.people = people

    def begin(self, connection: Connection, person: Person, id_token: str) -> Cookie:
        session = Session(person, datetime.now(UTC) + LIFETIME, id_token)
        begun = self.sealed(connection, COOKIE, session, LIFETIME)
        if len(begun.value or "") <= LONGEST_COOKIE:
            return begun
        return self.sealed(
            connection, COOKIE, msgspec.structs.replace(session, id_token=""), LIFETIME
        )

    def find(self, connection: Connection) -> Session | None:
        """The session of the browser; None without a valid one of somebody who may sign in."""
        session = self.opened(connection, COOKIE, Session, LIFETIME)
        return session if session and self.people.allows(session.person.email) else None

    def sealed(
        self, connection: Connection, name: str, value: msgspec.Struct, lifetime: timedelta
    ) -> Cookie:
        """A cookie with a value that only we can read and make."""
        content: dict[str, Any] = msgspec.to_builtins(value)
        return cookie(connection, name, self._cipher.encrypt(content).decode(), lifetime)

    def opened(
        self, connection: Connection, name: str, kind: type[T], lifetime: timedelta
    ) -> T | None:
        encrypted = connection.cookies.get(cookie_name(connection, name), "")
        try:
            content = self._cipher.decrypt(encrypted.encode(), lifetime)
            return msgspec.convert(content, kind)
        except (WrongKey, msgspec.ValidationError):
            return None


def no_session(connection: Connection) -> Cookie:
    """The cookie that ends a session."""
    return cookie(connection, COOKIE, "", timedelta(0))
