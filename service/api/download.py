"""Downloads of untrusted bytes: no browser runs them, guesses their type or misplaces them."""

import mimetypes
import re
import unicodedata
from collections.abc import AsyncIterator
from urllib.parse import quote

from litestar.response import Response, Stream

from service.api.auth.security import CSP

BINARY = "application/octet-stream"
_MIME_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_LONGEST_NAME = 120  # characters; in UTF-8 no file system refuses it


def download(content: bytes, mime_type: str, filename: str) -> Response[bytes]:
    """The whole content, to be saved under a name."""
    return Response(content, headers=_headers(mime_type, filename))


def streamed(content: AsyncIterator[bytes], mime_type: str, filename: str) -> Stream:
    """Content that is sent while it is produced."""
    return Stream(content, headers=_headers(mime_type, filename))


def safe_name(given: str, otherwise: str, mime_type: str = "") -> str:
    """The sender's name for a file without path, control and direction characters; `otherwise`,
    with the type's own ending, where nothing is left."""
    name = re.split(r"[/\\]", given)[-1]
    name = "".join("_" if unicodedata.category(each)[0] == "C" else each for each in name)
    name = re.sub(r'[<>:"|?*]', "_", name).strip(" .")
    if not name.strip("_"):
        return otherwise + (mimetypes.guess_extension(mime_type) or "")
    stem, dot, ending = name.rpartition(".")
    if dot and len(ending) < 16:
        return f"{stem[: _LONGEST_NAME - len(ending) - 1]}.{ending}"
    return name[:_LONGEST_NAME]


def _headers(mime_type: str, filename: str) -> dict[str, str]:
    """RFC 6266 and 5987. The type is set here and not in media_type, because Litestar adds a
    charset to that."""
    known = _MIME_TYPE.fullmatch(mime_type.lower())
    plain = re.sub(r'[^ -~]|["\\%]', "_", filename)
    return {
        "Content-Type": mime_type.lower() if known else BINARY,
        "Content-Disposition": (
            f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
        ),
        "Content-Security-Policy": f"{CSP}; sandbox",
        "Cache-Control": "private",
    }
