"""Faults of our own processes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2
from tempfile import TemporaryDirectory
from unittest import SkipTest

from service.simulator import Fault as GmailFault
from tests.chaos.host import Host
from tests.chaos.trial import Scene
from tests.waiting import wait_until

# A worker's own limit is 10 s; a busy machine then takes its time to end the process.
DRAIN_SECONDS = 60
# How long a server may take to answer before it counts as blocked.
ANSWER_SECONDS = 1.0


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
    try:
        assert host.wait(DRAIN_SECONDS) == 0
    finally:
        host.kill()
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
        assert not holder.answers(ANSWER_SECONDS)
    finally:
        faults.remove(hang.number)
    try:
        yield
        assert not holder.answers(ANSWER_SECONDS)
    finally:
        holder.signal(SIGUSR2)
    assert scene.witness.now["task_id"] == task_id


@contextmanager
def clocks_an_hour_off(scene: Scene) -> Iterator[None]:
    """The one host is an hour fast, the other an hour slow."""
    holder = scene.holder()
    library = _faketime()
    with replaced(scene, lambda host: {**library, "FAKETIME": _hours(1 if host is holder else -1)}):
        yield


@contextmanager
def clocks_jump(scene: Scene) -> Iterator[None]:
    """Those of processes that run: an hour on, and then two back."""
    with TemporaryDirectory() as folder:
        clock = Path(folder) / "clock"
        clock.write_text(_hours(0))
        faked = {
            **_faketime(), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"
        }  # fmt: skip
        with replaced(scene, lambda _: faked):
            scene.wait_for_another_run()
            holder = scene.holder()
            task_id = scene.witness.now["task_id"]
            for hours in (1, -1):
                clock.write_text(_hours(hours))
                wait_until(partial(_has_written_at, holder, hours))
                scene.go_on()
            assert scene.witness.now["task_id"] == task_id, scene.run()
            yield


@contextmanager
def replaced(scene: Scene, environment: Callable[[Host], Mapping[str, str]]) -> Iterator[None]:
    """Both hosts run in processes that have something more in their environment."""
    holder = scene.holder()
    try:
        for host in (scene.site.other(holder), holder):
            host.kill()
            host.start(**environment(host))
        yield
    finally:
        for host in scene.site.hosts:
            kill(host)


def _faketime() -> dict[str, str]:
    """What gives a process a clock that is wrong. Raises SkipTest."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise SkipTest("libfaketime is not installed")
    return {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def _has_written_at(host: Host, hours: int) -> bool:
    """Whether a host has logged anything at a time that is so far from ours."""
    return f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%dT%H:%M:}" in host.log()


def _hours(hours: int) -> str:
    return f"{hours:+d}h"
