"""Bounded polls, for what no event announces."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], seconds: float, failure: str) -> None:
    """Until the condition is true. RuntimeError, with this text: it is not within so long."""
    gives_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > gives_up_at:
            raise RuntimeError(f"{failure} within {seconds:.0f} s")
        time.sleep(0.05)
