"""Gmail's batch endpoint: many requests in one POST. Each part of the answer has its own status.

If a part is missing, googleapiclient's BatchHttpRequest raises KeyError and loses all other parts.
It also refreshes tokens on a socket without a timeout. So googleapiclient still builds the requests
and reads the answers, and this module only encodes and decodes the envelope.

Source: https://developers.google.com/workspace/gmail/api/guides/batch
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from googleapiclient.http import HttpRequest

from service.gmail.transport import Response

ANY_ID = "ANY_ID"

# The two heads of a part: its own, and that of the answer in it.
_HEADS = re.compile(rb"\s*+(.*?)\r?\n\r?\n(.*?)(?:\r?\n\r?\n|\Z)", re.DOTALL)
_STATUS_LINE = re.compile(rb"\s*HTTP/\S+ (\d{3}) ?([^\r\n]*)")
_CONTENT_ID = re.compile(rb"^content-id:.*?(?<!\d)(\d{1,9})>?\s*$", re.IGNORECASE | re.MULTILINE)


class Get(NamedTuple):
    """One request of a batch; `request` has ANY_ID in place of the id."""

    request: HttpRequest
    id: str

    @property
    def uri(self) -> str:
        uri: str = self.request.uri
        return uri.replace(ANY_ID, quote(self.id, safe=""))


class Part(NamedTuple):
    response: Response
    content: bytes


def encode(gets: Sequence[Get]) -> tuple[bytes, dict[str, str]]:
    """The body and headers of one POST with all requests, which go to one server.

    The Content-ID of a part ends with its index.
    """
    batch_id = uuid.uuid4()
    boundary = f"batch_{batch_id}"
    lines: list[str] = []
    for index, each in enumerate(gets):
        where = urlsplit(each.uri)
        accept = each.request.headers["accept"]
        lines += [f"--{boundary}", "Content-Type: application/http"]
        lines += ["Content-Transfer-Encoding: binary", f"Content-ID: <{batch_id} + {index}>", ""]
        lines += [f"{each.request.method} {where.path}?{where.query} HTTP/1.1"]
        lines += [f"Host: {where.netloc}", f"accept: {accept}", "", ""]
    lines += [f"--{boundary}--", ""]
    content_type = f'multipart/mixed; boundary="{boundary}"'
    return "\r\n".join(lines).encode(), {"content-type": content_type}


def decode(content: bytes, boundary: bytes | None, *, cut: bool = False) -> dict[int, Part]:
    """The readable parts by index. Parts may be missing, in any order or incomplete.

    With `cut`, `content` is only the beginning of an answer, so its last part is left out.
    Without `boundary`, the first line is the boundary.
    """
    if boundary is None:
        boundary = content.lstrip()[2:].partition(b"\n")[0].rstrip()
    spans = list(_spans(content, b"\n--" + boundary))
    parts = (_part(content, *span) for span in spans[: -1 if cut else None])
    return dict(part for part in parts if part)


def _spans(content: bytes, boundary: bytes) -> Iterator[tuple[int, int]]:
    """The start and end of each part. A regular expression would be slower."""
    start = 0
    while (end := content.find(boundary, start)) >= 0:
        yield start, end
        start = end + len(boundary)
    yield start, len(content)


def boundary_of(response: Response) -> bytes | None:
    found = re.search(r'boundary="?([^";]+)', response.get("content-type", ""))
    return found[1].encode() if found else None


def _part(answer: bytes, start: int, end: int) -> tuple[int, Part] | None:
    heads = _HEADS.match(answer, start, end)
    index = heads and _CONTENT_ID.search(heads[1])
    status = heads and _STATUS_LINE.match(heads[2])
    if not (heads and index and status):
        return None
    # The line end before the boundary belongs to it.
    content = answer[heads.end() : end - answer.endswith(b"\r", start, end)]
    fields = (line.partition(":") for line in heads[2].decode("latin-1").split("\n")[1:])
    headers = {name.strip(): value.strip() for name, _, value in fields}
    response = Response(int(status[1]), status[2].decode("latin-1"), headers)
    return int(index[1]), Part(response, content)
