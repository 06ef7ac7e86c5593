"""A full sync with the quota on, beside the most that Google's quota allows.

The simulator enforces the units of profile google-standard (6,000 a window, 20 a message), and our
ledger keeps the same. Both have windows of 10 s instead of 60, so a loss at the turn of a window
weighs six times as much. The first window's units go at once. The rate is measured where Google
counts, over the windows after it. One quota error fails the benchmark.
"""

from collections.abc import Iterator, Sequence

from service.simulator import Limits, Simulator
from service.simulator.quota import Charge
from tests.benchmarks.figure import Figure
from tests.benchmarks.gmail import EMAIL, TOKEN, tiny
from tests.benchmarks.machine import Installation, installed

BAR = 0.95
PROFILE, CAP, GET = "google-standard", 6_000, 20  # units
USER = "user-42"


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield from figures(installation, window=10, windows=6)


def figures(installation: Installation, window: float, windows: int) -> Iterator[Figure]:
    """A window's length is in seconds; so many of them after the first."""
    messages = (windows + 1) * CAP // GET
    with Simulator() as simulator, installation.database() as database:
        simulator.add_mailbox(EMAIL, TOKEN, messages=tiny(messages))
        simulator.set_limits(Limits(PROFILE, window))
        database.db.execute(
            "update gmail_sync.quota_profile set window_length = make_interval(secs => %s)"
            " where name = %s",
            [window, PROFILE],
        )
        database.connect_user(USER, PROFILE)
        with database.worker(simulator.url):
            run = database.finished(database.start(USER))
        assert run["current_stats"]["new"] == messages
        statuses = simulator.requests.statuses
        refused = {each: count for each, count in statuses.items() if not each.endswith(" 200")}
        assert not refused, refused
        share = used(simulator.quota.charges, window)
    yield Figure(
        name="quota",
        what=f"full sync, quota on, {windows} windows of {window:g} s",
        beside="the cap",
        value=share,
        bar=BAR,
        details={
            "messages": messages,
            "messages_a_second": round(share * CAP / GET / window, 1),
            "cap_messages_a_second": CAP / GET / window,
            "quota_errors": len(refused),
        },
    )


def used(charges: Sequence[Charge], window: float) -> float:
    """Units spent since the first window's worth was, as a share of what that time allowed."""
    spent = units = 0
    for charge in charges:
        spent += charge.units
        if spent <= CAP:
            began = charge.at
        else:
            units += charge.units
    return units / (CAP * (charges[-1].at - began) / window)
