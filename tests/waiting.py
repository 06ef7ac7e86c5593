"""Bounded polls, for what no event announces."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 30) -> T:
    """The first true answer of `condition`; AssertionError after so many seconds."""
    gives_up_at = time.monotonic() + seconds
    while time.monotonic() < gives_up_at:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"not true within {seconds} s: {condition}")
