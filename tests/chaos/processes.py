"""Faults of our own processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1
from unittest import SkipTest

from service.simulator import Fault as GmailFault
from tests.chaos.host import BLOCKED_SECONDS, Host
from tests.chaos.trial import Scene
from tests.waiting import wait_until

DRAIN_SECONDS = 10
HOUR = 3600


@contextmanager
def killed(scene: Scene) -> Iterator[None]:
    kill(scene.holder())
    yield


def kill(host: Host) -> None:
    """kill -9, and a new process as a supervisor would start it."""
    host.signal(SIGKILL)
    host.wait(10)
    host.start()


@contextmanager
def drained(scene: Scene) -> Iterator[None]:
    _drain(scene.holder())
    yield
    assert scene.run()["outcome"] == "superseded"
    assert scene.witness.now["attempt"] == 1


def _drain(host: Host) -> None:
    host.signal(SIGTERM)
    assert host.wait(DRAIN_SECONDS) == 0
    host.start()


@contextmanager
def stopped_past_its_lease(scene: Scene) -> Iterator[None]:
    late = scene.holder()
    late.signal(SIGSTOP)
    try:
        scene.wait_for_another_run()
    finally:
        late.signal(SIGCONT)
    yield
    wait_until(lambda: "run dropped" in late.log())


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
    faults = scene.site.simulator.faults
    hang = faults.add(GmailFault("batch", "hang"))
    try:
        holder = scene.holder()
        if holder.kind != "serve":
            _drain(holder)
            scene.wait_for_another_run()
            holder = scene.holder()
        task_id = scene.witness.now["task_id"]
        holder.signal(SIGUSR1)
        assert not holder.answers(BLOCKED_SECONDS / 4)
    finally:
        faults.remove(hang.number)
    yield
    assert not holder.answers(BLOCKED_SECONDS / 8)
    assert scene.witness.now["task_id"] == task_id


@contextmanager
def clocks_an_hour_off(scene: Scene) -> Iterator[None]:
    """The one host is an hour fast, the other an hour slow."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise SkipTest("libfaketime is not installed")
    holder = scene.holder()
    try:
        for host, seconds in ((scene.site.other(holder), -HOUR), (holder, HOUR)):
            host.kill()
            host.start(
                LD_PRELOAD=str(library), FAKETIME=f"{seconds:+d}s", FAKETIME_DONT_FAKE_MONOTONIC="1"
            )
        yield
    finally:
        for host in scene.site.hosts:
            kill(host)
