"""Access tokens and refresh tokens, and the mailbox that each opens."""

import secrets
import threading
import time
from typing import Any
from urllib.parse import parse_qs

import msgspec

from service.simulator.consent import ConsentPage
from service.simulator.errors import ApiError
from service.simulator.http_types import Request, Response, json_response
from service.simulator.oidc import OidcIssuer

LIFETIME = 3599  # seconds, as in Google's answers
SCOPE = "https://www.googleapis.com/auth/gmail.modify"


class _Access(msgspec.Struct, frozen=True):
    email: str
    expires_at: float  # monotonic seconds


class Tokens:
    """Thread-safe. Google: https://developers.google.com/identity/protocols/oauth2/web-server"""

    def __init__(self, issuer: OidcIssuer) -> None:
        self._issuer = issuer
        self._lock = threading.Lock()
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, str] = {}
        self.consent = ConsentPage()

    def allow(self, email: str, access_token: str = "", lifetime: float = 10**9) -> str:
        """Accept an access token (made up if empty) for a mailbox. `lifetime` is in seconds."""
        token = access_token or f"ya29.{secrets.token_urlsafe(24)}"
        with self._lock:
            self._access[token] = _Access(email, time.monotonic() + lifetime)
        return token

    def allow_refresh(self, email: str, refresh_token: str = "") -> str:
        token = refresh_token or f"1//{secrets.token_urlsafe(24)}"
        with self._lock:
            self._refresh[token] = email
        return token

    def expire(self, access_token: str) -> None:
        """From now on the access token is answered with 401; refresh tokens stay valid."""
        with self._lock:
            self._access.pop(access_token, None)

    def revoke(self, email: str) -> None:
        """As if the user revoked the consent: all tokens of the mailbox become invalid."""
        with self._lock:
            self._access = {t: a for t, a in self._access.items() if a.email != email}
            self._refresh = {t: e for t, e in self._refresh.items() if e != email}

    def grants(self) -> list[str]:
        """The mailboxes of all valid refresh tokens."""
        with self._lock:
            return list(self._refresh.values())

    def known(self) -> list[str]:
        """All valid tokens."""
        with self._lock:
            return [*self._access, *self._refresh]

    def owner(self, access_token: str) -> str:
        """The mailbox of a token. Raises ApiError 401."""
        if not access_token:
            raise ApiError(401, "Login Required.", "required")
        access = self._access.get(access_token)
        if access is None or access.expires_at < time.monotonic():
            raise ApiError(401)
        return access.email

    def grant(self, request: Request) -> Response:
        """POST /token."""
        form = _form(request)
        grant_type = form.get("grant_type", "")
        if grant_type == "refresh_token":
            email = self._refresh.get(form.get("refresh_token", ""))
            return json_response(self._issue(email, SCOPE)) if email else _invalid_grant()
        if grant_type == "authorization_code":
            code = self.consent.redeem(form)
            if code is None:
                return _invalid_grant()
            answer = self._issue(code.email, code.scope, refresh=code.refresh_token)
            if "openid" in code.scope.split():
                answer["id_token"] = self._issuer.id_token(
                    request.own_url(), code, answer["access_token"]
                )
            return json_response(answer)
        return _error("unsupported_grant_type", f"Invalid grant_type: {grant_type}")

    def revoke_token(self, request: Request) -> Response:
        """POST /revoke, by access or refresh token."""
        token = _form(request).get("token", "") or request.one("token")
        access = self._access.get(token)
        email = access.email if access else self._refresh.get(token)
        if email is None:
            return _error("invalid_token", "Token expired or revoked")
        self.revoke(email)
        return json_response({})

    def _issue(self, email: str, scope: str, *, refresh: bool = False) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "access_token": self.allow(email, lifetime=LIFETIME),
            "expires_in": LIFETIME,
            "scope": scope,
            "token_type": "Bearer",
        }
        if refresh:
            answer["refresh_token"] = self.allow_refresh(email)
        return answer


def _form(request: Request) -> dict[str, str]:
    fields = parse_qs(request.body.decode("utf-8", "replace"))
    return {name: values[-1] for name, values in fields.items()}


def _invalid_grant() -> Response:
    return _error("invalid_grant", "Token has been expired or revoked.")


def oauth_error(error: ApiError) -> Response:
    """An error in the format of OAuth: https://www.rfc-editor.org/rfc/rfc6749#section-5.2"""
    return _error(error.reason, error.message, error.status, error.subtype)


def _error(error: str, description: str, status: int = 400, subtype: str = "") -> Response:
    answer = {"error": error, "error_description": description}
    if subtype:
        answer["error_subtype"] = subtype
    return json_response(answer, status)
