"""Full syncs with the quota on, beside the most that Google's quota allows.

The simulator enforces the units of profile google-standard (6,000 a window, 20 a message, 40 a
thread), and our ledger keeps the same. Both have windows of 10 s instead of 60, so a loss at the
turn of a window weighs six times as much. The first window's units go at once. The rate is measured
where Google counts, over the windows after it. One quota error fails the benchmark.

The first mailbox has no threads, so its figure is the part of the quota that is used. The second is
real mail. Its figure is messages a minute, beside the most with 20 units a message.
"""

from collections.abc import Iterable, Iterator, Sequence

from service.simulator import Limits, Mail, Simulator
from service.simulator.quota import Charge
from tests.benchmarks.figure import Figure
from tests.benchmarks.gmail import EMAIL, HAM, TOKEN, real, tiny
from tests.benchmarks.machine import Installation, installed

BAR, THREADS_BAR = 0.95, 1.3
PROFILE, CAP, GET = "google-standard", 6_000, 20  # units
USER = "user-42"


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield single_messages(installation, window=10, windows=6)
        yield threads(installation, window=10, messages=4150)


def single_messages(
    installation: Installation, window: float, windows: int, late: float = 0
) -> Figure:
    """A window's length is in seconds; so many of them after the first.

    late: seconds by which Google's window is shorter than ours, for a busy machine.
    """
    messages = (windows + 1) * CAP // GET
    charges = synced(installation, tiny(messages), messages, window, late)
    share = used(charges, window)
    return Figure(
        name="quota",
        what=f"full sync, quota on, {windows} windows of {window:g} s",
        beside="the cap",
        value=share,
        bar=BAR,
        details=rates(messages, share * CAP / GET, window),
    )


def threads(installation: Installation, window: float, messages: int, late: float = 0) -> Figure:
    charges = synced(installation, real(messages), messages, window, late)
    share = used(charges, window)
    units_each = sum(charge.units for charge in charges) / messages
    return Figure(
        name="quota_threads",
        what=f"full sync, quota on, real mail with its threads, windows of {window:g} s",
        beside="the cap with 20 units a message",
        value=share * GET / units_each,
        bar=THREADS_BAR if HAM.exists() else None,
        details={
            **rates(messages, share * CAP / units_each, window),
            "share_of_the_cap_used": round(share, 3),
            "units_a_message": round(units_each, 2),
        },
    )


def rates(messages: int, a_window: float, window: float) -> dict[str, float | str | list[float]]:
    return {
        "messages": messages,
        "messages_a_second": round(a_window / window, 1),
        "cap_messages_a_second": CAP / GET / window,
    }


def synced(
    installation: Installation,
    mails: Iterable[Mail],
    messages: int,
    window: float,
    late: float,
) -> list[Charge]:
    """What a full sync of the mails is charged."""
    with Simulator() as simulator, installation.database() as database:
        simulator.add_mailbox(EMAIL, TOKEN, messages=mails)
        simulator.set_limits(Limits(PROFILE, window - late))
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
        return simulator.quota.charges


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
