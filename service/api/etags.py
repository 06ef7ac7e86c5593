"""ETags: a program that has an answer already may ask whether it is still the same (RFC 9110, 13).

They are made of the answer itself, so that each of its fields counts. They save the transfer and
not the query, which is cheap.
"""

import hashlib
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec

T = TypeVar("T")
NOT_MODIFIED = {
    304: ResponseSpec(
        None, generate_examples=False, description="The answer is that of If-None-Match"
    )
}


def unless_known(request: Request[Any, Any, Any], answer: T) -> Response[T]:
    """The answer with its ETag; 304 without a body if the request names this ETag."""
    digest = hashlib.blake2b(msgspec.json.encode(answer), digest_size=16).hexdigest()
    # Weak: a proxy may compress the answer.
    etag = f'W/"{digest}"'
    known = [each.strip() for each in request.headers.get("If-None-Match", "").split(",")]
    if any(each.removeprefix("W/") in (f'"{digest}"', "*") for each in known):
        return Response(None, status_code=304, headers={"ETag": etag})  # type: ignore[arg-type]
    return Response(answer, headers={"ETag": etag})
