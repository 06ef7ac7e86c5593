"""The faults of DESIGN.md, section 9."""

from tests.chaos import processes
from tests.chaos.trial import Fault

FAULTS = (
    Fault("worker killed (kill -9)", processes.killed, "", "taken over"),
    Fault(
        "worker stopped past its lease, then continued",
        processes.stopped_past_its_lease,
        "its late writes are refused, it drops the run",
        "taken over",
    ),
    Fault(
        "SIGTERM",
        processes.drained,
        "the process ends within 10 s, no attempt is charged",
        "taken over",
    ),
    Fault(
        "fetch hangs, heartbeat goes on", processes.fetch_hangs, "reaped as stalled", "taken over"
    ),
)
