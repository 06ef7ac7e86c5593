"""Tokens signed with our own secret. Imports no server, so that `gmail-sync token` starts fast."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import jwt

from service.postgres.user_id import USER_ID

ALGORITHM = "HS256"


def make_token(
    secret: str,
    user_id: str,
    scopes: Iterable[str],
    lifetime: timedelta,
    *,
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """A token for `user_id`. Raises ValueError for an invalid user id."""
    if not USER_ID.fullmatch(user_id):
        raise ValueError(
            f"{user_id[:40]!r} is not a user id: 1 to 255 characters, not blank, "
            "no control characters"
        )
    now = datetime.now(UTC)
    optional = {"scope": " ".join(scopes), "iss": issuer, "aud": audience}
    claims = {name: value for name, value in optional.items() if value}
    return jwt.encode(
        {"sub": user_id, "iat": now, "exp": now + lifetime} | claims, secret, ALGORITHM
    )
