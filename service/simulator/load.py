"""Real mail from files: an mbox (plain or .xz), a folder of .eml, or a single message."""

import lzma
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from service.simulator.mail import Mail
from service.simulator.sample_labels import labels_for

_FALLBACK_EPOCH = 1_000_000_000_000  # milliseconds: September 2001, for mail without a date
_XZ_MAGIC = b"\xfd7zXZ\x00"
_FROM_LINE = re.compile(rb"^From [^\n]*(?:\n|\Z)", re.MULTILINE)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def load(path: Path) -> Iterator[Mail]:
    """The messages of a file or folder, in a stable order, with deterministic labels."""
    for index, raw in enumerate(read(path)):
        yield Mail.of(raw, labels_for(zlib.crc32(raw)), _FALLBACK_EPOCH + index * 1000)


def read(path: Path) -> Iterator[bytes]:
    """The exact bytes of each message; FileNotFoundError if the path does not exist."""
    if path.is_dir():
        for file in sorted(path.rglob("*.eml")):
            yield file.read_bytes()
        return
    data = path.read_bytes()
    if data.startswith(_XZ_MAGIC):
        data = lzma.decompress(data)
    if data.startswith(b"From "):
        yield from split_mbox(data)
    else:
        yield data


def split_mbox(data: bytes) -> Iterator[bytes]:
    """Messages of an mboxrd file, one level of `>From ` quoting taken off.

    In mboxrd every `From ` at the start of a line separates, as all others are quoted. The blank
    line before a separator belongs to it. https://www.loc.gov/preservation/digital/formats/fdd/fdd000385.shtml
    """
    separators = list(_FROM_LINE.finditer(data))
    for index, separator in enumerate(separators):
        end = separators[index + 1].start() if index + 1 < len(separators) else len(data)
        message = data[separator.end() : end]
        for blank in (b"\r\n", b"\n"):
            if message.endswith(b"\n" + blank):
                message = message[: -len(blank)]
                break
        yield _QUOTED_FROM.sub(rb"\1", message)
