"""What a person is shown is true at every instant: counts, percentage, phase and ETA.

A sampler reads the user's latest run as fast as it can, over a connection of its own, while syncs
meet faults. What it saw is judged afterwards.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from service.google.cipher import CredentialCipher
from service.postgres.calls import Row, connect
from service.simulator import Fault, Limits, Mail, Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.waiting import wait_until
from tests.worker.conftest import ACCESS_TOKEN, EMAIL, USER, Account, WorkerProcess, start_held

pytestmark = pytest.mark.serial

PARTS = ("new", "updated", "unchanged", "deleted", "gone", "failed", "pending")
PROFILE = "google-standard"


@pytest.fixture
def short_lease(db: psycopg.Connection[Row]) -> None:
    """Beats every 300 ms, a lease of 1.5 s."""
    db.execute(
        "update gmail_sync.settings set heartbeat_interval = '300 ms', heartbeat_timeout = '1.5 s'"
    )


class Sampler:
    """Every state of USER's latest run that a busy reader sees, with the time it was read."""

    def __init__(self, url: str) -> None:
        self.samples: list[Row] = []
        self._url = url
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join(60)

    def _run(self) -> None:
        with connect(self._url, "sampler") as connection:
            while not self._stopped.is_set():
                self.samples += connection.execute(
                    "select *, clock_timestamp() as read_at from gmail_sync.sync_status(%s)",
                    [USER],
                ).fetchall()


@pytest.fixture
def sampler(database_url: str) -> Iterator[Sampler]:
    sampler = Sampler(database_url)
    with sampler.running():
        yield sampler


def judge(samples: list[Row]) -> None:
    """Fail at the first sample that lies by itself or beside the one before."""
    assert len(samples) > 100
    before: Row | None = None
    for sample in samples:
        counts = sample["current_stats"]
        assert counts["found"] == sum(counts[part] for part in PARTS), sample
        assert sample["eta_seconds"] is None or sample["eta_seconds"] >= 0, sample
        judge_phase(sample)
        if before is not None:
            judge_step(before, sample)
        before = sample


def judge_phase(sample: Row) -> None:
    phase = sample["phase"]
    assert (phase == "done") == (not sample["is_syncing"]), sample
    assert (phase == "queued") == (sample["is_syncing"] and sample["claimed_at"] is None), sample
    assert phase != "waiting" or sample["waiting_until"], sample


def judge_step(before: Row, sample: Row) -> None:
    """From one sample to the next of the same chain nothing known is taken back."""
    same = before["task_id"] == sample["task_id"]
    if not same:
        # Only an ended run is followed by another.
        assert sample["resumes"] is None or sample["started_at"] >= before["started_at"], sample
        if sample["resumes"] is None:
            return
    else:
        assert before["is_syncing"] or before == {**sample, "read_at": before["read_at"]}, sample
        assert before["phase"] == "queued" or sample["phase"] != "queued", sample
    assert sample["current_stats"]["found"] >= before["current_stats"]["found"], (before, sample)
    if before["is_syncing"] and (sample["is_syncing"] or sample["outcome"] == "succeeded"):
        assert sample["progress_percentage"] >= before["progress_percentage"], (before, sample)


def test_counts_and_percentage_are_true_throughout_a_sync_with_faults(
    mailbox: Mailbox,
    account: Account,
    worker: Worker,
    simulator: Simulator,
    sampler: Sampler,
    db: psycopg.Connection[Row],
) -> None:
    mailbox.load(generate(900))
    ids = mailbox.message_ids()
    for status, every in ((500, 61), (429, 193)):
        simulator.faults.add(Fault("messages.get", "error", status=status, every=every, count=3))
    simulator.faults.add(Fault("batch", "drop", every=17, count=2))
    task_id, hang = start_held(
        simulator, account, Fault("messages.get", "hang", after=400, count=1)
    )
    stored = {row["message_id"] for row in db.execute("select message_id from gmail_sync.message")}
    unknown = [each for each in reversed(ids) if each not in stored][:20]
    known = sorted(stored)[:30]
    for each in (*unknown, *known):
        mailbox.delete(each)
    added = [mailbox.insert(b"Subject: meanwhile\r\n\r\n%d" % each) for each in range(10)]
    hang.release()

    run = account.finish(task_id, 120)
    # Those whose fetch failed wait; once they are due, the next run fetches them.
    db.execute("update gmail_sync.fetch_queue set not_before = now()")
    rest = account.sync()

    judge(sampler.samples)
    assert (run["outcome"], rest["outcome"]) == ("succeeded", "succeeded")
    counts = run["current_stats"]
    assert counts["found"] == len(ids) + len(added)
    assert counts["deleted"] == len(known)
    assert counts["gone"] == len(unknown)
    assert counts["new"] + counts["failed"] == len(ids) + len(added) - len(known) - len(unknown)
    assert rest["current_stats"]["new"] == counts["failed"]
    print(f"{len(sampler.samples)} samples, {counts}, then {rest['current_stats']}")


def test_progress_never_falls_from_a_killed_run_to_its_successor(
    mailbox: Mailbox,
    account: Account,
    start_worker: Callable[[], WorkerProcess],
    sampler: Sampler,
    short_lease: None,
) -> None:
    mailbox.load(generate(1200))
    first = start_worker()
    task_id = account.start()
    wait_until(lambda: account.run(task_id)["current_stats"]["new"] > 300)
    first.signal(signal.SIGKILL)
    first.wait(60)
    start_worker()
    wait_until(lambda: account.start() != task_id)

    run = account.finish(task_id)

    judge(sampler.samples)
    assert (run["outcome"], run["resumes"]) == ("succeeded", task_id)
    assert run["current_stats"]["new"] == run["current_stats"]["found"] == 1200
    seen = {sample["task_id"] for sample in sampler.samples}
    assert {task_id, run["task_id"]} <= seen
    print(f"{len(sampler.samples)} samples of {len(seen)} runs")


@pytest.mark.parametrize(("messages", "in_a_thread"), [(600, 1), (900, 5)])
def test_the_eta_under_a_quota_is_within_a_fifth_of_the_truth(
    simulator: Simulator,
    account: Account,
    worker: Worker,
    sampler: Sampler,
    db: psycopg.Connection[Row],
    keys: str,
    messages: int,
    in_a_thread: int,
) -> None:
    """Estimates at a tenth and at half of the way; a window of 2 s replaces Google's minute."""
    simulator.add_mailbox(EMAIL, ACCESS_TOKEN, messages=conversations(messages, in_a_thread))
    # Google's is shorter than the ledger's, so that a request may be late.
    simulator.set_limits(Limits(PROFILE, window=1, user_units=1200))
    db.execute(
        "update gmail_sync.quota_profile set window_length = '2 s', user_units = 1200"
        " where name = %s",
        [PROFILE],
    )
    sealed = CredentialCipher([keys]).encrypt({"token": ACCESS_TOKEN})
    db.execute("select gmail_sync.connect_account(%s, %s, %s, %s)", [USER, EMAIL, sealed, PROFILE])

    run = account.sync(seconds=120)

    judge(sampler.samples)
    assert run["outcome"] == "succeeded"
    for share in (10, 50):
        sample = next(s for s in sampler.samples if s["progress_percentage"] >= share)
        truth = (run["finished_at"] - sample["read_at"]).total_seconds()
        print(f"at {share} %: told {sample['eta_seconds']} s, took {truth:.1f} s")
        # The ETA is in whole seconds, of which a real run has many more.
        assert sample["eta_seconds"] == pytest.approx(truth, abs=0.2 * truth + 1)


def conversations(count: int, in_a_thread: int) -> Iterator[Mail]:
    for number in range(count):
        first = number - number % in_a_thread
        head = b"Subject: %d\r\nMessage-ID: <%d@x>\r\nReferences: <%d@x>\r\n\r\n"
        yield Mail.of(head % (number, number, first), ("INBOX",), 10**12 + number)
