"""Real mail arrives as it was sent: bytes, headers, labels, dates, threads.

The source is read here by other means than the product's parser. A header field is the text of the
file, unfolded, if it is plain ASCII without encoded words. Bodies are compared if the standard
library's parser understands them.
"""

import email
import email.policy
import re
from pathlib import Path

import psycopg
import pytest

from service.postgres.calls import Row
from service.simulator import Mailbox, load
from service.worker.worker import Worker
from tests.worker.conftest import Account

MAIL = Path(__file__).parents[3] / "shared" / "mail"
COUNTS = {"ham-2002": 4150, "mime-cases": 209, "non-english": 65}

pytestmark = pytest.mark.skipif(not MAIL.is_dir(), reason="the optional folder ../shared/mail")


def headers_of(raw: bytes) -> list[tuple[str, str | None]]:
    """Name and value of each field as it stands in the source; None where it is not plain."""
    head = re.split(rb"\r\n\r\n", raw, maxsplit=1)[0]
    fields = []
    for line in re.sub(rb"\r\n(?=[ \t])", b"", head).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or not re.fullmatch(rb"[!-9;-~]+", name):
            continue
        plain = (
            value.isascii()
            and b"=?" not in value
            and not re.search(rb"[\x00-\x08\x0b-\x1f]", value)
        )
        fields.append((name.decode(), value.decode().strip() if plain else None))
    return fields


def squeezed(text: str) -> str:
    """Folding leaves white space of one kind or another."""
    return re.sub(r"\s+", " ", text).strip()


def plain_text_of(raw: bytes) -> str | None:
    """The text of a simple ASCII or UTF-8 message; None when it is not one."""
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    if message.get_content_type() != "text/plain" or message.get_content_disposition():
        return None
    if message.get_filename() or message.defects:
        return None
    content = message.get_payload(decode=True)
    charset = (message.get_content_charset("us-ascii")).lower()
    if (
        not isinstance(content, bytes)
        or charset not in ("us-ascii", "utf-8")
        or not content.isascii()
    ):
        return None
    return content.decode()


@pytest.mark.parametrize("content_mode", ["full", "raw"])
@pytest.mark.parametrize(
    "name", [pytest.param("ham-2002", marks=pytest.mark.gate), "mime-cases", "non-english"]
)
def test_every_message_agrees_with_its_source(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    db: psycopg.Connection[Row],
    name: str,
    content_mode: str,
) -> None:
    mailbox.load(load(MAIL / f"{name}.mbox.xz"))
    account.connect(content_mode)

    run = account.sync(seconds=180)

    stats = run["current_stats"]
    assert (stats["found"], stats["new"], stats["failed"]) == (COUNTS[name], COUNTS[name], 0)
    compared = {"headers": 0, "all headers": 0, "texts": 0}
    rows = db.execute("select * from gmail_sync.message").fetchall()
    assert {row["message_id"] for row in rows} == set(mailbox.message_ids())
    for row in rows:
        message_id = row["message_id"]
        raw = mailbox.raw(message_id)
        assert row["raw"] == (raw if content_mode == "raw" else None)
        assert not any(defect.startswith("not read") for defect in row["defects"])
        served = mailbox.get(message_id)
        assert row["label_ids"] == sorted(served.label_ids)
        assert round(row["internal_date"].timestamp() * 1000) == served.internal_date
        assert row["thread_id"] == served.thread_id

        source = headers_of(raw)
        stored = row["headers"]
        assert [header["name"] for header in stored] == [name for name, _ in source]
        for header, (_, value) in zip(stored, source, strict=True):
            compared["all headers"] += 1
            if value is not None:
                compared["headers"] += 1
                assert squeezed(header["value"]) == squeezed(value)
        text = plain_text_of(raw)
        if text is not None:
            compared["texts"] += 1
            assert (row["body_text"] or "").split() == text.split()
    print(f"{name} {content_mode}: {compared}")
    assert compared["headers"] > 0.85 * compared["all headers"]
    assert compared["texts"] > 0
