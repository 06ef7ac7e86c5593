"""A Gmail of one mailbox, in a process of its own: prints its URL, and serves until SIGTERM.

Run by machine.py. KINDS are the mailboxes there are.
"""

import random
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from service.simulator import Mail, Simulator, generate, load

HAM = Path(__file__).parents[3] / "shared" / "mail" / "ham-2002.mbox.xz"
EMAIL, TOKEN = "someone@example.com", "access"
# What a letter's text and HTML come to together, in bytes.
LARGE = (50_000, 200_000)
WORDS = [f"{random.Random(number).getrandbits(32):x}" for number in range(5_000)]


def real(count: int) -> Iterator[Mail]:
    """Letters of 2002, 4,150 at most; where there are none, generated mail."""
    return islice(load(HAM), count) if HAM.exists() else generate(count)


def large(count: int) -> Iterator[Mail]:
    """Newsletters: a text and the same in HTML, both inline, with a picture attached."""
    for number in range(count):
        dice = random.Random(number)
        words = dice.choices(WORDS, k=dice.randint(*LARGE) // 2 // 9)
        lines = [" ".join(words[start : start + 8]) for start in range(0, len(words), 8)]
        html = "\r\n".join(f"<p>{line}</p>" for line in lines)
        raw = (
            f"From: a@example.com\r\nSubject: Number {number}\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/mixed; boundary="m"\r\n\r\n'
            '--m\r\nContent-Type: multipart/alternative; boundary="a"\r\n\r\n'
            "--a\r\nContent-Type: text/plain\r\n\r\n" + "\r\n".join(lines) + "\r\n"
            "--a\r\nContent-Type: text/html\r\n\r\n" + html + "\r\n--a--\r\n"
            '--m\r\nContent-Type: image/png; name="a.png"\r\nContent-Disposition: attachment\r\n'
            "Content-Transfer-Encoding: base64\r\n\r\n" + "iVBORw0KGgo=\r\n" * 500 + "--m--\r\n"
        ).encode()
        yield Mail.of(raw, ("INBOX",), 1_700_000_000_000 + number * 1000)


def tiny(count: int) -> Iterator[Mail]:
    """Mail that costs the simulator next to nothing."""
    for number in range(count):
        raw = b"From: a@example.com\r\nSubject: Number %d\r\n\r\nA line of text.\r\n" % number
        yield Mail.of(raw, ("INBOX",), 1_700_000_000_000 + number * 1000)


def unquoted(count: int) -> Iterator[Mail]:
    """Generated mail without a line that an mbox quotes: an import fetches the others."""
    mails = (mail for mail in generate(2 * count) if b"\nFrom " not in mail.raw())
    return islice(mails, count)


KINDS: dict[str, Callable[[int], Iterator[Mail]]] = {
    "real": real,
    "generated": generate,
    "unquoted": unquoted,
    "large": large,
    "tiny": tiny,
}


def main(kind: str, count: str) -> None:
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    with Simulator() as simulator:
        simulator.add_mailbox(EMAIL, TOKEN, messages=KINDS[kind](int(count)))
        print(simulator.url, flush=True)
        signal.sigwait(stops)


if __name__ == "__main__":
    main(*sys.argv[1:])
