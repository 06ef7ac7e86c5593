"""Exports as the simulator writes them, in all forms and languages, are read back."""

import re
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.simulator import Mailbox, TakeoutExport, generate, load, write_takeout
from service.takeout import TakeoutError, TakeoutMessage, label_ids, open_exports

MAIL = Path(__file__).parents[3] / "shared" / "mail"
GENERATED = 300
# Such a line is quoted, and the file does not say in which of two ways.
LINE_TO_QUOTE = re.compile(rb"^>*From ", re.MULTILINE)


@pytest.fixture(scope="module")
def mailbox() -> Mailbox:
    mailbox = Mailbox("someone@mail.example")
    mailbox.load(generate(GENERATED, seed=3))
    label_ids = [mailbox.create_label(name) for name in ('a, "b"', "Wichtig/Größe", "=?x?q?y?=")]
    for message_id in mailbox.message_ids()[:9]:
        mailbox.modify(message_id, add=label_ids)
    return mailbox


def known(raw: bytes) -> bytes | None:
    """What an export says of a message."""
    return None if LINE_TO_QUOTE.search(raw) else raw


def messages(paths: Iterable[Path]) -> list[TakeoutMessage]:
    return [message for export in open_exports(paths) for message in export.messages()]


def exported(mailbox: Mailbox, folder: Path, **options: Any) -> list[TakeoutMessage]:
    return messages(write_takeout(mailbox, folder, TakeoutExport(**options)))


@pytest.mark.parametrize("language", ["en", "de", "fr", "ja", "ko", "zh-CN"])
def test_ids_labels_dates_and_bytes_are_those_of_the_mailbox(
    mailbox: Mailbox, tmp_path: Path, language: str
) -> None:
    own = {label.name: label.id for label in mailbox.labels() if label.type == "user"}

    found = exported(mailbox, tmp_path, language=language)

    assert [message.message_id for message in found] == mailbox.message_ids()
    for message in found:
        stored = mailbox.get(str(message.message_id))
        assert message.thread_id == stored.thread_id
        assert message.received_at == datetime.fromtimestamp(stored.internal_date // 1000, UTC)
        assert set(label_ids(message.label_names, own)) == set(stored.label_ids)
        assert message.raw == known(stored.mail.raw())


@pytest.mark.parametrize("form", ["mbox", "gz", "zip"])
@pytest.mark.parametrize("files", [1, 4])
@pytest.mark.parametrize("has_numbers", [True, False])
def test_every_form_gives_the_same_messages(
    mailbox: Mailbox, tmp_path: Path, form: str, files: int, has_numbers: bool
) -> None:
    found = exported(mailbox, tmp_path, form=form, files=files, has_numbers=has_numbers)

    ids = mailbox.message_ids()
    assert [message.message_id for message in found] == (ids if has_numbers else [None] * len(ids))
    assert [message.thread_id for message in found] == [mailbox.get(each).thread_id for each in ids]
    expected = [known(mailbox.raw(each)) for each in ids]
    if form == "mbox":  # nothing shows that it ends where it should
        for last in range(-1, -len(ids), -len(ids) // files):
            expected[last] = None
    assert [message.raw for message in found] == expected
    assert found == messages([tmp_path])


@pytest.mark.parametrize("form", ["mbox", "gz", "zip"])
def test_positions_grow_up_to_the_size(mailbox: Mailbox, tmp_path: Path, form: str) -> None:
    [export] = open_exports(write_takeout(mailbox, tmp_path, TakeoutExport(form=form)))
    positions = [message.position for message in export.messages()]
    assert positions == sorted(positions)
    assert positions[-1] == export.size


@pytest.mark.parametrize("name", ["ham-2002", "mime-cases", "non-english"])
def test_real_mail_is_read_exactly_or_not_at_all(name: str, tmp_path: Path) -> None:
    if not MAIL.is_dir():
        pytest.skip("the folder of real mail, ../shared/mail, is not there")
    mailbox = Mailbox("someone@mail.example")
    mailbox.load(load(MAIL / f"{name}.mbox.xz"))

    found = exported(mailbox, tmp_path)

    assert [message.message_id for message in found] == mailbox.message_ids()
    for message in found:
        raw = mailbox.raw(str(message.message_id))
        # Takeout's labels come before such a line, and it looks like more of them.
        begins_with_space = raw.startswith((b" ", b"\t"))
        assert message.raw == (None if begins_with_space else known(raw))


def test_a_folder_is_read_with_its_archives_and_without_other_files(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    write_takeout(mailbox, tmp_path / "archives", TakeoutExport(files=2))
    write_takeout(mailbox, tmp_path / "Takeout" / "Mail", TakeoutExport(form="gz"))
    (tmp_path / "Takeout" / "archive_browser.html").write_text("<html></html>")
    (tmp_path / "Takeout" / "empty.mbox").write_bytes(b"")
    assert len(messages([tmp_path])) == 2 * GENERATED


def test_an_archive_without_mail_is_no_error_beside_one_with_mail(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    paths = write_takeout(mailbox, tmp_path)
    other = tmp_path / "takeout-002.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("Takeout/Drive/letter.txt", "hello")
    assert len(messages([*paths, other])) == GENERATED
    with pytest.raises(TakeoutError, match=r"takeout-002.zip: there is no mail in it"):
        open_exports([other])
