"""The workers of a process: one at each node.

They share nothing but the process, so a node that is down or hangs stops its own users' syncs.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from structlog.typing import FilteringBoundLogger

from service.config import Node
from service.google.configuration import Google
from service.threads import LongLivedThread
from service.webhooks.addresses import Network
from service.worker.worker import Worker


class Workers:
    """Executes up to `concurrency` runs at once at each node."""

    def __init__(
        self,
        nodes: Sequence[Node],
        google: Google,
        concurrency: int,
        log: FilteringBoundLogger,
        webhook_networks: Collection[Network] = (),
    ) -> None:
        slots: list[LongLivedThread] = []
        self._workers = [
            Worker(
                node.url,
                google,
                concurrency,
                log.bind(**node.log_fields),
                node.listen_url,
                webhook_networks,
                slots,
            )
            for node in nodes
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def drain(self) -> None:
        """Stop claiming and start to hand over the active runs. Does not wait."""
        for worker in self._workers:
            worker.drain()

    def stop(self) -> None:
        """Drain, and wait for all nodes at once."""
        with ThreadPoolExecutor(len(self._workers)) as threads:
            list(threads.map(Worker.stop, self._workers))
