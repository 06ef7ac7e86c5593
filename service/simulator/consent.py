"""The consent page and its codes. A code is valid once, for the client that requested it.

Google: https://developers.google.com/identity/protocols/oauth2/web-server
"""

import base64
import hashlib
import secrets
import threading
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

import msgspec

from service.simulator.http_types import Request, Response


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the user does on the page: the account that signs in, and the scopes granted.

    `email` defaults to the login_hint, or else to the first mailbox; `scopes` to those requested.
    With `error`, one of Google's codes such as access_denied, the user refuses. With `ask`, the
    page shows the mailboxes and waits for a click. `claims` replace those of the ID token. `forged`
    says how it is signed instead: none, unsigned, stranger or secret.
    """

    email: str = ""
    scopes: tuple[str, ...] | None = None
    error: str = ""
    # Google omits it if the user has consented before and is not prompted again.
    refresh_token: bool = True
    ask: bool = False
    claims: dict[str, Any] = {}
    forged: str = ""


class Code(msgspec.Struct, frozen=True):
    """What the user consented to, and the client that may redeem it."""

    email: str
    scope: str
    challenge: str
    redirect_uri: str
    refresh_token: bool
    client_id: str
    nonce: str
    claims: dict[str, Any]
    forged: str


class ConsentPage:
    """Answers at once, as `decision` says, unless it is to ask. Thread-safe."""

    def __init__(self) -> None:
        self.decision = Decision()
        self._lock = threading.Lock()
        self._codes: dict[str, Code] = {}

    def answer(self, request: Request, emails: Sequence[str]) -> Response:
        """GET /o/oauth2/v2/auth: a redirect to the application, with a code or an error."""
        decision = self.decision
        if decision.ask and not request.one("login_hint"):
            return _choice(request, emails)
        answer = {"state": request.one("state")}
        if decision.error:
            answer["error"] = decision.error
        else:
            asked = request.one("scope")
            scope = asked if decision.scopes is None else " ".join(decision.scopes)
            code = Code(
                decision.email or request.one("login_hint") or next(iter(emails), ""),
                scope,
                request.one("code_challenge"),
                request.one("redirect_uri"),
                decision.refresh_token and request.one("access_type") == "offline",
                request.one("client_id"),
                request.one("nonce"),
                decision.claims,
                decision.forged,
            )
            answer |= {"code": self._issue(code), "scope": scope}
        target = request.one("redirect_uri")
        mark = "&" if "?" in target else "?"
        return Response(302, headers={"Location": f"{target}{mark}{urlencode(answer)}"})

    def redeem(self, form: Mapping[str, str]) -> Code | None:
        """The consent behind a code; None if it was used, or belongs to another client."""
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
        if code is None or form.get("redirect_uri", "") != code.redirect_uri:
            return None
        if code.challenge and _challenge(form.get("code_verifier", "")) != code.challenge:
            return None
        return code

    def _issue(self, code: Code) -> str:
        name = f"4/{secrets.token_urlsafe(24)}"
        with self._lock:
            self._codes[name] = code
        return name


def _choice(request: Request, emails: Sequence[str]) -> Response:
    """A page with a link for each account."""
    asked = urlencode(request.query, doseq=True)
    links = (
        f'<li><a href="?{escape(asked)}&amp;{urlencode({"login_hint": email})}">{escape(email)}</a>'
        for email in emails
    )
    page = f"""<!doctype html><html lang="en"><title>Choose an account</title>
<h1>Choose an account</h1><ul>{"".join(links)}</ul>"""
    return Response(200, page.encode(), "text/html; charset=utf-8")


def _challenge(verifier: str) -> str:
    """S256 of RFC 7636."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
