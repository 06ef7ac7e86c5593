"""What the reader gives is exactly what was exported, or it says that it does not know."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.simulator.load import read
from service.takeout import open_exports
from service.takeout.headers import with_headers
from service.takeout.mbox import mbox_entry

MAIL = Path(__file__).parents[3] / "shared" / "mail"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", ["ham-2002", "mime-cases", "non-english"])
def test_our_own_export_of_real_mail_is_read_exactly(name: str, tmp_path: Path) -> None:
    if not MAIL.is_dir():
        pytest.skip("the folder of real mail, ../shared/mail, is not there")
    mails = {
        f"{0x18C0_0000_0000_0000 + number:x}": raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        for number, raw in enumerate(read(MAIL / f"{name}.mbox.xz"))
        if not raw.startswith((b" ", b"\t"))  # the export drops such a line
    }
    path = tmp_path / "mail.mbox"
    path.write_bytes(
        b"".join(
            mbox_entry(each, NOON, with_headers(raw, "18f3a0c0", ["INBOX", "L"], {"L": "é, x"}))
            for each, raw in mails.items()
        )
    )

    [export] = open_exports([path])
    messages = list(export.messages())

    assert [message.message_id for message in messages] == list(mails)
    assert {message.thread_id for message in messages} == {"18f3a0c0"}
    assert {message.label_names for message in messages} == {("Inbox", "Opened", "é, x")}
    assert {message.received_at for message in messages} == {NOON}
    exact = [message for message in messages if message.raw is not None]
    assert [mails[str(message.message_id)] for message in exact] == [each.raw for each in exact]
    assert len(exact) > 0.95 * len(mails)
