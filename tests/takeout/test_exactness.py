"""Whatever is in a message, the reader gives exactly its bytes, or says that it does not know."""

import gzip
import io
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.simulator import Mailbox, TakeoutExport, generate
from service.simulator.takeout import mbox_entries
from service.takeout import TakeoutMessage
from service.takeout.mbox import parse_from_line
from service.takeout.reader import read_messages

SEPARATOR = b"From 1662455037267323666@xxx Mon Mar 02 12:00:00 +0000 2026\r\n"
PIECES = [
    b"", b"a", b" ", b"\t", b"\r\n", b"\r", b"\0", b"\xff", b">", b"From ", b">From ",
    b"From: b\r\n", b"Subject: hello\r\n", b"\r\n\r\n", b"X-GM-THRID: 1\r\n",
    b"x-gmail-labels : Sent\r\n",
    SEPARATOR, SEPARATOR + b"X-GM-THRID: 1\r\nX-Gmail-Labels: Inbox\r\n", b"x" * 1500,
    b"Long: " + b"y \r\n " * 400 + b"\r\n",
]  # fmt: skip
MESSAGES = st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join), max_size=5)


def certain(raw: bytes) -> bool:
    """Whether an export says all about the message."""
    return (
        not re.search(rb"^(>*From |X-G[^\r\n]*:)", raw, re.MULTILINE | re.IGNORECASE)
        and not raw.startswith((b" ", b"\t"))
        and (raw.endswith(b"\r\n") or not raw)
    )


def read_back(raws: Iterable[bytes], chunk: int) -> tuple[list[str], list[TakeoutMessage]]:
    mailbox = Mailbox("someone@mail.example")
    ids = [mailbox.insert(raw) for raw in raws]
    file = io.BytesIO(b"".join(mbox_entries(mailbox, ids, TakeoutExport())))
    return ids, list(read_messages(lambda size: file.read(min(size, chunk)), ends_surely=True))


@settings(deadline=None)
@given(MESSAGES, st.sampled_from([1, 7, 100, 4096]))
@example([b""], 4096)
@example([b"\r\nno header\r\n"], 4096)
@example([b"Subject: no body\r\n", b"no end", b"Subject: a\r\n\r\nb\r\n\r\n\r\n"], 4096)
def test_bytes_are_exact_or_unknown(raws: list[bytes], chunk: int) -> None:
    ids, found = read_back(raws, chunk)

    assert [message.message_id for message in found] == ids
    for message, raw in zip(found, raws, strict=True):
        assert message.label_names[:1] == ("Inbox",)
        assert message.raw == raw if certain(raw) else message.raw in (None, raw)


def test_line_ends_of_one_kind_become_those_of_gmail() -> None:
    file = SEPARATOR + b"X-GM-THRID: 1\r\nX-Gmail-Labels: Inbox\r\nSubject: a\r\n\r\nb\r\n\r\n"
    raw = b"Subject: a\r\n\r\nb\r\n"
    mixed = file.replace(b"a\r\n", b"a\n")
    for content, expected in ((file.replace(b"\r\n", b"\n"), raw), (file, raw), (mixed, None)):
        [message] = read_messages(io.BytesIO(content).read, ends_surely=True)
        assert message.raw == expected


@pytest.mark.parametrize(
    "added",
    [
        b"X-Gmail-Labels: Starred\r\n",
        b"x-gm-thrid : 1\r\n",
        # Not quoted, as it would be in an mbox.
        b"\r\n" + SEPARATOR + b"Subject: of a copied mbox\r\n",
    ],
)
def test_a_message_that_looks_like_two_things_is_unknown(added: bytes) -> None:
    head = SEPARATOR + b"X-GM-THRID: 1\r\nX-Gmail-Labels: Inbox\r\n"
    file = head + b"Subject: a\r\n" + added + b"\r\nbody\r\n\r\n"
    first, second = read_messages(io.BytesIO(file + head + b"\r\nb\r\n\r\n").read, True)
    assert (first.raw, first.label_names, second.raw) == (None, ("Inbox",), b"\r\nb\r\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"From 1662455037267323666@xxx Mon Mar 02 12:00:00 +0000 2026\r\n", (12, True)),
        (b"From 1662455037267323666@xxx Mon Mar 02 12:00:00 2026\n", (12, True)),
        (b"From 1662455037267323666@xxx Mon Mar  2 15:00:00 +0300 2026\n", (12, True)),
        (b"From 1662455037267323666@xxx Mon Mar  2 04:30:00 -0730 2026\n", (12, True)),
        (b"From a@mail.example Mon Mar  2 12:00:00 2026\n", (12, False)),
        (b"From - Mon Mar  2 12:00:00 2026\n", (12, False)),
        (b"From 1@xxx Mon Feb 30 12:00:00 +0000 2026\n", (None, True)),
        (b"From what I saw on Mon Mar  2 12:00:00 2026\n", None),
        (b"From 1@xxx Mon Mar 02 12:00:00 +0000 2026 and more\n", None),
        (b"From Monday on\n", None),
        (b"From: a@mail.example\n", None),
    ],
)
def test_from_lines(line: bytes, expected: tuple[int | None, bool] | None) -> None:
    found = parse_from_line(line)
    if expected is None:
        assert found is None
        return
    hour, has_number = expected
    assert found
    assert found.arrived == (hour and datetime(2026, 3, 2, hour, tzinfo=UTC))
    assert (found.number is not None) == has_number


READ = """
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from service.takeout import open_exports
before = getrusage(RUSAGE_SELF)
count = sum(1 for export in open_exports([Path(sys.argv[1])]) for _ in export.messages())
after = getrusage(RUSAGE_SELF)
print(count, after.ru_utime - before.ru_utime, after.ru_maxrss - before.ru_maxrss)
"""


@pytest.mark.gate
def test_a_large_export_is_read_fast_and_in_little_memory(tmp_path: Path) -> None:
    mailbox = Mailbox("someone@mail.example")
    mailbox.load(generate(1000, seed=5))
    content = b"".join(mbox_entries(mailbox, mailbox.message_ids(), TakeoutExport()))
    copies = 300_000_000 // len(content) + 1
    path = tmp_path / "mail.mbox.gz"
    path.write_bytes(gzip.compress(content, compresslevel=1) * copies)

    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True
    )

    count, seconds, kilobytes = map(float, done.stdout.split())
    assert count == copies * 1000
    assert count / seconds > 5000
    assert kilobytes < 20_000


def test_a_message_without_the_empty_line_after_it_perhaps_lacks_its_end() -> None:
    _, (first, second) = read_back([b"no end", b"Subject: a\r\n\r\nb\r\n"], 4096)
    assert (first.raw, second.raw) == (None, b"Subject: a\r\n\r\nb\r\n")


def test_the_last_message_before_an_error_is_not_sure_to_be_whole() -> None:
    entry = SEPARATOR + b"X-GM-THRID: 1\r\nX-Gmail-Labels: Inbox\r\nSubject: a\r\n\r\nb\r\n\r\n"
    chunks = iter([entry, entry])

    def read(size: int) -> bytes:
        if (chunk := next(chunks, None)) is None:
            raise EOFError
        return chunk

    messages = read_messages(read, ends_surely=True)
    assert [next(messages).raw, next(messages).raw] == [b"Subject: a\r\n\r\nb\r\n", None]
    with pytest.raises(EOFError):
        next(messages)
