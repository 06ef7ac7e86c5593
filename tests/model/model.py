"""What DESIGN.md, section 5, says of runs, once more and independently: in Python, on one thread.

A method is a call of the stored function of its name. It returns what that must return, or raises
`Refused` with the SQLSTATE. Time is a number of seconds that `now` holds.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

HEARTBEAT_TIMEOUT = 60
STALL_TIMEOUT = 30 * 60
MAX_ATTEMPTS = 12
DAY = 24 * 3600
SCHEDULES_AGE = 5 * 60


class Refused(Exception):
    """A call that changes nothing; its message is the SQLSTATE."""


@dataclass
class Run:
    """`task_id` is None until the database has returned it. `place` is that in the queue."""

    user: str
    sync_type: str
    source: str
    started_at: int
    due_at: int
    task_id: str | None = None
    place: int = 0
    attempt: int = 1
    resumes: str | None = None
    progress: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    claimed_at: int | None = None
    beat_at: int = 0
    progressed_at: int | None = None
    has_progressed: bool = False
    waiting_until: int | None = None
    listed: bool = False
    follow_up: str | None = None
    outcome: str | None = None


@dataclass
class Mailbox:
    """A user's mail: `stored` says which messages are still there, `queue` which are given up.
    `account` is None where there is none, else whether it is connected."""

    account: bool | None = None
    has_history: bool = False
    stored: dict[str, bool] = field(default_factory=dict)
    queue: dict[str, bool] = field(default_factory=dict)
    takers: dict[str, str] = field(default_factory=dict)
    listing: set[str] | None = None
    has_cursor: bool = False
    touched: dict[str, str] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)

    def sync_type(self, full: bool) -> str:
        return "incremental" if not full and self.has_cursor and self.listing is None else "full"


class Model:
    def __init__(self, users: Iterable[str]) -> None:
        self.now = 0
        self.runs: list[Run] = []
        # Deleted with their users. Late workers hold them still.
        self.forgotten: list[Run] = []
        self.mail = {user: Mailbox() for user in users}

    def running(self, user: str) -> Run | None:
        return next((run for run in self.runs if run.user == user and not run.outcome), None)

    def run(self, task_id: str) -> Run:
        return next(run for run in self.forgotten + self.runs if run.task_id == task_id)

    def leaseholder(self, task_id: str) -> Run:
        run = self.run(task_id)
        if run.outcome or run.claimed_at is None:
            raise Refused("SY001")
        return run

    def cause(self, run: Run) -> str | None:
        """Why a run is a zombie, None when it is not."""
        if run.outcome or run.claimed_at is None:
            return None
        if run.beat_at < self.now - HEARTBEAT_TIMEOUT:
            return "silent"
        if run.beat_at > self.now + HEARTBEAT_TIMEOUT:
            return "clock_skew"
        signs = (run.claimed_at, run.progressed_at, run.waiting_until)
        if max(sign for sign in signs if sign is not None) < self.now - STALL_TIMEOUT:
            return "stalled"
        return None

    # The life of a run.

    def start(self, user: str, force_full: bool, source: str) -> tuple[Run, bool]:
        run = self.running(user)
        if run and self.cause(run):
            self._end_zombie(run)
            run = self.running(user)
        if run is None:
            return self._queue(user, self.mail[user].sync_type(force_full), source), True
        if run.claimed_at is None:
            self._make_due(run, force_full, source)
        elif force_full and run.sync_type != "full":
            run.follow_up = "full"
        elif source == "push":
            run.follow_up = run.follow_up or "incremental"
        return run, False

    def _make_due(self, run: Run, force_full: bool, source: str) -> None:
        person = source in ("api", "sql")
        waits = run.waiting_until is not None and run.waiting_until > self.now
        sooner = person and not waits and run.due_at > self.now
        fuller = force_full and run.sync_type != "full"
        if sooner or fuller or (person and run.source not in ("api", "sql")):
            run.source = source if person else run.source
            run.sync_type = "full" if force_full else run.sync_type
        if sooner:
            run.due_at = self.now

    def claim(self, answer: str | None) -> Run | None:
        """The run to be claimed; of several that are, the one the database answers with."""
        due = [
            run
            for run in self.runs
            if not run.outcome and run.claimed_at is None and run.due_at <= self.now
        ]
        if not due:
            return None
        best = min(map(self._rank, due))
        equals = [run for run in due if self._rank(run) == best]
        run = next((run for run in equals if run.task_id == answer), equals[0])
        run.claimed_at = run.beat_at = self.now
        # Before this claim nothing was achieved by this run.
        run.has_progressed = run.listed = False
        run.waiting_until = None
        mail = self.mail[run.user]
        run.sync_type = mail.sync_type(run.sync_type == "full")
        if run.resumes is None or self.run(run.resumes).source == "adopted":
            mail.touched.clear()
            mail.settled.clear()
        due_mail = [id_ for id_, dead in mail.queue.items() if not dead]
        self._count(run, [id_ for id_ in due_mail if mail.touched.get(id_) != "pending"], "pending")
        return run

    def _rank(self, run: Run) -> tuple[int, int, int]:
        if run.source in ("api", "sql"):
            rank = 0
        elif run.source in ("push", "resume") or run.started_at < self.now - SCHEDULES_AGE:
            rank = 1
        else:
            rank = 2
        return rank, run.due_at, run.place

    def beat(self, task_id: str) -> bool:
        run = self.run(task_id)
        if not run.outcome:
            run.beat_at = self.now
        return not run.outcome

    def wait(self, task_id: str, waits_for: int) -> None:
        run = self.leaseholder(task_id)
        run.beat_at = self.now
        run.waiting_until = self.now + min(waits_for, DAY)

    def release(self, task_id: str, failed: bool) -> bool:
        run = self.run(task_id)
        if run.outcome:
            return False
        if run.counts["pending"] and not failed:
            raise Refused("23514")
        self._end(run, "failed" if failed else "succeeded")
        self._start_follow_up(run)
        return True

    def cancel(self, task_id: str) -> bool:
        run: Run | None = self.run(task_id)
        while run and run.outcome:
            run = next((later for later in self.runs if later.resumes == run.task_id), None)
        if run:
            self._end(run, "cancelled")
        return run is not None

    def handover(self, task_id: str, waits: int | None, charge: bool) -> Run | None:
        run = self.run(task_id)
        if run.outcome:
            return None
        attempt = self._next_attempt(run) if charge else run.attempt
        wait = retry_delay(attempt) if waits is None else min(waits, DAY)
        return self._hand_on(run, "superseded", attempt, wait)

    def reap(self) -> set[tuple[str | None, str | None]]:
        zombies = [run for run in self.runs if self.cause(run)]
        found = {(run.task_id, self.cause(run)) for run in zombies}
        first = len(self.runs)
        for run in zombies:
            self._end_zombie(run)
        for run in self.runs[first:]:
            # Made at once, in no order.
            run.place = self.runs[first].place
        return found

    def adopt(self, task_id: str, user: str, is_syncing: bool, age: int) -> None:
        run = Run(user, "incremental", "adopted", self.now - age - 1, self.now - age - 1, task_id)
        run.claimed_at, run.beat_at = self.now - age - 1, self.now - age
        run.progressed_at, run.has_progressed = self.now - age, True
        if not is_syncing:
            self._end(run, "failed")
        elif self.running(user) or self.cause(run):
            self._end(run, "reaped")
        self.runs.append(run)

    # Accounts.

    def connect(self, user: str) -> None:
        self.mail[user].account = self.mail[user].has_history = True

    def disconnect(self, user: str, delete_mail: bool) -> bool:
        mail = self.mail[user]
        done = mail.account is not None if delete_mail else bool(mail.account)
        if delete_mail:
            self.mail[user] = Mailbox(has_history=mail.has_history)
        elif done:
            mail.account = False
        if run := self.running(user):
            self._end(run, "cancelled")
        return done

    def delete(self, user: str) -> bool:
        runs = [run for run in self.runs if run.user == user]
        there = bool(runs) or self.mail[user].has_history
        self.mail[user] = Mailbox()
        self.runs = [run for run in self.runs if run.user != user]
        for run in runs:
            run.outcome = "deleted"
        self.forgotten += runs
        return there

    def _queue(self, user: str, sync_type: str, source: str) -> Run:
        place = len(self.forgotten + self.runs)
        run = Run(user, sync_type, source, self.now, self.now, beat_at=self.now, place=place)
        self.runs.append(run)
        return run

    def _end(self, run: Run, outcome: str) -> None:
        run.outcome = outcome
        run.progress = 100 if outcome == "succeeded" else 0

    def _end_zombie(self, run: Run) -> None:
        attempt = self._next_attempt(run)
        self._hand_on(run, "reaped", attempt, retry_delay(attempt))

    def _hand_on(self, run: Run, outcome: str, attempt: int, wait: int) -> Run | None:
        progress = run.progress
        if attempt > MAX_ATTEMPTS:
            self._end(run, "failed")
            self._start_follow_up(run)
            return None
        self._end(run, outcome)
        successor = self._queue(run.user, "incremental" if run.listed else run.sync_type, "resume")
        successor.resumes, successor.attempt, successor.progress = run.task_id, attempt, progress
        successor.due_at = self.now + wait
        successor.follow_up, successor.counts = run.follow_up, Counter(run.counts)
        if run.waiting_until is not None and run.waiting_until > self.now:
            successor.waiting_until = run.waiting_until
        return successor

    def _start_follow_up(self, run: Run) -> None:
        if run.follow_up:
            sync_type = self.mail[run.user].sync_type(run.follow_up == "full")
            self._queue(run.user, sync_type, "resume")

    def _next_attempt(self, run: Run) -> int:
        if run.claimed_at is None:
            return run.attempt
        return 1 if run.has_progressed else run.attempt + 1

    # Mail.

    def list_mailbox(self, task_id: str, message_ids: list[str]) -> None:
        """begin_listing and store_listing_page, whose only page completes the listing."""
        run = self.leaseholder(task_id)
        mail = self.mail[run.user]
        listing = mail.listing or set()
        fresh = [id_ for id_ in message_ids if id_ not in listing | mail.queue.keys()]
        # Nothing is pinned where there is no account.
        mail.listing = None if mail.account is None else listing | set(message_ids)
        mail.queue |= dict.fromkeys(fresh, False)
        self._write(run, fresh, "pending")

    def reconcile(self, task_id: str) -> bool:
        run = self.leaseholder(task_id)
        mail = self.mail[run.user]
        if mail.listing is None and mail.has_cursor:
            return True
        if mail.listing is None:
            raise Refused("SY003")
        absent = [id_ for id_, alive in mail.stored.items() if alive and id_ not in mail.listing]
        for message_id in absent:
            mail.stored[message_id] = False
            mail.queue.pop(message_id, None)
            mail.takers.pop(message_id, None)
        if not absent:
            mail.listing, mail.has_cursor, run.listed = None, True, True
        self._write(run, absent, "deleted")
        return not absent

    def may_take(self, task_id: str) -> set[str]:
        run = self.leaseholder(task_id)
        mail = self.mail[run.user]
        return {
            id_ for id_, dead in mail.queue.items() if not dead and mail.takers.get(id_) != task_id
        }

    def took(self, task_id: str, message_ids: list[str]) -> None:
        run = self.leaseholder(task_id)
        self.mail[run.user].takers |= dict.fromkeys(message_ids, task_id)
        self._count(run, message_ids, "pending")

    def store(self, task_id: str, message_ids: list[str]) -> None:
        run = self.leaseholder(task_id)
        mail = self.mail[run.user]
        buckets = {None: "new", True: "unchanged", False: "updated"}
        for message_id in message_ids:
            self._write(run, [message_id], buckets[mail.stored.get(message_id)])
            mail.stored[message_id] = True
            mail.queue.pop(message_id, None)
            mail.takers.pop(message_id, None)

    def give_up(self, task_id: str, message_ids: list[str]) -> None:
        """fail_messages with failures for good."""
        run = self.leaseholder(task_id)
        mail = self.mail[run.user]
        known = [id_ for id_ in message_ids if id_ in mail.queue]
        for message_id in known:
            mail.queue[message_id] = True
            mail.takers.pop(message_id, None)
        self._write(run, known, "failed")

    def retry_failed(self, user: str) -> int:
        mail = self.mail[user]
        dead = [message_id for message_id, is_dead in mail.queue.items() if is_dead]
        for message_id in dead:
            mail.queue[message_id] = False
        if dead:
            self.start(user, False, "push")
            self.start(user, False, "sql")
        return len(dead)

    def _progressed(self, run: Run) -> None:
        run.progressed_at, run.has_progressed = self.now, True

    def _write(self, run: Run, message_ids: list[str], bucket: str) -> None:
        self._count(run, message_ids, bucket)
        self._progressed(run)

    def _count(self, run: Run, message_ids: list[str], bucket: str) -> None:
        mail = self.mail[run.user]
        run.beat_at, run.waiting_until = self.now, None
        for message_id in message_ids:
            after, settled = bucket, mail.settled.get(message_id)
            if settled == "new" and bucket in ("updated", "unchanged"):
                after = "new"
            elif settled == "updated" and bucket == "unchanged":
                after = "updated"
            run.counts.subtract([mail.touched[message_id]] if message_id in mail.touched else [])
            run.counts.update([after])
            mail.touched[message_id] = after
            if after != "pending":
                mail.settled[message_id] = after
        found = run.counts.total()
        done = found - run.counts["pending"]
        run.progress = max(run.progress, min(99, 100 * done // max(1, found)))


def retry_delay(attempt: int) -> int:
    """Seconds before a try: the first two go at once, then 30 s doubling to 10 minutes."""
    return 0 if attempt <= 2 else min(600, 30 * 2 ** (attempt - 3))
