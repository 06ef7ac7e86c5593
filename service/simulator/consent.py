"""The consent page, and the codes it hands out: each good once, for the client that asked.

Google: https://developers.google.com/identity/protocols/oauth2/web-server
"""

import base64
import hashlib
import secrets
import threading
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from service.simulator.http_types import Request, Response


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the person on the page does: who signs in, and which rights are given.

    Without an `email` the one hinted at, or else the first mailbox; without `scopes` all that are
    asked for. `error` refuses, with Google's word for it, such as access_denied.
    """

    email: str = ""
    scopes: tuple[str, ...] | None = None
    error: str = ""
    # Google leaves it out where consent was given before and is not asked for again.
    refresh_token: bool = True


class Code(msgspec.Struct, frozen=True):
    """What was consented to, and by whom it may be redeemed."""

    email: str
    scope: str
    challenge: str
    redirect_uri: str
    refresh_token: bool


class ConsentPage:
    """Decides at once, as `decision` says. Thread-safe."""

    def __init__(self) -> None:
        self.decision = Decision()
        self._lock = threading.Lock()
        self._codes: dict[str, Code] = {}

    def answer(self, request: Request, first_email: str) -> Response:
        """GET /o/oauth2/v2/auth: back to the application, with a code or with the refusal."""
        decision = self.decision
        answer = {"state": request.one("state")}
        if decision.error:
            answer["error"] = decision.error
        else:
            asked = request.one("scope")
            scope = asked if decision.scopes is None else " ".join(decision.scopes)
            code = Code(
                decision.email or request.one("login_hint") or first_email,
                scope,
                request.one("code_challenge"),
                request.one("redirect_uri"),
                decision.refresh_token and request.one("access_type") == "offline",
            )
            answer |= {"code": self._hand_out(code), "scope": scope}
        target = request.one("redirect_uri")
        mark = "&" if "?" in target else "?"
        return Response(302, headers={"Location": f"{target}{mark}{urlencode(answer)}"})

    def redeem(self, form: Mapping[str, str]) -> Code | None:
        """What a code stands for; None when it is used up, or not this client's."""
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
        if code is None or form.get("redirect_uri", "") != code.redirect_uri:
            return None
        if code.challenge and _challenge(form.get("code_verifier", "")) != code.challenge:
            return None
        return code

    def _hand_out(self, code: Code) -> str:
        name = f"4/{secrets.token_urlsafe(24)}"
        with self._lock:
            self._codes[name] = code
        return name


def _challenge(verifier: str) -> str:
    """S256 of RFC 7636."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
