"""The files that people get from Takeout: mbox, mbox.gz, zip archives of them, and folders."""

import gzip
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

import msgspec

from service.takeout.message import GroupExport, TakeoutError, TakeoutMessage
from service.takeout.reader import read_messages

_ENDINGS = (".mbox", ".mbox.gz", ".zip", ".tgz", ".tar.gz")
_GZIP, _ZIP = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_TAR = slice(257, 262), b"ustar"
_IS_ENCRYPTED = 0x1


class Export(NamedTuple):
    """An mbox, by itself or as `member` of a zip archive.

    `size` is what a message's position reaches at the end: bytes of the mbox, or of the gzip file.
    """

    path: Path
    member: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.path}, {self.member}" if self.member else str(self.path)

    def messages(self) -> Iterator[TakeoutMessage]:
        """All messages, read as they are taken. TakeoutError after the last one that is sound."""
        # Unlike read, read1 loses nothing of what comes before an error.
        with _explained(self.name), self.path.open("rb") as file:
            if self.member:
                with zipfile.ZipFile(file) as archive, archive.open(self.member) as member:
                    content = cast(zipfile.ZipExtFile, member)
                    yield from read_messages(content.read1, ends_surely=True)
            elif _begins_with(self.path, _GZIP):
                with gzip.open(file) as unzipped:
                    for message in read_messages(unzipped.read1, ends_surely=True):
                        yield msgspec.structs.replace(message, position=file.tell())
            else:
                yield from read_messages(file.read, ends_surely=False)


def open_exports(paths: Iterable[Path]) -> list[Export]:
    """The mboxes of Gmail's mail in files, archives and folders.

    Raises TakeoutError where there is none, and for an mbox of another program. The mail of Google
    groups, which Takeout puts beside Gmail's, is left out.
    """
    paths = list(paths)
    exports, groups = [], None
    for export in (export for path in paths for export in _exports(path)):
        try:
            if next(export.messages(), None):
                exports.append(export)
        except GroupExport as error:
            groups = error
    if not exports:
        raise groups or TakeoutError(f"{', '.join(map(str, paths))}: there is no mail in it.")
    return exports


def _exports(path: Path) -> Iterator[Export]:
    with _explained(str(path)):
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.name.lower().endswith(_ENDINGS) and file.is_file():
                    yield from _exports(file)
        elif _begins_with(path, *_ZIP):
            yield from _members(path)
        elif _is_tar(path):
            raise TakeoutError("This is a tar archive: unpack it, and import the folder.")
        else:
            yield Export(path, "", path.stat().st_size)


def _members(path: Path) -> Iterator[Export]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for member in members:
        name = member.filename.lower()
        if name.endswith(".zip"):
            raise TakeoutError("There is a zip archive in this one: unpack it, and import that.")
        if name.endswith(".mbox"):
            if member.flag_bits & _IS_ENCRYPTED:
                raise TakeoutError("It is encrypted: unpack it, and import the folder.")
            yield Export(path, member.filename, member.file_size)


def _begins_with(path: Path, *magics: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(magics)


def _is_tar(path: Path) -> bool:
    place, magic = _TAR
    with path.open("rb") as file, gzip.open(file) if _begins_with(path, _GZIP) else file as content:
        return content.read(place.stop)[place] == magic


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turns what goes wrong while a file is read into a TakeoutError that names the file."""
    try:
        yield
    except TakeoutError as error:
        raise error.named(name) from error
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise TakeoutError(
            "It is cut short or damaged. Download it again: a second import goes on from there."
        ).named(name) from error
    except NotImplementedError as error:
        raise TakeoutError(f"Unpack it, and import the folder: {error}.").named(name) from error
    except OSError as error:
        raise TakeoutError(f"It cannot be read: {error.strerror or error}.").named(name) from error
