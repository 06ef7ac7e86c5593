"""Counters of the requests to the simulator."""

import threading
from collections import Counter
from typing import Any


class RequestLog:
    """Thread-safe counters; batch parts are counted under their own methods.

    methods: by method. statuses: by "method status". tokens: by access token. fetched: by message
    id, how often its content was sent in a whole answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self.methods: Counter[str] = Counter()
            self.statuses: Counter[str] = Counter()
            self.tokens: Counter[str] = Counter()
            self.fetched: Counter[str] = Counter()

    def answered(self, method: str, status: int, token: str) -> None:
        with self._lock:
            self.methods[method] += 1
            self.statuses[f"{method} {status}"] += 1
            if token:
                self.tokens[token] += 1

    def delivered(self, message_ids: tuple[str, ...]) -> None:
        with self._lock:
            self.fetched.update(message_ids)

    def fetched_twice(self) -> dict[str, int]:
        """Messages fetched more than once, with how often."""
        with self._lock:
            return {key: count for key, count in self.fetched.items() if count > 1}

    def snapshot(self) -> dict[str, Any]:
        with self._lock:
            return {
                "methods": dict(self.methods),
                "statuses": dict(self.statuses),
                "tokens": dict(self.tokens),
                "fetched": dict(self.fetched),
            }
