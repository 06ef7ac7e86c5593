"""Requests and responses, as the HTTP layer passes them to the rest."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from service.simulator.errors import ApiError, invalid_value

JSON = "application/json; charset=UTF-8"
NOTHING: Mapping[str, str] = {}
UPLOAD = "/upload"  # the prefix of paths that take media
# Longer than 64 bits: other servers of this API have larger ids than Google.
_NUMBER = re.compile(r"[0-9]{1,40}")


class Request(msgspec.Struct):
    """One HTTP request; header names are lower case, `path` is percent-decoded."""

    verb: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def of(cls, verb: str, target: str, headers: Mapping[str, str], body: bytes) -> "Request":
        path, _, query = target.partition("?")
        parsed = parse_qs(query, keep_blank_values=True) if query else {}
        return cls(verb, unquote(path) if "%" in path else path, parsed, headers, body)

    def one(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return self.query[name][-1] if name in self.query else default

    def many(self, name: str) -> list[str]:
        return self.query.get(name, [])

    def flag(self, name: str) -> bool:
        return self.one(name).lower() == "true"

    def number(self, name: str, field: str, kind: str) -> int | None:
        """An unsigned integer parameter, or None when it is not given."""
        text = self.one(name)
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise invalid_value(field, kind, text)
        return int(text)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty body is an empty object."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any]) if self.body else {}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ApiError(400, f"Invalid JSON payload received. {error}", "badRequest") from error

    def own_url(self) -> str:
        """The address at which the client reaches the simulator."""
        return f"http://{self.headers.get('host', '')}"

    def bearer(self) -> str:
        """The access token, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else self.one("access_token")


class Response(msgspec.Struct):
    """A response. `fetched` are the message ids whose content it carries, for the request log."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = NOTHING
    fetched: tuple[str, ...] = ()

    def head(self) -> bytes:
        """The header lines of the response, without the status line, ending in the blank line."""
        lines = [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"Content-Type: {self.content_type}")
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1")


def json_response(content: object, status: int = 200) -> Response:
    return Response(status, msgspec.json.encode(content))


def error_response(error: ApiError) -> Response:
    response = json_response(error.envelope(), error.status)
    if error.status == 401:
        realm = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
        response.headers = {"WWW-Authenticate": realm}
    return response
