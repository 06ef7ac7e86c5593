"""Mail from files, byte for byte."""

import lzma
from pathlib import Path

import pytest

from service.simulator import Mailbox, load
from service.simulator.load import read
from service.simulator.resources import FORMATS, message

FIRST = b"Subject: one\n\n>From here\n>>From there\n> From nowhere\n"
FIRST_READ = b"Subject: one\n\nFrom here\n>From there\n> From nowhere\n"
SECOND = b"Subject: two\n\nno line end"
MBOX = b"From a Mon Jan  1\n" + FIRST + b"\nFrom b Tue Jan  2\n" + SECOND


@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_reads_mboxrd_plain_and_packed_with_both_line_ends(
    tmp_path: Path, crlf: bool, packed: bool
) -> None:
    def ends(data: bytes) -> bytes:
        return data.replace(b"\n", b"\r\n") if crlf else data

    data = ends(MBOX)
    file = tmp_path / "mail"
    file.write_bytes(lzma.compress(data) if packed else data)
    assert list(read(file)) == [ends(FIRST_READ), ends(SECOND)]


def test_reads_a_folder_of_messages_in_order_and_in_depth(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.eml").write_bytes(b"second")
    (tmp_path / "a.eml").write_bytes(b"first")
    (tmp_path / "notes.txt").write_bytes(b"no mail")
    assert list(read(tmp_path)) == [b"first", b"second"]


def test_reads_a_single_message(tmp_path: Path) -> None:
    file = tmp_path / "one.eml"
    file.write_bytes(FIRST)
    assert list(read(file)) == [FIRST]


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("name", "count"), [("ham-2002", 4150), ("mime-cases", 209), ("non-english", 65)]
)
def test_real_mail_is_all_there_byte_for_byte(mail_folder: Path, name: str, count: int) -> None:
    path = mail_folder / f"{name}.mbox.xz"
    mailbox = Mailbox("someone@mail.example")
    mailbox.load(load(path))
    served = sorted(mailbox.raw(message_id) for message_id in mailbox.message_ids())
    sent = sorted(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for raw in read(path))
    assert len(served) == count
    assert served == sent


def test_every_real_message_can_be_shown_in_every_format(mail_folder: Path) -> None:
    mailbox = Mailbox("someone@mail.example")
    for name in ("ham-2002", "mime-cases", "non-english"):
        mailbox.load(load(mail_folder / f"{name}.mbox.xz"))
    for message_id in mailbox.message_ids():
        for form in FORMATS:
            assert message(mailbox.get(message_id), form, ())["id"] == message_id


def test_real_mail_gets_the_same_ids_labels_and_threads_at_each_load(mail_folder: Path) -> None:
    def state() -> list[tuple[str, str, int, int, tuple[str, ...]]]:
        mailbox = Mailbox("someone@mail.example")
        mailbox.load(load(mail_folder / "mime-cases.mbox.xz"))
        found = [mailbox.get(message_id) for message_id in mailbox.message_ids()]
        return [(m.id, m.thread_id, m.internal_date, m.history_id, m.label_ids) for m in found]

    assert state() == state()


def test_real_mail_falls_into_threads_and_has_varied_labels(mail_folder: Path) -> None:
    mailbox = Mailbox("someone@mail.example")
    mailbox.load(load(mail_folder / "ham-2002.mbox.xz"))
    messages, threads = mailbox.totals()
    assert (messages, 2000 < threads < 3000) == (4150, True)
    labels = {label for i in mailbox.message_ids() for label in mailbox.get(i).label_ids}
    assert {"INBOX", "UNREAD", "SENT", "STARRED", "CATEGORY_SOCIAL", "Label_1"} <= labels
    assert not {"SPAM", "TRASH"} & labels


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"Received: x; Tue, 1 Feb 2022 10:00:00 +0000\nDate: Mon, 3 Jan 2000 00:00:00 +0000\n", 1),
        (b"Received: x; nonsense\nDate: Tue, 1 Feb 2022 11:00:00 +0100\n", 1),
        (b"Date: Tue, 1 Feb 9922 10:00:00 +0000\n", 0),
        (b"Date: \x00\xff\n", 0),
        (b"Subject: undated\n", 0),
    ],
)
def test_the_date_is_when_it_was_received_or_else_dated(
    tmp_path: Path, head: bytes, expected: int
) -> None:
    file = tmp_path / "one.eml"
    file.write_bytes(head + b"\nbody")
    dates = [mail.internal_date for mail in load(file)]
    assert dates == [1_643_709_600_000 if expected else 1_000_000_000_000]
