"""Google's OAuth beside the API: the consent page, the exchange of its code, the end of a grant.

Source: https://developers.google.com/identity/protocols/oauth2/web-server
"""

from typing import Any
from urllib.parse import urlsplit

import requests
from google.oauth2.credentials import Credentials
from google_auth_oauthlib.flow import Flow
from oauthlib.oauth2 import OAuth2Error
from requests.adapters import HTTPAdapter

from service.google.configuration import Google
from service.google.credentials import refreshed
from service.mime.text import storable

READ_MAIL = "https://www.googleapis.com/auth/gmail.readonly"
GOOGLES_TOKENS = "https://oauth2.googleapis.com/token"
GOOGLES_CONSENT = "https://accounts.google.com/o/oauth2/v2/auth"
# Seconds to connect, and between two bytes of the answer.
TIMEOUT = (5.0, 10.0)
# The token endpoint's `error` when the fault lies with itself; missing_token is oauthlib's word
# for an answer that is none.
PASSING = frozenset(
    {"missing_token", "server_error", "temporarily_unavailable", "internal_failure"}
)


class ConsentFailed(Exception):
    """No account comes of it; `code` is stable, the text is for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(storable(message)[:300])
        self.code = code


class Consent:
    """Asks a person for the right to read their mail, and takes it.

    `redirect_uri` is ours, as it is registered with Google.
    """

    def __init__(self, google: Google, client_id: str, client_secret: str, redirect_uri: str):
        self._token_uri = google.token_uri
        self._consent_uri = consent_uri(google.token_uri)
        self.redirect_uri = redirect_uri
        self._client = {
            "client_id": client_id,
            "client_secret": client_secret,
            "auth_uri": _https(self._consent_uri),
            "token_uri": _https(self._token_uri),
        }

    def ask(self, state: str, verifier: str, email: str | None) -> str:
        """The address of Google's page; `email` is the account it should offer."""
        flow = self._flow([READ_MAIL], verifier)
        with flow.oauth2session:
            # Google gives a refresh token with a consent, so it is asked for each time.
            hints = {"prompt": "consent", **({"login_hint": email} if email else {})}
            url, _ = flow.authorization_url(state=state, **hints)
        return f"{self._consent_uri}?{urlsplit(url).query}"

    def redeem(self, code: str, verifier: str) -> dict[str, Any]:
        """What the vault is to keep for a code. Raises ConsentFailed."""
        # Asked for no scopes, it lets us see for ourselves which were given.
        flow = self._flow(None, verifier)
        with flow.oauth2session:
            try:
                flow.fetch_token(code=code, include_client_id=True, timeout=TIMEOUT)
                credentials = flow.credentials
            except requests.RequestException as error:
                raise ConsentFailed("google_unavailable", type(error).__name__) from error
            except OAuth2Error as error:
                raise _refusal(error) from error
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise ConsentFailed("google_unavailable", "the answer was not Google's") from error
        if READ_MAIL not in (credentials.granted_scopes or ()):
            raise ConsentFailed("scope_missing", "the right to read mail was not given")
        if not credentials.refresh_token:
            raise ConsentFailed("no_refresh_token", "Google sent no refresh token")
        return refreshed({}, credentials)

    def _flow(self, scopes: list[str] | None, verifier: str) -> Any:
        flow = Flow.from_client_config(
            {"web": self._client},
            scopes,
            redirect_uri=self.redirect_uri,
            code_verifier=verifier,
        )
        # A redirect is never Google's answer, and must not carry the secret elsewhere.
        flow.oauth2session.max_redirects = 0
        flow.oauth2session.register_compliance_hook("access_token_response", _answered)
        if self._token_uri.startswith("http:"):
            flow.oauth2session.mount("https://", _Plain())
        return flow


def _answered(answer: requests.Response) -> requests.Response:
    """Raises requests.HTTPError for what is a failure of Google's, whatever it says."""
    if answer.status_code >= 500:
        answer.raise_for_status()
    return answer


class _Plain(HTTPAdapter):
    """Sends without TLS what is addressed with it.

    oauthlib talks to https alone; a simulator, configured with http, has no certificate.
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        request.url = (request.url or "").replace("https:", "http:", 1)
        return super().send(request, *args, **kwargs)


def revoke(credentials: Credentials) -> str | None:
    """End the grant at Google; None when it has ended, else why that is not known."""
    token = credentials.refresh_token or credentials.token
    try:
        answer = requests.post(
            _beside(credentials.token_uri, "revoke"),
            data={"token": token},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        if answer.status_code == 200:
            return None
        reason = storable(str(answer.json()["error"]))[:100]
    except requests.ConnectionError:
        return "Google could not be reached"
    except requests.RequestException as error:
        return f"Google gave no answer: {type(error).__name__}"
    except (LookupError, TypeError):
        return "Google's answer was not understood"
    if reason == "invalid_token":
        # Somebody, perhaps its owner, ended it before. An access token may only have run out.
        return None if credentials.refresh_token else "the access token had run out"
    return f"Google refused: {reason}"


def consent_uri(token_uri: str) -> str:
    """Google's page lies elsewhere than its token endpoint; others serve all under one address."""
    return (
        GOOGLES_CONSENT if token_uri == GOOGLES_TOKENS else _beside(token_uri, "o/oauth2/v2/auth")
    )


def _beside(token_uri: str, path: str) -> str:
    return f"{token_uri.removesuffix('/token')}/{path}"


def _https(uri: str) -> str:
    return uri.replace("http:", "https:", 1)


def _refusal(error: OAuth2Error) -> ConsentFailed:
    # Not str(error), which may hold a body that was not understood.
    if not isinstance(error.error, str) or error.error in PASSING:
        return ConsentFailed("google_unavailable", "the answer was not Google's")
    return ConsentFailed("google_refused", f"{error.error}: {error.description or ''}")
