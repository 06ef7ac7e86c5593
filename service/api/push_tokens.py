"""Who pushes: the OIDC token by which Pub/Sub proves that a push is from our subscription.

PyJWT rather than google-auth, whose verify_oauth2_token asks Google for its keys at every call:
PyJWKClient keeps them, and asks for an unknown one no more than twice a minute. Sources:
https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions, GMAIL.md 2.7.
"""

import jwt

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
# Whatever a token says of itself: it must not choose how it is checked.
ALGORITHMS = ("RS256",)
# Google changes its keys every few days and announces them long before; so long an outage of
# theirs is not noticed.
KEYS_KEPT_SECONDS = 3600
TIMEOUT_SECONDS = 5
# By how much Google's clock may differ from ours.
LEEWAY_SECONDS = 60


class Refused(Exception):
    """Not a token of our subscription; the text says why, for the log."""


class KeysUnknown(Exception):
    """Google's keys cannot be had just now, so nobody can be told from anybody."""


class PushTokens:
    """Tokens for one audience, of one service account. Checked in threads, many at once."""

    def __init__(self, keys_url: str, audience: str, service_account: str) -> None:
        self._keys = jwt.PyJWKClient(keys_url, lifespan=KEYS_KEPT_SECONDS, timeout=TIMEOUT_SECONDS)
        self._audience = audience
        self._service_account = service_account

    def check(self, authorization: str) -> None:
        """Check an Authorization header. Raises Refused and KeysUnknown."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Refused("no bearer token")
        try:
            claims = jwt.decode(
                token,
                self._key(token),
                ALGORITHMS,
                audience=self._audience,
                issuer=ISSUERS,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.InvalidTokenError as error:
            raise Refused(str(error)) from error
        if claims.get("email") != self._service_account or claims.get("email_verified") is not True:
            raise Refused("not the service account's verified address")

    def _key(self, token: str) -> jwt.PyJWK:
        try:
            return self._keys.get_signing_key_from_jwt(token)
        except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, OSError, ValueError) as error:
            raise KeysUnknown(str(error)) from error
        except jwt.PyJWKClientError as error:
            raise Refused(str(error)) from error
