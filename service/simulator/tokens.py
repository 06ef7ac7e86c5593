"""Who may speak for which mailbox: access tokens, refresh tokens, codes."""

import secrets
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlencode

import msgspec

from service.simulator.errors import ApiError
from service.simulator.messages import Reply, Request, json_reply

LIFETIME = 3599  # seconds, as Google's answer says
SCOPE = "https://www.googleapis.com/auth/gmail.modify"


class _Access(msgspec.Struct, frozen=True):
    email: str
    expires_at: float  # monotonic seconds


class Tokens:
    """Thread-safe. Google: https://developers.google.com/identity/protocols/oauth2/web-server"""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, str] = {}
        self._codes: dict[str, str] = {}

    def allow(self, email: str, access_token: str = "", lifetime: float = 10**9) -> str:
        """Let an access token (made up when empty) speak for a mailbox; lifetime in seconds."""
        token = access_token or f"ya29.{secrets.token_urlsafe(24)}"
        with self._lock:
            self._access[token] = _Access(email, time.monotonic() + lifetime)
        return token

    def allow_refresh(self, email: str, refresh_token: str = "") -> str:
        token = refresh_token or f"1//{secrets.token_urlsafe(24)}"
        with self._lock:
            self._refresh[token] = email
        return token

    def allow_code(self, email: str, code: str = "") -> str:
        """A one-time authorization code, as the consent page hands out."""
        token = code or f"4/{secrets.token_urlsafe(24)}"
        with self._lock:
            self._codes[token] = email
        return token

    def expire(self, access_token: str) -> None:
        """From now on the access token is answered 401; refresh tokens stay good."""
        with self._lock:
            self._access.pop(access_token, None)

    def revoke(self, email: str) -> None:
        """The user withdrew consent: all tokens of the mailbox die."""
        with self._lock:
            self._access = {t: a for t, a in self._access.items() if a.email != email}
            self._refresh = {t: e for t, e in self._refresh.items() if e != email}

    def owner(self, access_token: str) -> str:
        """The mailbox a token speaks for; ApiError 401."""
        if not access_token:
            raise ApiError(401, "Login Required.", "required")
        access = self._access.get(access_token)
        if access is None or access.expires_at < time.monotonic():
            raise ApiError(401)
        return access.email

    def grant(self, request: Request) -> Reply:
        """POST /token."""
        form = _form(request)
        grant_type = form.get("grant_type", "")
        if grant_type == "refresh_token":
            email = self._refresh.get(form.get("refresh_token", ""))
        elif grant_type == "authorization_code":
            with self._lock:
                email = self._codes.pop(form.get("code", ""), None)
        else:
            return _refusal("unsupported_grant_type", f"Invalid grant_type: {grant_type}")
        if email is None:
            return _refusal("invalid_grant", "Token has been expired or revoked.")
        answer: dict[str, Any] = {
            "access_token": self.allow(email, lifetime=LIFETIME),
            "expires_in": LIFETIME,
            "scope": SCOPE,
            "token_type": "Bearer",
        }
        if grant_type == "authorization_code":
            answer["refresh_token"] = self.allow_refresh(email)
        return json_reply(answer)

    def consent(self, request: Request, first_email: str) -> Reply:
        """GET /o/oauth2/v2/auth: consents at once, for login_hint or else the first mailbox."""
        code = self.allow_code(request.one("login_hint") or first_email)
        answer = urlencode({"state": request.one("state"), "code": code, "scope": SCOPE})
        target = request.one("redirect_uri")
        return Reply(302, headers={"Location": f"{target}{'&' if '?' in target else '?'}{answer}"})

    def withdraw(self, request: Request) -> Reply:
        """POST /revoke, by access or refresh token."""
        token = _form(request).get("token", "") or request.one("token")
        access = self._access.get(token)
        email = access.email if access else self._refresh.get(token)
        if email is None:
            return _refusal("invalid_token", "Token expired or revoked")
        self.revoke(email)
        return json_reply({})


def _form(request: Request) -> dict[str, str]:
    fields = parse_qs(request.body.decode("utf-8", "replace"))
    return {name: values[-1] for name, values in fields.items()}


def refused(error: ApiError) -> Reply:
    """A refusal in the words of OAuth: https://www.rfc-editor.org/rfc/rfc6749#section-5.2"""
    return _refusal(error.reason, error.message, error.status)


def _refusal(error: str, description: str, status: int = 400) -> Reply:
    return json_reply({"error": error, "error_description": description}, status)
