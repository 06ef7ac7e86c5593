"""Bounded polls, for what no event announces.

The bound ends a test that would fail anyway. So it is far above what a machine that others keep
busy takes, and no test has a shorter one.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 120


def wait_until(condition: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """The first true answer of `condition`; AssertionError after so many seconds."""
    gives_up_at = time.monotonic() + seconds
    while time.monotonic() < gives_up_at:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not true within {seconds} s: {condition}")
