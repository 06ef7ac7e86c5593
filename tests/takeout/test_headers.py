"""Labels and read state in an mbox, as Google Takeout writes them and as readers read them."""

import csv
import io
import mailbox
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.header import decode_header, make_header
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.takeout.headers import LABELS, THREAD, with_headers
from service.takeout.labels import label_names
from service.takeout.mbox import mbox_entry

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MAIL = (
    b"Subject: hello\r\nFrom: ann@mail.example\r\n\r\nFrom here\r\nX-Gmail-Labels: of the body\r\n"
)
# Whatever text a database can store.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)


def read_back(*contents: bytes) -> Iterator[mailbox.mboxMessage]:
    """The messages of an mbox as Python's mailbox reads them."""
    entries = (mbox_entry("18f3a0c1", NOON, each) for each in contents)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mbox"
        path.write_bytes(b"".join(entries))
        box = mailbox.mbox(path)
        yield from box
        box.close()


def labels_of(message: mailbox.mboxMessage) -> list[str]:
    """The names, by the rules that labels.py states."""
    [value] = message.get_all(LABELS)
    [names] = csv.reader(io.StringIO(str(make_header(decode_header(value))), newline=""))
    return names


def labelled(raw: bytes, *label_ids: str, **names: str) -> bytes:
    return with_headers(raw, "18f3a0c0", label_ids, names)


@pytest.mark.parametrize(
    ("label_ids", "names", "value"),
    [
        (["INBOX", "UNREAD", "L1"], {"L1": "Work/Projects"}, 'Inbox,Unread,"Work/Projects"'),
        (["INBOX", "STARRED"], {}, "Inbox,Opened,Starred"),
        ([], {}, "Archived,Opened"),
        (["L1"], {"L1": "Bills"}, "Archived,Opened,Bills"),
        (["SENT"], {}, "Sent,Opened"),
        (["SENT", "INBOX"], {}, "Inbox,Sent,Opened"),
        (["DRAFT"], {}, "Drafts,Opened"),
        (["CHAT", "UNREAD"], {}, "Chat,Unread"),
        (["SPAM", "UNREAD"], {}, "Spam,Unread"),
        (["TRASH"], {}, "Trash,Opened"),
        (
            ["CATEGORY_PERSONAL", "IMPORTANT", "INBOX"], {},
            "Inbox,Important,Opened,Category Personal",
        ),
        (["CATEGORY_PROMOTIONS"], {}, "Archived,Opened,Category Promotions"),
        (["CATEGORY_SOCIAL"], {}, "Archived,Opened,Category Social"),
        (["CATEGORY_UPDATES"], {}, "Archived,Opened,Category Updates"),
        (["CATEGORY_FORUMS"], {}, "Archived,Opened,Category Forums"),
        (["INBOX", "L2", "L1"], {"L1": "b c", "L2": "a, d"}, 'Inbox,Opened,"a, d",b c'),
        (["INBOX", "L1"], {"L1": 'say "hi"'}, 'Inbox,Opened,"say ""hi"""'),
        (["INBOX", "L1"], {"L1": "Åpnet, ja"}, '=?UTF-8?Q?Inbox,Opened,"=C3=85pnet,_ja"?='),
        (
            ["INBOX", "L1"], {"L1": "=?UTF-8?Q?x?="},
            "=?UTF-8?Q?Inbox,Opened,=3D=3FUTF-8=3FQ=3Fx=3F=3D?=",
        ),
        (["INBOX", "Label_9"], {}, "Inbox,Opened,Label_9"),
    ],
)  # fmt: skip
def test_a_header_looks_as_takeout_writes_it(
    label_ids: list[str], names: Mapping[str, str], value: str
) -> None:
    content = with_headers(MAIL, "17123a0c5f60ab12", label_ids, names)
    assert content == (
        b"X-GM-THRID: 1662455037267323666\r\n" + f"X-Gmail-Labels: {value}\r\n".encode() + MAIL
    )


def test_the_separator_looks_as_takeout_writes_it() -> None:
    entry = mbox_entry("17123a0c5f60ab12", NOON, MAIL)
    first, _, rest = entry.partition(b"\r\n")
    assert first == b"From 1662455037267323666@xxx Mon Mar 02 12:00:00 +0000 2026"
    assert rest == MAIL.replace(b"From here", b">From here") + b"\r\n"
    assert mbox_entry("../\r\nFrom x", NOON, MAIL).startswith(b"From ..---From-x@xxx Mon")


@given(st.lists(NAMES, max_size=4), st.sets(st.sampled_from(["INBOX", "UNREAD", "STARRED"])))
@example(["a,b", 'a"b', '"', ",", " ", "", "a\nb", "a\r\n b", "\u2028", "=?UTF-8?Q?=41?="], set())
@example(["x" * 1000, "字" * 1000, "ab " * 333, '"' * 1000], {"INBOX"})
def test_labels_come_back_equal(own: list[str], marks: set[str]) -> None:
    names = {f"L{index}": name for index, name in enumerate(own)}
    label_ids = [*marks, *names]
    content = with_headers(MAIL, "t", label_ids, names)
    for line in content.partition(b"\r\n\r\n")[0].splitlines():
        assert len(line) <= (76 if b"=?UTF-8?Q?" in line else 998)

    [message] = read_back(content)

    assert labels_of(message) == label_names(label_ids, names)
    assert set(own) <= set(labels_of(message))
    assert message["Subject"] == "hello"
    assert content.endswith(MAIL)


@pytest.mark.parametrize(
    "forged",
    [
        b"X-Gmail-Labels: Starred\r\n",
        b"x-gmail-LABELS : Starred\r\n ,Important\r\n\t,Sent\r\n",
        b"X-Gmail-Labels:\r\n Starred\r\nX-GM-THRID: 1\r\nX-Gmail-Labels: Sent\r\n",
        b"X-GM-THRID\t: 1\r\n",
        b" ,Starred\r\n",
        b"\t\r\n ,Starred\r\n",
    ],
)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"])
def test_a_sender_cannot_forge_labels(forged: bytes, line_end: bytes) -> None:
    raw = (forged + MAIL).replace(b"\r\n", line_end)
    content = labelled(raw, "INBOX", "UNREAD")

    [message] = read_back(content)

    assert labels_of(message) == ["Inbox", "Unread"]
    assert message.get_all(THREAD) == [str(0x18F3A0C0)]
    if line_end != b"\r":  # then most readers find no end of the headers
        assert content.endswith(b"\r\n" + MAIL.replace(b"\r\n", line_end))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\nonly a body\r\n\r\nX-Gmail-Labels: x\r\n",
        b"no header at all",
        b"Subject: no body\r\n",
        b"From me\r\nSubject: x\r\n\r\nbody",
        b"Subject: x\r\nX-Gmail-Labels-2: stays\r\n\r\nX-Gmail-Labels: y\r\n",
        b"\0\xff: \xfe\r\n\r\n\0",
    ],
)
def test_everything_else_of_a_message_stays(raw: bytes) -> None:
    content = labelled(raw, "SENT")
    assert content.endswith(raw)
    [message] = read_back(content)
    assert labels_of(message) == ["Sent", "Opened"]


def test_many_messages_stay_apart() -> None:
    contents = [labelled(MAIL + b"From %d\r\n" % n, "L", L=f"é{n}") for n in range(9)]
    found = [labels_of(message)[-1] for message in read_back(*contents)]
    assert found == [f"é{n}" for n in range(9)]
