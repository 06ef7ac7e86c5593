"""The message a client adds: in JSON, as a media upload, or as both in one multipart body.

https://developers.google.com/workspace/gmail/api/guides/uploads
"""

from typing import Any

import msgspec

from service.simulator.encoding import from_base64url
from service.simulator.errors import ApiError
from service.simulator.headers import parameters, split_head
from service.simulator.http_types import Request
from service.simulator.mime import split_multipart


class Upload(msgspec.Struct, frozen=True):
    content: bytes
    label_ids: list[str]
    thread_id: str | None


class _Metadata(msgspec.Struct, rename="camel"):
    raw: str = ""
    label_ids: list[str] = []
    thread_id: str | None = None


def read(request: Request, is_upload: bool) -> Upload:
    """Raises ApiError 400 if it contains no message."""
    if not is_upload:
        metadata = _metadata(request.json())
        return _upload(_raw(metadata.raw), metadata)
    kind, options = parameters(request.headers.get("content-type", "").encode())
    if kind == "multipart/related" and options.get("boundary"):
        pieces = [
            split_head(piece)[1] for piece in split_multipart(request.body, options["boundary"])
        ]
        if len(pieces) == 2:
            described = Request(request.verb, request.path, {}, {}, pieces[0])
            return _upload(pieces[1], _metadata(described.json()))
    elif kind.startswith("message/"):
        return _upload(request.body, _Metadata())
    raise ApiError(400, f"Media type '{kind}' is not supported. Valid media types: [message/*]")


def _upload(content: bytes, metadata: _Metadata) -> Upload:
    if not content:
        text = "'raw' RFC822 payload message string or uploading message via /upload/* URL required"
        raise ApiError(400, text)
    return Upload(content, metadata.label_ids, metadata.thread_id)


def _raw(encoded: str) -> bytes:
    try:
        return from_base64url(encoded)
    except ValueError as error:
        raise ApiError(400, "Invalid value for ByteString: raw") from error


def _metadata(body: dict[str, Any]) -> _Metadata:
    try:
        return msgspec.convert(body, _Metadata)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"Invalid message: {error}") from error
