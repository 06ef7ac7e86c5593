"""Styles, scripts and the icon: read once, cached by browsers forever under a hash.

All share one version, so a module that imports another by name gets the matching one. During a
deployment a page may ask a process of another version. It gets that version's file, not cached.
"""

import hashlib
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from pathlib import Path

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.api.auth.tokens import OPEN

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_GOOD = "public, max-age=31536000, immutable"


class StaticFiles:
    """Files, in memory."""

    def __init__(self, files: Iterable[Traversable]) -> None:
        self._files = {
            each.name: each.read_bytes() for each in sorted(files, key=lambda each: each.name)
        }
        digest = hashlib.sha256()
        for name, content in self._files.items():
            digest.update(b"%s %d " % (name.encode(), len(content)) + content)
        self.version = digest.hexdigest()[:12]

    def path(self, name: str) -> str:
        """Raises KeyError for an unknown file."""
        self._files[name]
        return f"/static/{self.version}/{name}"

    def content(self, name: str) -> bytes | None:
        return self._files.get(name)


@get("/static/{version:str}/{name:str}", sync_to_thread=False, opt=OPEN)
def static_file(
    static_files: NamedDependency[StaticFiles], version: FromPath[str], name: FromPath[str]
) -> Response[bytes]:
    content = static_files.content(name)
    if content is None:
        raise NotFoundException
    return Response(
        content,
        media_type=MEDIA_TYPES[Path(name).suffix],
        headers={"Cache-Control": FOR_GOOD if version == static_files.version else "no-cache"},
    )


ROUTES = [static_file]
