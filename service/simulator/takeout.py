"""Google Takeout exports of a mailbox, as files. Written from files that people have shown.

Newest message first. A From_ line has the message's id in decimal, or none; the thread and the
labels are the first headers. An empty line follows each message that ends with a line end.
"""

import gzip
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.charset import QP, Charset
from email.header import Header
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from service.simulator.history import Message
from service.simulator.mailbox import Mailbox
from service.simulator.takeout_names import LANGUAGES, Names

_UTF8 = Charset("utf-8")
_UTF8.header_encoding = QP
_LINE_TO_QUOTE = re.compile(rb"^(?=>*From )", re.MULTILINE)
_FILE_NAMES = {
    "mbox": "{name}.mbox",
    "gz": "{name}.mbox.gz",
    "zip": "takeout-20260302T120000Z-{number:03}.zip",
}


class TakeoutExport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an export is written. `has_numbers`: whether From_ lines name the messages."""

    language: Literal["en", "de", "fr", "ja", "ko", "zh-CN"] = "en"
    form: Literal["mbox", "gz", "zip"] = "zip"
    files: Annotated[int, msgspec.Meta(ge=1, le=999)] = 1
    has_numbers: bool = True


def write_takeout(
    mailbox: Mailbox, folder: Path, export: TakeoutExport | None = None
) -> list[Path]:
    """Write an export into a folder, which is created. Gives its files: archives or mboxes."""
    export = export or TakeoutExport()
    names = LANGUAGES[export.language]
    folder.mkdir(parents=True, exist_ok=True)
    message_ids = mailbox.message_ids()
    size = -(-len(message_ids) // export.files)
    paths = []
    for number in range(export.files):
        chosen = message_ids[number * size : (number + 1) * size]
        name = names.mbox if export.files == 1 else f"{names.mbox}-{number + 1:03}"
        file_name = _FILE_NAMES[export.form].format(name=name, number=number + 1)
        paths.append(folder / file_name)
        with _writer(paths[-1], f"Takeout/{names.folder}/{name}.mbox") as write:
            for entry in mbox_entries(mailbox, chosen, export):
                write(entry)
    return paths


@contextmanager
def _writer(path: Path, member: str) -> Iterator[Callable[[bytes], object]]:
    """Writes an mbox into the file, which is an archive if it is named as one."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("Takeout/archive_browser.html", "<html></html>")
            with archive.open(member, "w", force_zip64=True) as file:
                yield file.write
    elif path.suffix == ".gz":
        with gzip.open(path, "wb", compresslevel=1) as file:
            yield file.write
    else:
        with path.open("wb") as file:
            yield file.write


def mbox_entries(
    mailbox: Mailbox, message_ids: Iterable[str], export: TakeoutExport
) -> Iterator[bytes]:
    """The messages as an mbox has them."""
    names = LANGUAGES[export.language]
    own = {label.id: label.name for label in mailbox.labels() if label.type == "user"}
    for message_id in message_ids:
        message = mailbox.get(message_id)
        labels = [names.of(label_id) or own[label_id] for label_id in message.label_ids]
        yield _entry(message, _labels_header([*_state(message, names), *labels]), export)


def _entry(message: Message, labels: str, export: TakeoutExport) -> bytes:
    arrived = datetime.fromtimestamp(message.internal_date // 1000, UTC)
    if export.has_numbers:
        from_line = f"From {int(message.id, 16)}@xxx {arrived:%a %b %d %H:%M:%S +0000 %Y}"
    else:
        from_line = f"From MAILER-DAEMON {arrived:%a %b} {arrived.day:2} {arrived:%H:%M:%S %Y}"
    head = f"{from_line}\r\nX-GM-THRID: {int(message.thread_id, 16)}\r\n{labels}\r\n"
    return head.encode() + _LINE_TO_QUOTE.sub(b">", message.mail.raw()) + b"\r\n"


def _state(message: Message, names: Names) -> list[str]:
    """What Takeout names and the API does not: that a message is archived, or was opened."""
    is_somewhere = {"INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "CHAT"} & {*message.label_ids}
    return [
        *([] if is_somewhere else [names.archived]),
        *([] if "UNREAD" in message.label_ids else [names.opened]),
    ]


def _labels_header(names: Sequence[str]) -> str:
    value = ",".join(map(_field, names))
    if value.isascii() and "=?" not in value:
        return f"X-Gmail-Labels: {value}"
    encoded = Header(value, _UTF8, header_name="X-Gmail-Labels").encode(linesep="\r\n")
    return f"X-Gmail-Labels: {encoded}"


def _field(name: str) -> str:
    """Quotes are doubled, and around names with a comma; Google writes no others."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"' if "," in name else doubled
