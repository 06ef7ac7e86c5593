"""A worker's memory is bounded by what its batches hold, not by what the mail weighs.

Measured in a worker process of its own: VmHWM is the most memory it ever had resident. The
simulator runs in the process of the test.
"""

import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from service.postgres.calls import Row
from service.simulator import Mail, Mailbox, generate
from tests.worker.conftest import Account, WorkerProcess

pytestmark = pytest.mark.serial

MOST = 300 << 20  # bytes
MOST_FOR_THE_LARGEST = 1 << 30
MB = 1_000_000
WORDS = [f"{random.Random(number).getrandbits(40):x}" for number in range(5_000)]


def texts(count: int, size: int) -> Iterable[Mail]:
    """Mail whose own text is that large."""
    for number in range(count):
        dice = random.Random(number)
        lines = [" ".join(dice.choices(WORDS, k=7)) for _ in range(size // 78)]
        head = f"From: a@example.com\r\nSubject: {number}\r\n\r\n"
        raw = (head + "\r\n".join(lines)).encode()
        yield Mail.of(raw, ("INBOX",), 1_700_000_000_000 + number)


def peak(
    kind: str,
    mails: Iterable[Mail],
    content_mode: str,
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
) -> int:
    """The most bytes a worker had resident until it had synced these mails."""
    mailbox.load(mails)
    account.connect(content_mode)
    worker = start_worker()
    run: Row = account.sync(seconds=300)
    assert (run["outcome"], run["error_message"]) == ("succeeded", None)
    assert run["current_stats"]["new"] == mailbox.totals()[0], worker.log.read_text()[-3000:]
    status = Path(f"/proc/{worker.pid}/status").read_text()
    (peak,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    resident = int(peak.split()[1]) << 10
    print(f"peak of a worker that synced {kind}: {resident / MB:.0f} MB")
    return resident


def test_sixty_mails_of_2_mb_in_raw_mode_take_less_than_300_mb(
    mailbox: Mailbox, account: Account, start_worker: Callable[[], WorkerProcess]
) -> None:
    mails = generate(60, minimum_size=2 * MB)
    assert peak("60 mails of 2 MB, raw", mails, "raw", mailbox, account, start_worker) < MOST


def test_thirty_texts_of_2_mb_in_full_mode_take_less_than_300_mb(
    mailbox: Mailbox, account: Account, start_worker: Callable[[], WorkerProcess]
) -> None:
    mails = texts(30, 2 * MB)
    assert peak("30 texts of 2 MB, full", mails, "full", mailbox, account, start_worker) < MOST


@pytest.mark.parametrize("content_mode", ["raw", "full"])
def test_mails_of_25_mb_take_less_than_1_gb(
    content_mode: str,
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
) -> None:
    """Gmail's largest: each is held several times over, and two are in flight at once."""
    kind = f"3 mails of 25 MB, {content_mode}"
    mails = generate(3, minimum_size=25 * MB)
    assert peak(kind, mails, content_mode, mailbox, account, start_worker) < MOST_FOR_THE_LARGEST
