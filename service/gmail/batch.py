"""Gmail's batch endpoint: many requests in one POST, each part with a status of its own.

googleapiclient's BatchHttpRequest raises KeyError, and loses every good part, when one is
missing; it refreshes tokens on a socket without a timeout. So requests and answers stay
googleapiclient's, and this module only puts them into an envelope and takes them out again.

Source: https://developers.google.com/workspace/gmail/api/guides/batch
"""

import re
import uuid
import zlib
from collections.abc import Sequence
from email.parser import BytesHeaderParser
from typing import NamedTuple
from urllib.parse import urlsplit

import httplib2
from googleapiclient.http import HttpRequest

# Bytes; more than the largest answer that is read has when it is whole.
_LARGEST_ANSWER = 1 << 27

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"\s*HTTP/\S+ (\d{3}) ?([^\r\n]*)")
_CONTENT_ID = re.compile(r"(\d+)>?\s*$")


class Part(NamedTuple):
    response: httplib2.Response
    content: bytes


def encode(requests: Sequence[HttpRequest]) -> tuple[bytes, dict[str, str]]:
    """The body and headers of one POST; a part's Content-ID ends with its index."""
    batch_id = uuid.uuid4()
    boundary = f"batch_{batch_id}"
    lines: list[str] = []
    for index, request in enumerate(requests):
        where = urlsplit(request.uri)
        lines += [f"--{boundary}", "Content-Type: application/http"]
        lines += ["Content-Transfer-Encoding: binary", f"Content-ID: <{batch_id} + {index}>", ""]
        lines += [f"{request.method} {where.path}?{where.query} HTTP/1.1"]
        lines += [f"Host: {where.netloc}", f"accept: {request.headers['accept']}", "", ""]
    lines += [f"--{boundary}--", ""]
    content_type = f'multipart/mixed; boundary="{boundary}"'
    return "\r\n".join(lines).encode(), {"content-type": content_type}


def decode(content: bytes, boundary: bytes | None, *, cut: bool = False) -> dict[int, Part]:
    """The parts that can be read, by index: some may be missing, in any order, or cut short.

    `cut` says that `content` is the beginning of an answer, so its last part is left out.
    Without `boundary` the first line tells it.
    """
    content = _inflated(content)
    if boundary is None:
        boundary = content.lstrip()[2:].partition(b"\n")[0].rstrip()
    parts: dict[int, Part] = {}
    # Not by a pattern, which would stop at each line end on its way.
    sections = (b"\n" + content).split(b"\n--" + boundary)
    for section in sections[1 : -1 if cut else None]:
        indexed = _part(section.removesuffix(b"\r"))
        if indexed:
            parts[indexed[0]] = indexed[1]
    return parts


def boundary_of(response: httplib2.Response) -> bytes | None:
    found = re.search(r'boundary="?([^";]+)', response.get("content-type", ""))
    return found[1].encode() if found else None


def _part(section: bytes) -> tuple[int, Part] | None:
    envelope, inner = _split(section.lstrip())
    head, content = _split(inner)
    status_line, _, headers = head.partition(b"\n")
    content_id = str(BytesHeaderParser().parsebytes(envelope)["content-id"] or "")
    index, status = _CONTENT_ID.search(content_id), _STATUS_LINE.match(status_line)
    if not index or not status:
        return None
    message = BytesHeaderParser().parsebytes(headers)
    message["status"] = status[1].decode()
    response = httplib2.Response(message)
    response.reason = status[2].decode("latin-1")
    return int(index[1]), Part(response, content)


def _split(text: bytes) -> tuple[bytes, bytes]:
    """What is before the first empty line, and what is after it."""
    before, *after = _BLANK_LINE.split(text, maxsplit=1)
    return before, b"".join(after)


def _inflated(content: bytes) -> bytes:
    """An answer that was cut short is still as it came over the wire."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return zlib.decompressobj(wbits=31).decompress(content, _LARGEST_ANSWER)
    except zlib.error:
        return b""
