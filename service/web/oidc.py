"""Sign in at the OpenID provider: the way there, and the way back.

An encrypted cookie has the state of an attempt, so any process can handle the callback. A callback
without the cookie of the browser that began is refused: nobody can sign others in as themselves.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self
from urllib.parse import urlsplit

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter
from litestar.response import Redirect
from msgspec import Struct
from structlog.typing import FilteringBoundLogger

from service.api.auth.cookies import cookie
from service.api.auth.sessions import Sessions
from service.api.auth.tokens import OPEN, token_cookie
from service.api.links import link
from service.config import Config
from service.google.cipher import CredentialCipher
from service.oidc.people import GOOGLE, People
from service.oidc.provider import Provider, SignInFailed
from service.web.pages import AnyRequest, Pages, ReturnPath

COOKIE = "gmail_sync_sign_in"
CALLBACK = "/sign-in/callback"
# How long a person may take on the provider's pages.
ATTEMPT_LIFETIME = timedelta(minutes=10)
STATUSES = {"provider_unavailable": 503, "not_allowed": 403, "no_user_id": 403}
Answer = Annotated[str, QueryParameter(max_length=4000)]


class Attempt(Struct, frozen=True, forbid_unknown_fields=True):
    """What a callback must match. `return_to` is a path of this service."""

    state: str
    nonce: str
    verifier: str
    return_to: str


@dataclass(frozen=True)
class ProviderSignIn:
    """The provider of the configuration, and the sessions that it opens."""

    provider: Provider
    sessions: Sessions
    log: FilteringBoundLogger

    @classmethod
    def of(cls, config: Config, log: FilteringBoundLogger) -> Self | None:
        client_id, client_secret = config.oidc_client
        if not (config.oidc_issuer and client_id and client_secret):
            return None
        provider = Provider(
            config.oidc_issuer,
            client_id,
            client_secret,
            f"{config.public_url}{CALLBACK}",
            f"{config.public_url}/sign-in",
            log,
        )
        people = People(
            config.oidc_issuer, config.oidc_user_claim, config.oidc_allow, config.oidc_operators
        )
        cipher = CredentialCipher(config.credentials_keys).for_purpose("sign-in")
        return cls(provider, Sessions(cipher, people), log)

    @property
    def name(self) -> str:
        """As people know it."""
        issuer = self.provider.issuer
        return "Google" if issuer == GOOGLE else urlsplit(issuer).hostname or issuer

    def sign_out_url(self, request: AnyRequest) -> str | None:
        """Where somebody whom the provider signed in signs out there; None if that is nowhere."""
        session = self.sessions.find(request)
        return self.provider.sign_out_url(session.id_token) if session else None


@get("/sign-in/provider", status_code=303, sync_to_thread=True, opt=OPEN)
def go_to_provider(
    request: AnyRequest,
    pages: NamedDependency[Pages],
    provider: NamedDependency[ProviderSignIn | None],
    return_to: ReturnPath = "/",
) -> Response[str] | Redirect:
    signing_in = _configured(provider)
    # 32 and 64 random bytes; RFC 7636 wants 43 to 128 characters in a verifier.
    state, nonce, verifier = (secrets.token_urlsafe(size) for size in (32, 32, 64))
    try:
        url = signing_in.provider.authorization_url(state, nonce, verifier)
    except SignInFailed as failure:
        return _failed(request, pages, signing_in, failure, return_to)
    attempt = Attempt(state, nonce, verifier, return_to)
    kept = signing_in.sessions.sealed(request, COOKIE, attempt, ATTEMPT_LIFETIME)
    return Redirect(url, status_code=303, cookies=[kept])


@get(CALLBACK, status_code=303, sync_to_thread=True, opt=OPEN)
def come_back(
    request: AnyRequest,
    pages: NamedDependency[Pages],
    provider: NamedDependency[ProviderSignIn | None],
    given_state: Annotated[str, QueryParameter(max_length=4000, name="state")] = "",
    code: Answer = "",
    error: Answer = "",
) -> Response[str] | Redirect:
    """The provider's answer. An attempt ends with it, whatever it is."""
    signing_in = _configured(provider)
    attempt = signing_in.sessions.opened(request, COOKIE, Attempt, ATTEMPT_LIFETIME)
    if attempt is None or not hmac.compare_digest(given_state.encode(), attempt.state.encode()):
        failure = SignInFailed("attempt_expired", "no attempt of this browser")
        return _failed(request, pages, signing_in, failure)
    try:
        if error or not code:
            refused = "cancelled" if error == "access_denied" else "sign_in_refused"
            raise SignInFailed(refused, f"the provider said {error or 'nothing'}")
        signed_in = signing_in.provider.sign_in(code, attempt.nonce, attempt.verifier)
        person = signing_in.sessions.people.person(signed_in.claims)
    except SignInFailed as failure:
        return _failed(request, pages, signing_in, failure, attempt.return_to)
    signing_in.log.info("signed in", user_id=person.user_id)
    cookies = [
        signing_in.sessions.begin(request, person, signed_in.id_token),
        token_cookie(request, "", datetime.now(UTC)),
        cookie(request, COOKIE, "", timedelta(0)),
    ]
    return Redirect(link(request, attempt.return_to), status_code=303, cookies=cookies)


def _configured(provider: ProviderSignIn | None) -> ProviderSignIn:
    if provider is None:
        raise NotFoundException
    return provider


def _failed(
    request: AnyRequest,
    pages: Pages,
    signing_in: ProviderSignIn,
    failure: SignInFailed,
    return_to: str = "/",
) -> Response[str]:
    signing_in.log.warning("nobody signed in", code=failure.code, reason=str(failure))
    answer = pages.page(
        request,
        "sign_in/failed.html",
        status_code=STATUSES.get(failure.code, 400),
        code=failure.code,
        provider=signing_in.name,
        return_to=return_to,
    )
    answer.cookies.append(cookie(request, COOKIE, "", timedelta(0)))
    return answer


ROUTES = [go_to_provider, come_back]
