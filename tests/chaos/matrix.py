"""The faults of DESIGN.md, section 9, and what each must not do."""

from collections.abc import Iterator

from tests.chaos import disk, network, pg_cron, postgres, processes, releases
from tests.chaos.trial import Fault

# Long enough for an outage of a few seconds to cost nobody the run, on a busy machine too.
LONG_LEASE = 30.0


def on_a_wire(wire: network.Wire, name: str) -> Iterator[Fault]:
    for what, strike, quick in (
        (f"connections to {name} reset", network.reset, True),
        (f"{name} silent for 1.5 s", network.black_hole, False),
        (f"answers of {name} lost", network.answers_lost, True),
        (f"wire to {name} slow", network.slow, False),
    ):
        yield Fault(what, strike(wire), "", "kept", LONG_LEASE, quick=quick)


FAULTS = (
    Fault("worker killed (kill -9)", processes.killed, "", "taken over"),
    Fault(
        "worker killed within a statement that stores",
        postgres.killed_within_a_store,
        "the statement is finished or undone as a whole",
        "taken over",
        quick=False,
    ),
    Fault(
        "the same, and the statement ends after the takeover",
        postgres.killed_within_a_store_that_ends_late,
        "the statement is undone as a whole",
        "taken over",
    ),
    Fault(
        "worker stopped past its lease, then continued",
        processes.stopped_past_its_lease,
        "it drops the run",
        "taken over",
    ),
    Fault(
        "SIGTERM",
        processes.drained,
        "no attempt is charged, and no lease waited for",
        "taken over",
        LONG_LEASE,
    ),
    Fault(
        "fetch hangs, heartbeat goes on",
        processes.fetch_hangs,
        "reaped for want of progress",
        "taken over",
        stall=3.0,
    ),
    Fault(
        "event loop of `serve` blocked",
        processes.event_loop_blocked,
        "its worker goes on with the same run while HTTP hangs",
    ),
    Fault(
        "clocks of both hosts an hour off, one fast, one slow",
        processes.clocks_an_hour_off,
        "",
        "taken over",
        quick=False,
        blows=5,
    ),
    Fault(
        "clocks of both hosts jump, an hour on and two back",
        processes.clocks_jump,
        "the same run goes on",
        quick=False,
        blows=5,
    ),
    Fault(
        "Postgres restarted (-m immediate)",
        postgres.restarted_immediately,
        "",
        "kept",
        lease=LONG_LEASE,
        gap=(5, 40),
    ),
    Fault(
        "all our connections terminated for 2 s, again and again",
        postgres.backends_terminated,
        "",
        "kept",
        lease=LONG_LEASE,
    ),
    Fault(
        "every connection taken by another client",
        postgres.connections_exhausted,
        "it does so with those it has",
        "kept",
        lease=LONG_LEASE,
    ),
    Fault(
        "the same, and ours terminated",
        postgres.connections_lost_and_exhausted,
        "",
        "kept",
        lease=LONG_LEASE,
    ),
    Fault(
        "transaction left open by a client that stopped",
        postgres.transaction_left_open,
        "Postgres ends it",
    ),
    Fault(
        "schema changed and changed back under the service",
        postgres.schema_changed_and_changed_back,
        "no run fails",
        lease=LONG_LEASE,
        quick=False,
        blows=5,
    ),
    Fault(
        "program and schema of the release before, then of this one",
        releases.rolled_back,
        "the older program goes on with either schema",
        lease=LONG_LEASE,
        quick=False,
        blows=3,
    ),
    Fault("disk full under the messages", disk.full_under_the_messages, ""),
    Fault(
        "disk full under the whole data directory",
        disk.full_under_everything,
        "Postgres is started once there is room",
        lease=LONG_LEASE,
        quick=False,
        blows=5,
    ),
    Fault(
        "Postgres cut off, past the lease",
        network.cut_off_from_postgres,
        "the worker drops the run by itself",
        "taken over",
    ),
    *on_a_wire("postgres", "Postgres"),
    *on_a_wire("gmail", "Gmail"),
    Fault(
        "pg_cron's launcher killed, then the worker",
        pg_cron.launcher_killed,
        "health says so within 60 s; the service reaps",
        "taken over",
        quick=False,
        blows=2,
    ),
    Fault(
        "pg_cron's job deleted, then the worker killed",
        pg_cron.job_deleted,
        "health says so within 60 s; the service reaps",
        "taken over",
        quick=False,
        blows=2,
    ),
)
