"""How the models search: GMAIL_SYNC_CHAOS=1 searches for many minutes, differently each time."""

import os

from hypothesis import HealthCheck, Phase, settings

LONG = bool(os.environ.get("GMAIL_SYNC_CHAOS"))


def search_settings(max_examples: int, stateful_step_count: int) -> settings:
    return settings(
        max_examples=max_examples,
        stateful_step_count=stateful_step_count,
        derandomize=not LONG,
        print_blob=LONG,
        # To shrink an example takes minutes: do it when you hunt for one.
        phases=[Phase.generate, *([Phase.shrink] if LONG else [])],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
