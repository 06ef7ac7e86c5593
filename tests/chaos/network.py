"""Faults of the wires between a worker and Postgres, and between a worker and Gmail."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

from tests.chaos.proxy import Proxy
from tests.chaos.trial import Scene
from tests.waiting import wait_until

Wire = Literal["postgres", "gmail"]

# How long a wire without a lease to outlive stays broken, and how slow a slow one is, in seconds.
HOLE_SECONDS = 1.5
SLOW_SECONDS = 0.02


def _wire(scene: Scene, name: Wire) -> Proxy:
    """The one of the host that has the run."""
    wire: Proxy = getattr(scene.holder(), name)
    return wire


def reset(name: Wire) -> Callable[[Scene], AbstractContextManager[None]]:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        _wire(scene, name).reset()
        yield

    return strike


def black_hole(name: Wire) -> Callable[[Scene], AbstractContextManager[None]]:
    """Shorter than any timeout: whatever was sent arrives in the end."""

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        wire = _wire(scene, name)
        wire.hold("there", "back")
        time.sleep(HOLE_SECONDS)
        wire.heal()
        yield

    return strike


def answers_lost(name: Wire) -> Callable[[Scene], AbstractContextManager[None]]:
    """What is asked is done, and nobody hears of it."""

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        wire = _wire(scene, name)
        wire.hold("back")
        time.sleep(HOLE_SECONDS)
        wire.reset()
        wire.heal()
        yield

    return strike


def slow(name: Wire) -> Callable[[Scene], AbstractContextManager[None]]:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        wire = _wire(scene, name)
        wire.delay(SLOW_SECONDS)
        try:
            yield
            time.sleep(HOLE_SECONDS)
        finally:
            wire.heal()

    return strike


@contextmanager
def cut_off_from_postgres(scene: Scene) -> Iterator[None]:
    """Past the lease: its holder must stop by itself, because no message reaches it."""
    holder = scene.holder()
    holder.postgres.hold("there", "back")
    try:
        scene.wait_for_another_run()
    finally:
        holder.postgres.heal()
    yield
    wait_until(lambda: "run dropped" in holder.log())
