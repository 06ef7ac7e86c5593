"""Who pushes: the OIDC token by which Pub/Sub proves that a push is from our subscription.

PyJWT rather than google-auth, whose verify_oauth2_token asks Google for its keys at every call.
Sources: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions, GMAIL.md 2.7.
"""

import jwt

from service.api.auth.keys import CachedJwks

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
# Whatever a token says of itself: it must not choose how it is checked.
ALGORITHMS = ("RS256",)
# By how much Google's clock may differ from ours.
LEEWAY_SECONDS = 60


class Refused(Exception):
    """Not a token of our subscription; the text says why, for the log."""


class PushTokens:
    """Tokens for one audience, of one service account. Checked in threads, many at once."""

    def __init__(self, keys: CachedJwks, audience: str, service_account: str) -> None:
        self._keys = keys
        self._audience = audience
        self._service_account = service_account

    def check(self, authorization: str) -> None:
        """Check an Authorization header. Raises Refused and KeysUnavailable."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Refused("no bearer token")
        try:
            claims = jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token),
                ALGORITHMS,
                audience=self._audience,
                issuer=ISSUERS,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except (jwt.InvalidTokenError, jwt.PyJWKClientError) as error:
            raise Refused(str(error)) from error
        if claims.get("email") != self._service_account or claims.get("email_verified") is not True:
            raise Refused("not the service account's verified address")
