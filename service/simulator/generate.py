"""A generated mailbox of any size: each message is built on demand from (seed, index)."""

import functools
import random
import zlib
from base64 import b64encode, encodebytes
from collections.abc import Iterator
from email.utils import formatdate
from quopri import encodestring
from urllib.parse import quote

from service.simulator.mail import Mail
from service.simulator.sample_labels import labels_for
from service.simulator.sample_text import LANGUAGES, SampleLanguage

_START = 1_577_836_800  # seconds: 1 January 2020
_STEP = 1_200  # seconds from one message to the next
_BLOCK = 8  # messages in which threads are closed
_THREADS = ((0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 0, 3, 0, 5, 3, 7), (0, 1, 1, 3, 4, 4, 6, 1))
_LINE = 76
_ATTACHMENTS = (
    ("report.pdf", "application/pdf"),
    ("photo.png", "image/png"),
    ("Übersicht März.csv", "text/csv"),
    ("日程表.zip", "application/zip"),
)


def generate(count: int, seed: int = 0, minimum_size: int = 0) -> Iterator[Mail]:
    """Oldest first. `minimum_size` in bytes holds for each message as the API serves it."""
    for index in range(count):
        earlier = _earlier(seed, index)
        yield Mail(
            functools.partial(build, seed, index, minimum_size),
            labels_for(zlib.crc32(f"{seed} {index}".encode()), everywhere=True),
            (_START + index * _STEP) * 1000,
            _message_id(seed, index),
            tuple(_message_id(seed, other) for other in earlier),
        )


def build(seed: int, index: int, minimum_size: int = 0) -> bytes:
    """The bytes of one message, with CRLF."""
    earlier = _earlier(seed, index)
    thread = earlier[0] if earlier else index
    opening = random.Random(f"{seed} thread {thread}")
    language = opening.choice(LANGUAGES)
    subject = ("Re: " if earlier else "") + opening.choice(language.subjects)
    dice = random.Random(f"{seed} message {index}")
    charset = dice.choice(language.charsets)
    body = _body(dice, language, charset, minimum_size)
    return _head(seed, index, earlier, _people(dice, language), subject, charset) + body


def _earlier(seed: int, index: int) -> list[int]:
    """The indexes of the messages before this one in its thread."""
    start = index - index % _BLOCK
    roots = _THREADS[zlib.crc32(f"{seed} block {start}".encode()) % len(_THREADS)]
    own = roots[index - start]
    return [start + place for place in range(index - start) if roots[place] == own]


def _message_id(seed: int, index: int) -> str:
    return f"<{seed}.{index}@mail.example>"


def _people(dice: random.Random, language: SampleLanguage) -> tuple[str, str]:
    sender = dice.choice(language.people)
    return sender, f"person{language.people.index(sender)}@{language.charsets[-1]}.example"


def _head(
    seed: int,
    index: int,
    earlier: list[int],
    sender: tuple[str, str],
    subject: str,
    charset: str,
) -> bytes:
    date = formatdate(_START + index * _STEP)
    lines = [
        f"Received: from mx.example by mail.example with ESMTPS id {index:x}; {date}",
        f"From: {_word(sender[0], charset)} <{sender[1]}>",
        "To: You <you@mail.example>",
        f"Subject: {_word(subject, charset)}",
        f"Date: {date}",
        f"Message-ID: {_message_id(seed, index)}",
        "MIME-Version: 1.0",
    ]
    if earlier:
        references = [_message_id(seed, other) for other in earlier]
        lines.append(f"In-Reply-To: {references[-1]}")
        lines.append("References: " + "\r\n ".join(references))
    return "\r\n".join(lines).encode() + b"\r\n"


def _word(text: str, charset: str) -> str:
    """An encoded word (RFC 2047) if the text needs one; emoji are in UTF-8."""
    if text.isascii():
        return text
    known = "utf-8" if charset == "us-ascii" else charset
    return f"=?{known}?B?{b64encode(text.encode(known)).decode()}?="


def _body(dice: random.Random, language: SampleLanguage, charset: str, minimum_size: int) -> bytes:
    paragraphs = [
        " ".join(dice.choices(language.sentences, k=dice.randint(1, 6)))
        for _ in range(dice.randint(1, 12))
    ]
    text = "\r\n\r\n".join(paragraphs) + "\r\n"
    part = _text_part(text, "plain", charset, dice)
    if dice.random() < 0.3:
        html = "".join(f"<p>{p.replace('&', '&amp;').replace('<', '&lt;')}</p>" for p in paragraphs)
        page = f"<html><body>{html}</body></html>\r\n"
        part = _multipart("alternative", [part, _text_part(page, "html", charset, dice)], dice)
    attachments = []
    if dice.random() < 0.1:
        attachments.append(_attachment(dice, int(dice.paretovariate(1.2) * 3_000) % 300_000))
    if len(part) < minimum_size:
        # base64 takes 78 bytes of mail for 57 of content.
        attachments.append(_attachment(dice, minimum_size * 57 // 78 + 57))
    return _multipart("mixed", [part, *attachments], dice) if attachments else part


def _text_part(text: str, subtype: str, charset: str, dice: random.Random) -> bytes:
    data = text.encode(charset)
    if charset in ("us-ascii", "iso-2022-jp"):
        encoding, encoded = "7bit", data
    elif dice.random() < 0.4:
        encoding, encoded = "base64", encodebytes(data).replace(b"\n", b"\r\n")
    elif dice.random() < 0.7:
        lines = encodestring(data.replace(b"\r\n", b"\n"))
        encoding, encoded = "quoted-printable", lines.replace(b"\n", b"\r\n")
    else:
        encoding, encoded = "8bit", data
    head = (
        f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}"
    )
    return head.encode() + b"\r\n\r\n" + encoded


def _attachment(dice: random.Random, size: int) -> bytes:
    name, mime_type = dice.choice(_ATTACHMENTS)
    content = encodebytes(dice.randbytes(size)).replace(b"\n", b"\r\n")
    head = (
        f"Content-Type: {mime_type}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; filename*=utf-8''{quote(name)}\r\n\r\n"
    )
    return head.encode() + content


def _multipart(subtype: str, parts: list[bytes], dice: random.Random) -> bytes:
    boundary = f"={dice.getrandbits(64):016x}"
    delimiter = f"--{boundary}\r\n".encode()
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode()
    body = b"".join(delimiter + part + b"\r\n" for part in parts)
    return head + body + f"--{boundary}--\r\n".encode()
