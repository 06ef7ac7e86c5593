"""The simulator's exports look as Google Takeout's do."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from service.simulator import Mailbox, TakeoutExport, write_takeout
from tests.simulator.conftest import COUNT, EMAIL

RAW = b"Subject: hello\r\n\r\nFrom here\r\n>From there\r\n"


@pytest.fixture
def own() -> Mailbox:
    mailbox = Mailbox(EMAIL)
    label_ids = [mailbox.create_label(name) for name in ('a, "b"', "旅行")]
    mailbox.insert(RAW, ["INBOX", "UNREAD"], None, 1772452800000, "17123a0c5f60ab12")
    mailbox.insert(RAW, [*label_ids], "17123a0c5f60ab12", 1772452799000, "17123a0c5f60ab13")
    mailbox.insert(b"no end", ["CATEGORY_PROMOTIONS"], None, 1772452798000, "17123a0c5f60ab14")
    return mailbox


def written(mailbox: Mailbox, folder: Path, **options: Any) -> bytes:
    [path] = write_takeout(mailbox, folder, TakeoutExport(form="mbox", **options))
    return path.read_bytes()


def test_an_mbox_with_message_numbers(own: Mailbox, tmp_path: Path) -> None:
    quoted = b"Subject: hello\r\n\r\n>From here\r\n>>From there\r\n\r\n"
    assert written(own, tmp_path) == (
        b"From 1662455037267323666@xxx Mon Mar 02 12:00:00 +0000 2026\r\n"
        b"X-GM-THRID: 1662455037267323666\r\nX-Gmail-Labels: Inbox,Unread\r\n" + quoted +
        b"From 1662455037267323667@xxx Mon Mar 02 11:59:59 +0000 2026\r\n"
        b"X-GM-THRID: 1662455037267323666\r\n"
        b'X-Gmail-Labels: =?utf-8?q?Archived=2COpened=2C=22a=2C_=22=22b=22=22=22=2C?=\r\n'
        b" =?utf-8?q?=E6=97=85=E8=A1=8C?=\r\n" + quoted +
        b"From 1662455037267323668@xxx Mon Mar 02 11:59:58 +0000 2026\r\n"
        b"X-GM-THRID: 1662455037267323668\r\n"
        b"X-Gmail-Labels: Archived,Opened,Category Promotions\r\nno end\r\n"
    )  # fmt: skip


def test_an_mbox_without_message_numbers(own: Mailbox, tmp_path: Path) -> None:
    lines = written(own, tmp_path, has_numbers=False).splitlines()
    assert lines[0] == b"From MAILER-DAEMON Mon Mar  2 12:00:00 2026"
    assert lines[1] == b"X-GM-THRID: 1662455037267323666"


def test_labels_have_the_names_of_the_language(own: Mailbox, tmp_path: Path) -> None:
    assert b"\nX-Gmail-Labels: Posteingang,Ungelesen\r\n" in written(own, tmp_path, language="de")
    assert (tmp_path / "Alle E-Mails, auch Spam und Papierkorb.mbox").exists()


@pytest.mark.parametrize("form", ["gz", "zip"])
def test_an_export_is_split_over_files(
    mailbox: Mailbox, tmp_path: Path, form: Literal["gz", "zip"]
) -> None:
    paths = write_takeout(mailbox, tmp_path, TakeoutExport(form=form, files=3))
    assert len(paths) == 3
    contents = []
    for path in paths:
        if form == "gz":
            contents.append(gzip.decompress(path.read_bytes()))
            continue
        with zipfile.ZipFile(path) as archive:
            [name] = [each for each in archive.namelist() if each.endswith(".mbox")]
            assert name.startswith("Takeout/Mail/All mail Including Spam and Trash-00")
            contents.append(archive.read(name))
    assert [content.count(b"\nX-GM-THRID: ") for content in contents] == [14, 14, COUNT - 28]


def test_an_export_is_written_on_request(
    call: Callable[..., tuple[int, Any]], mailbox: Mailbox, tmp_path: Path
) -> None:
    route = f"/simulator/mailboxes/{EMAIL}/takeout"
    status, paths = call("POST", route, {"folder": str(tmp_path), "form": "gz", "files": 2})
    assert (status, sorted(map(Path, paths))) == (201, sorted(tmp_path.iterdir()))
    assert call("POST", route, {"folder": str(tmp_path), "language": "tlh"})[0] == 400
