"""What is not an export of a mailbox is refused, and a damaged one gives what is sound in it."""

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from service.simulator import Mailbox, TakeoutExport, generate, write_takeout
from service.takeout import TakeoutError, TakeoutMessage, mbox, open_exports

COUNT = 60
GROUP = (
    b"From 28668125511680@xxx Thu Apr 16 09:53:04 +0000 2015\r\nX-GM-THRID: 28616527183872\r\n"
    b"X-Google-Groups: a-group\r\nSubject: hello\r\n\r\nbody\r\n\r\n"
)
THUNDERBIRD = (
    b"From - Sat Apr 12 15:59:28 2025\r\nX-Mozilla-Status: 0001\r\nSubject: a\r\n\r\nb\r\n\r\n"
)


@pytest.fixture(scope="module")
def mailbox() -> Mailbox:
    mailbox = Mailbox("someone@mail.example")
    mailbox.load(generate(COUNT, seed=8))
    return mailbox


@pytest.fixture(scope="module")
def content(mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    [path] = write_takeout(mailbox, folder, TakeoutExport(form="mbox"))
    return path.read_bytes()


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, member in members.items():
            written.writestr(name.replace("_", "."), member)
    return file.getvalue()


def encrypted(data: bytes) -> bytes:
    """An archive whose members say that they are encrypted."""
    entry = data.index(b"PK\x01\x02")
    return data[: entry + 8] + b"\x01\x00" + data[entry + 10 :]


REFUSED = {
    "text": ("mail.mbox", b"hello\n", "not an mbox of Google Takeout"),
    "zeros": ("mail.mbox", b"\0" * 5000, "not an mbox of Google Takeout"),
    "a letter": ("mail.mbox", b"From me to you\r\n\r\nhello\r\n", "not an mbox of Google Takeout"),
    "of Thunderbird": ("mail.mbox", THUNDERBIRD, "not from Google Takeout"),
    "nothing": ("mail.mbox", b"", "no mail in it"),
    "of a group": ("topics.mbox", GROUP, "mail of a Google group"),
    "packed text": ("mail.mbox.gz", gzip.compress(b"hello\n"), "not an mbox of Google Takeout"),
    "damaged gz": ("mail.mbox.gz", b"\x1f\x8b\x08 no gzip", "cut short or damaged"),
    "tar": ("mail.tgz", gzip.compress(b"\0" * 257 + b"ustar" + b"\0" * 250), "unpack it"),
    "empty zip": ("mail.zip", archive(), "no mail in it"),
    "zip of a text": ("mail.zip", archive(letter_txt=b"hello"), "no mail in it"),
    "zip of a zip": ("mail.zip", archive(mail_zip=b"PK"), "a zip archive in this one"),
    "zip of a group": ("mail.zip", archive(topics_mbox=GROUP), "mail of a Google group"),
    "zip of Thunderbird": ("mail.zip", archive(mail_mbox=THUNDERBIRD), "not from Google Takeout"),
    "encrypted zip": ("mail.zip", encrypted(archive(mail_mbox=GROUP)), "encrypted"),
    "cut zip": ("mail.zip", archive(mail_mbox=GROUP)[:-30], "cut short or damaged"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_is_not_an_export_is_refused(kind: str, tmp_path: Path) -> None:
    name, data, words = REFUSED[kind]
    path = tmp_path / name
    path.write_bytes(data)
    for given in (path, tmp_path):
        with pytest.raises(TakeoutError, match=words) as raised:
            open_exports([given])
        assert str(given) in str(raised.value)


def test_a_path_without_a_file_and_a_folder_without_mail_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TakeoutError, match=r"missing: It cannot be read: No such file"):
        open_exports([tmp_path / "missing"])
    (tmp_path / "letter.txt").write_text("hello")
    with pytest.raises(TakeoutError, match="no mail in it"):
        open_exports([tmp_path])


def read_all(path: Path) -> tuple[list[TakeoutMessage], str]:
    """The messages before an error, and its text."""
    found: list[TakeoutMessage] = []
    try:
        for export in open_exports([path]):
            found.extend(export.messages())
    except TakeoutError as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize(
    ("name", "packed", "words"),
    [
        ("mail.mbox", bytes, "in the middle of a message"),
        ("mail.mbox.gz", lambda data: gzip.compress(data)[:-12], "cut short or damaged"),
    ],
)
def test_a_file_that_is_cut_gives_all_messages_but_the_last(
    mailbox: Mailbox,
    content: bytes,
    tmp_path: Path,
    name: str,
    packed: Callable[[bytes], bytes],
    words: str,
) -> None:
    path = tmp_path / name
    path.write_bytes(packed(content[:-9]))

    found, error = read_all(path)

    assert words in error
    assert str(path) in error
    assert [message.message_id for message in found] == mailbox.message_ids()
    assert found[-1].raw is None
    exact = [message for message in found if message.raw]
    assert len(exact) > COUNT / 2
    assert all(message.raw == mailbox.raw(str(message.message_id)) for message in exact)


def test_an_archive_with_damaged_mail_ends_in_an_error(content: bytes, tmp_path: Path) -> None:
    data = bytearray(archive(mail_mbox=content))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "mail.zip"
    path.write_bytes(data)
    found, error = read_all(path)
    assert len(found) <= COUNT
    assert "cut short or damaged" in error


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_a_cut_at_any_place_gives_no_wrong_message(
    mailbox: Mailbox, content: bytes, tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "mail.mbox"
    path.write_bytes(content[: len(content) * cut // 200])
    found, _ = read_all(path)
    assert all(
        message.raw in (None, mailbox.raw(str(message.message_id))) for message in found[:-1]
    )
    assert not found or found[-1].raw is None


def test_a_message_that_is_too_large_is_skipped(
    mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mbox, "LARGEST_MESSAGE", 20_000)
    monkeypatch.setattr(mbox, "CHUNK", 1_000)
    # The part that is kept must not exceed it, as in production.
    monkeypatch.setattr(mbox, "_KEPT_OF_A_LARGER", 2_000)
    large = Mailbox("someone@mail.example")
    sizes = (100, 19_000, 25_000, 900_000, 300)
    for age, size in enumerate(sizes):
        raw = b"Subject: a\r\n\r\n" + b"x\r\n" * (size // 3)
        large.insert(raw, internal_date=1_772_452_800_000 - 1000 * age)

    [export] = open_exports(write_takeout(large, tmp_path))
    found = list(export.messages())

    assert [message.message_id for message in found] == large.message_ids()
    assert [message.raw is None for message in found] == [False, False, True, True, False]
    assert found[-1].position == export.size
