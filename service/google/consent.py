"""Google's OAuth: the consent page, the exchange of its code for tokens, the revocation of a grant.

Source: https://developers.google.com/identity/protocols/oauth2/web-server
"""

from typing import Any
from urllib.parse import urlsplit

import requests
from google.oauth2.credentials import Credentials
from google_auth_oauthlib.flow import Flow
from oauthlib.oauth2 import OAuth2Error
from requests.adapters import HTTPAdapter

from service.gmail.classify import token_error
from service.gmail.errors import AccountBlocked, SetupRefused, Transient
from service.google.configuration import Google
from service.google.credentials import refreshed
from service.mime.text import storable

READ_MAIL = "https://www.googleapis.com/auth/gmail.readonly"
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"
GOOGLE_CONSENT_URI = "https://accounts.google.com/o/oauth2/v2/auth"
# Seconds to connect, and between two bytes of the answer.
TIMEOUT = (5.0, 10.0)


class ConsentFailed(Exception):
    """No account was connected. `code` is stable; the text is for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(storable(message)[:300])
        self.code = code


class Consent:
    """Google's consent to read a person's mail.

    `redirect_uri` is this service's callback, as registered with Google.
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

    def authorization_url(self, state: str, verifier: str, email: str | None) -> str:
        """The address of Google's page; `email` is the account that it suggests."""
        flow = self._flow([READ_MAIL], verifier)
        with flow.oauth2session:
            # Google returns a refresh token only with a new consent.
            hints = {"prompt": "consent", **({"login_hint": email} if email else {})}
            url, _ = flow.authorization_url(state=state, **hints)
        return f"{self._consent_uri}?{urlsplit(url).query}"

    def exchange(self, code: str, verifier: str) -> dict[str, Any]:
        """The credentials to store, in exchange for a code. Raises ConsentFailed."""
        # Without scopes, the library does not compare them, and the check below can.
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
                raise ConsentFailed(
                    "google_unavailable", "the response was not Google's"
                ) from error
        if READ_MAIL not in (credentials.granted_scopes or ()):
            raise ConsentFailed("scope_missing", "the permission to read mail was not granted")
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
        # Google does not redirect here, and a redirect could send the secret elsewhere.
        flow.oauth2session.max_redirects = 0
        flow.oauth2session.register_compliance_hook(
            "access_token_response", _raise_for_server_error
        )
        if self._token_uri.startswith("http:"):
            flow.oauth2session.mount("https://", _PlainHttpAdapter())
        return flow


def _raise_for_server_error(response: requests.Response) -> requests.Response:
    """Raises requests.HTTPError for a status of 500 and above, whatever the body contains."""
    if response.status_code >= 500:
        response.raise_for_status()
    return response


class _PlainHttpAdapter(HTTPAdapter):
    """Sends requests for https addresses over http.

    oauthlib accepts only https addresses, and the simulator has no certificate.
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        request.url = (request.url or "").replace("https:", "http:", 1)
        return super().send(request, *args, **kwargs)


def revoke(credentials: Credentials) -> str | None:
    """Revoke the grant at Google; None once it has ended, else why that is unknown."""
    token = credentials.refresh_token or credentials.token
    try:
        response = requests.post(
            _sibling_uri(credentials.token_uri, "revoke"),
            data={"token": token},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        if response.status_code == 200:
            return None
        reason = storable(str(response.json()["error"]))[:100]
    except requests.ConnectionError:
        return "Google could not be reached"
    except requests.RequestException as error:
        return f"Google sent no usable response: {type(error).__name__}"
    except (LookupError, TypeError):
        return "Google's response was not understood"
    if reason == "invalid_token":
        # The grant ended before. An access token without a refresh token may just have expired.
        return None if credentials.refresh_token else "the access token has expired"
    return f"Google refused: {reason}"


def consent_uri(token_uri: str) -> str:
    """Google's consent page has its own host; the simulator serves everything at one address."""
    return (
        GOOGLE_CONSENT_URI
        if token_uri == GOOGLE_TOKEN_URI
        else _sibling_uri(token_uri, "o/oauth2/v2/auth")
    )


def _sibling_uri(token_uri: str, path: str) -> str:
    return f"{token_uri.removesuffix('/token')}/{path}"


def _https(uri: str) -> str:
    return uri.replace("http:", "https:", 1)


def _refusal(error: OAuth2Error) -> ConsentFailed:
    # Not str(error), which may contain the response's body. missing_token is oauthlib's own, for a
    # response without a token.
    reason = error.error if isinstance(error.error, str) else "missing_token"
    if reason == "missing_token" or issubclass(token_error(reason), Transient):
        return ConsentFailed("google_unavailable", "the response was not Google's")
    code = refusal_code(reason, "google_refused")
    return ConsentFailed(code, f"{reason}: {error.description or ''}")


def refusal_code(error: str, default: str) -> str:
    """The code for an error of Google's that another consent does not end, else `default`."""
    kind = token_error(error)
    return kind.code if issubclass(kind, AccountBlocked | SetupRefused) else default
