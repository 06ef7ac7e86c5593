"""The multipart/mixed bodies of POST /batch, both ways.

https://developers.google.com/workspace/gmail/api/guides/batch
"""

import re
import secrets
from collections.abc import Sequence
from http import HTTPStatus

from service.simulator.charsets import plain
from service.simulator.errors import ApiError
from service.simulator.headers import first, parameters, split_head
from service.simulator.http_types import Request, Response
from service.simulator.mime import split_multipart

LIMIT = 100  # inner requests
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+)(?: HTTP/1\.[01])?\s*")


def read(request: Request) -> list[tuple[str, Request]]:
    """The inner requests with their Content-IDs; ApiError 400 if there are none or too many."""
    kind, options = parameters(request.headers.get("content-type", "").encode())
    pieces: list[bytes] = []
    if kind == "multipart/mixed" and options.get("boundary"):
        pieces = split_multipart(request.body, options["boundary"])
    if not pieces:
        size = len(request.body)
        text = f"Failed to parse batch request, error: 0 items. Received batch body: ({size}) bytes"
        raise ApiError(400, text, "badRequest")
    if len(pieces) > LIMIT:
        text = f"Inner request count exceeds the limit. Received: {len(pieces)}, Limit: {LIMIT}"
        raise ApiError(400, text)
    return [_read_part(piece, request.headers.get("authorization", "")) for piece in pieces]


def _read_part(piece: bytes, authorization: str) -> tuple[str, Request]:
    """An inner request. It has the outer Authorization unless it brings its own."""
    outer, content = split_head(piece)
    line, _, rest = content.lstrip(b"\r\n").partition(b"\n")
    match = _REQUEST_LINE.fullmatch(plain(line))
    if not match:
        raise ApiError(
            400, "Failed to parse batch request: a part is not an HTTP request", "badRequest"
        )
    fields, body = split_head(rest)
    headers = {"authorization": authorization} if authorization else {}
    headers |= {name.lower(): plain(value) for name, value in fields}
    if headers.get("content-length", "").isdigit():
        body = body[: int(headers["content-length"])]
    return plain(first(outer, "content-id")), Request.of(match[1], match[2], headers, body)


def write(answers: Sequence[tuple[str, Response]]) -> Response:
    """One response with all parts, each named after its request's Content-ID."""
    boundary = f"batch_{secrets.token_urlsafe(18)}"
    parts = [_write_part(content_id, response) for content_id, response in answers]
    fetched = tuple(message_id for _, response in answers for message_id in response.fetched)
    return _join(boundary, parts, fetched)


def _write_part(content_id: str, response: Response) -> bytes:
    named = f"Content-ID: <response-{content_id.strip('<>')}>\r\n" if content_id else ""
    phrase = HTTPStatus(response.status).phrase
    head = f"Content-Type: application/http\r\n{named}\r\nHTTP/1.1 {response.status} {phrase}\r\n"
    return head.encode("latin-1", "replace") + response.head() + response.body


def _join(boundary: str, parts: Sequence[bytes], fetched: tuple[str, ...]) -> Response:
    delimiter = f"\r\n--{boundary}".encode()
    # The body begins with an empty line before the first delimiter, as Google's does.
    body = b"".join(delimiter + b"\r\n" + part for part in parts) + delimiter + b"--\r\n"
    content_type = f"multipart/mixed; boundary={boundary}"
    return Response(200, body, content_type, fetched=fetched)


def reverse(response: Response) -> None:
    """Reverse the order of the parts. A response that is not a batch does not change."""
    kind, options = parameters(response.content_type.encode())
    if kind == "multipart/mixed":
        parts = split_multipart(response.body, options["boundary"])
        response.body = _join(options["boundary"], parts[::-1], ()).body
