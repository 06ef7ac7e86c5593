"""The quota is used up and never overdrawn: by one worker, by several, fairly among users.

The simulator enforces Google's windows and our ledger keeps the same, both with the length of a
window scaled down. A request's way is not: it may take as much longer than the one before as with
windows of a minute. How well a window is used is measured where Google counts. The first cap's
worth of units goes in one burst. The time runs from its end until five more were spent.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest

from service.google.cipher import CredentialCipher
from service.postgres.calls import Row, Session
from service.simulator import Limits, Mail, Mailbox, Simulator
from service.simulator.quota import Charge
from tests.waiting import wait_until
from tests.worker.conftest import WorkerProcess

pytestmark = pytest.mark.serial

PROFILE = "google-standard"
# Seconds a window is scaled down to: losses are reported in parts of a window.
WINDOW = 4.0
WINDOWS = 5
# How much longer a window of the ledger is than Google's: of its length, and with 60 s.
MARGIN = 0.02
LATE = 60 * MARGIN
GET = 20  # units


def small_mails(count: int) -> Iterator[Mail]:
    """Mail that costs the simulator little, so that requests arrive soon after they are charged."""
    for number in range(count):
        yield Mail.of(b"Subject: %d\r\n\r\nText" % number, ("INBOX",), 10**12 + number)


class Project:
    """Users that share one project's quota, which Google and our ledger agree about."""

    def __init__(
        self, simulator: Simulator, functions: Session, db: psycopg.Connection[Row], keys: str
    ) -> None:
        self._simulator = simulator
        self._functions = functions
        self._db = db
        self._cipher = CredentialCipher([keys])

    def limit(self, user_units: int, project_units: int, window: float = WINDOW) -> None:
        of_google = window * (1 + MARGIN) - LATE
        self._simulator.set_limits(Limits(PROFILE, of_google, user_units, project_units))
        self._db.execute(
            "update gmail_sync.quota_profile set user_units = %s, project_units = %s,"
            " window_length = make_interval(secs => %s) where name = %s",
            [user_units, project_units, window, PROFILE],
        )

    def connect(self, user_id: str, messages: int) -> Mailbox:
        """Connect a user with so many messages."""
        email, token = f"{user_id}@example.com", f"token of {user_id}"
        mailbox = self._simulator.add_mailbox(email, token, messages=small_mails(messages))
        sealed = self._cipher.encrypt({"token": token})
        self._functions.value("connect_account", user_id, email, sealed, PROFILE)
        return mailbox

    def start(self, user_id: str) -> str:
        task_id: str = self._functions.value("start_sync_idempotent", user_id)
        return task_id

    def finish(self, task_id: str, seconds: float = 120) -> Row:
        def ended() -> Row | None:
            run = self._functions.row("sync_run", task_id)
            return run if run and not run["is_syncing"] else None

        return wait_until(ended, seconds)

    def is_running(self, task_id: str) -> bool:
        run = self._functions.row("sync_run", task_id)
        return bool(run and run["is_syncing"])

    def sync(self, user_id: str) -> Row:
        return self.finish(self.start(user_id))

    @property
    def charges(self) -> Sequence[Charge]:
        return self._simulator.quota.charges

    def assert_no_quota_error(self) -> None:
        statuses = self._simulator.requests.statuses
        assert {each: n for each, n in statuses.items() if not each.endswith(" 200")} == {}


@pytest.fixture
def project(
    simulator: Simulator, functions: Session, db: psycopg.Connection[Row], keys: str
) -> Project:
    return Project(simulator, functions, db, keys)


def steady_stretch(charges: Sequence[Charge], cap: int) -> list[Charge]:
    """What was spent of five caps, the first one left out."""
    stretch = []
    spent = 0
    for charge in list(charges):
        spent += charge.units
        if cap < spent <= (1 + WINDOWS) * cap:
            stretch.append(charge)
    assert spent > (1 + WINDOWS) * cap, "not enough was asked for"
    return stretch


def used(stretch: Sequence[Charge], cap: int) -> float:
    """Units spent as a share of what the windows allowed."""
    windows = (stretch[-1].at - stretch[0].at) / WINDOW
    return sum(charge.units for charge in stretch) / (cap * windows)


def test_an_idle_user_has_the_whole_burst_at_once(
    project: Project, start_worker: Callable[[], WorkerProcess]
) -> None:
    """Google's own window: 290 messages are 5,800 of its 6,000 units."""
    project.limit(6_000, 1_200_000, window=60)
    project.connect("idle", 290)
    start_worker()

    run = project.sync("idle")

    seconds = (run["finished_at"] - run["claimed_at"]).total_seconds()
    print(f"a burst of 290 messages took {seconds:.1f} s")
    assert run["current_stats"]["new"] == 290
    assert seconds < 20
    project.assert_no_quota_error()


def test_one_worker_uses_95_percent_of_a_user_s_cap_and_never_more(
    project: Project, start_worker: Callable[[], WorkerProcess]
) -> None:
    cap = 6_000
    project.limit(cap, 1_200_000)
    project.connect("busy", (2 + WINDOWS) * cap // GET)
    start_worker()

    run = project.sync("busy")

    assert run["outcome"] == "succeeded"
    project.assert_no_quota_error()
    share = used(steady_stretch(project.charges, cap), cap)
    print(f"one user used {share:.1%} of the cap over {WINDOWS} windows of {WINDOW} s")
    assert 0.95 <= share < 1.05


def test_three_workers_use_95_percent_of_the_project_s_cap_and_share_it_evenly(
    project: Project,
    start_worker: Callable[..., WorkerProcess],
    db: psycopg.Connection[Row],
) -> None:
    cap, users = 7_200, [f"user-{number}" for number in range(6)]
    project.limit(6_000, cap)
    messages = (3 + WINDOWS) * cap // GET // len(users)
    emails = [project.connect(user, messages).email for user in users]
    for _ in range(3):
        start_worker(concurrency=2)
    wait_until(lambda: len(db.execute("select from gmail_sync.worker").fetchall()) == 3)

    tasks = [project.start(user) for user in users]
    assert {project.finish(task)["outcome"] for task in tasks} == {"succeeded"}

    project.assert_no_quota_error()
    stretch = steady_stretch(project.charges, cap)
    share = used(stretch, cap)
    units = Counter(dict.fromkeys(emails, 0))
    for charge in stretch:
        units[charge.email] += charge.units
    even = sum(units.values()) / len(users)
    furthest = max(abs(each / even - 1) for each in units.values())
    print(f"six users used {share:.1%} of the project's cap, each its even part +-{furthest:.0%}")
    assert 0.95 <= share < 1.05
    # The ledger serves in order; how soon each asks again, the machine's two cores decide.
    assert furthest < 1 / 3


def test_a_small_sync_is_not_starved_by_those_who_use_up_the_project_s_cap(
    project: Project, start_worker: Callable[[], WorkerProcess]
) -> None:
    """Each request waits for a window at most, never for the others' work."""
    cap = 2_400
    project.limit(6_000, cap)
    small = project.connect("small", 1)
    start_worker()
    project.sync("small")
    big = ["big-1", "big-2"]
    for user in big:
        project.connect(user, 3_000)
    tasks = [project.start(user) for user in big]
    wait_until(lambda: sum(charge.units for charge in list(project.charges)) > 1.5 * cap)

    waits = []
    for number in range(10):
        small.insert(b"Subject: %d\r\n\r\n" % number)
        began = time.monotonic()
        assert project.sync("small")["outcome"] == "succeeded"
        waits.append((time.monotonic() - began) / WINDOW)

    median, longest = statistics.median(waits), max(waits)
    print(f"small syncs took {median:.2f} windows, the longest {longest:.2f}")
    # Three requests one after the other, each of which waits for a window at most.
    assert median < 2
    assert longest < 3.5
    project.assert_no_quota_error()
    assert all(project.is_running(task) for task in tasks)
