"""Faults of our own processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1

from service.simulator import Fault as GmailFault
from tests.chaos.host import BLOCKED_SECONDS
from tests.chaos.site import PATIENCE_SECONDS
from tests.chaos.trial import Scene
from tests.waiting import wait_until

DRAIN_SECONDS = 10


@contextmanager
def killed(scene: Scene) -> Iterator[None]:
    holder = scene.holder()
    holder.signal(SIGKILL)
    holder.wait(10)
    holder.start()
    yield


@contextmanager
def drained(scene: Scene) -> Iterator[None]:
    holder = scene.holder()
    holder.signal(SIGTERM)
    assert holder.wait(DRAIN_SECONDS) == 0
    holder.start()
    yield
    assert scene.run()["outcome"] == "superseded"
    assert scene.witness.now["attempt"] == 1


@contextmanager
def stopped_past_its_lease(scene: Scene) -> Iterator[None]:
    late = scene.holder()
    late.signal(SIGSTOP)
    try:
        scene.wait_for_another_run()
    finally:
        late.signal(SIGCONT)
    yield
    wait_until(lambda: "run dropped" in late.log(), PATIENCE_SECONDS)


@contextmanager
def fetch_hangs(scene: Scene) -> Iterator[None]:
    faults = scene.site.simulator.faults
    hang = faults.add(GmailFault("batch", "hang", count=2))
    try:
        yield
    finally:
        faults.remove(hang.number)
    assert "No progress" in scene.run()["error_message"]


@contextmanager
def event_loop_blocked(scene: Scene) -> Iterator[None]:
    holder = scene.holder()
    holder.signal(SIGUSR1)
    yield
    assert holder.kind != "serve" or not holder.answers(seconds=BLOCKED_SECONDS / 4)
