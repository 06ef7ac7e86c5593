"""What a worker holds while it syncs a large mailbox: it must not grow with the mail.

Resident memory of a worker's own process, read several times a second, by how far its run has
come. It has warmed up when a fifth of the mail is there: pools are open, modules loaded, the
allocator has its arenas. From then on it has to stay where it is.
"""

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import linear_regression, median
from typing import NamedTuple

from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import Installation, gmail, installed

BAR = 1.05
MB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
WARM = 0.2
POLL_SECONDS = 0.1
USER = "user-42"


class Sample(NamedTuple):
    """Resident memory in bytes when so many messages were there."""

    messages: int
    resident: int


def measure() -> Iterator[Figure]:
    with installed() as installation:
        yield from figures(installation, messages=100_000)


def figures(installation: Installation, messages: int) -> Iterator[Figure]:
    with gmail("tiny", messages) as mailbox, installation.database() as database:
        database.connect_user(USER)
        with database.worker(mailbox.url) as worker:
            start = resident(worker)
            task_id = database.start(USER)
            samples = []
            while (run := database.functions.row("sync_run", task_id)) and run["is_syncing"]:
                samples.append(Sample(run["current_stats"]["new"], resident(worker)))
                time.sleep(POLL_SECONDS)
            end = resident(worker)
            run = database.finished(task_id)
    assert run["current_stats"]["new"] == messages
    warm = [sample for sample in samples if sample.messages >= WARM * messages]
    tenth = math.ceil(len(warm) / 10)
    after_warm_up = median(each.resident for each in warm[:tenth])
    at_the_end = median(each.resident for each in warm[-tenth:])
    slope = linear_regression(*zip(*warm, strict=True)).slope
    yield Figure(
        name="memory",
        what=f"a worker's memory at the end of {messages:,} messages",
        beside="its own after a fifth of them",
        value=at_the_end / after_warm_up,
        bar=BAR,
        direction="at most",
        details={
            "messages": messages,
            "start_mb": round(start / MB, 1),
            "after_warm_up_mb": round(after_warm_up / MB, 1),
            "last_tenth_mb": round(at_the_end / MB, 1),
            "end_mb": round(end / MB, 1),
            "slope_bytes_a_message": round(slope, 1),
            "seconds": round((run["finished_at"] - run["claimed_at"]).total_seconds(), 1),
        },
    )


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * PAGE
