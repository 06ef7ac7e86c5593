"""Reads exports and stages their messages in Postgres.

This process reads the files and asks which messages are unknown; others parse and stage those. As
many batches as there are processes are in memory.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from service.mailbox.staging_processes import StagingProcesses
from service.postgres.calls import FunctionCaller
from service.takeout.exports import Export
from service.takeout.imported import ImportableMessage
from service.takeout.message import TakeoutError

BATCH_MESSAGES = 200
BATCH_BYTES = 4 << 20


@dataclass
class Counts:
    """Numbers of messages: `read` is the sum of the others.

    `staged` ones were neither stored nor staged before. `waiting` ones were staged by an earlier
    import. `inexact` ones have to be fetched from Gmail. `problems` are those of files.
    """

    read: int = 0
    stored: int = 0
    waiting: int = 0
    staged: int = 0
    inexact: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def to_join(self) -> int:
        """What waits for a full sync."""
        return self.staged + self.waiting


class ExportReader:
    """Counts the messages of exports, and finds those that are neither stored nor staged.

    on_read is called with each export and how far it is read. A file that is broken does not keep
    the others from being read.
    """

    def __init__(
        self,
        caller: FunctionCaller,
        user_id: str,
        exports: Iterable[Export],
        on_read: Callable[[Export, int], None] = lambda export, position: None,
    ) -> None:
        self.counts = Counts()
        self._caller = caller
        self._user_id = user_id
        self._exports = exports
        self._on_read = on_read

    def count(self) -> Counts:
        """What `stage` would do, without a change."""
        for batch in self._unknown():
            self.counts.staged += len(batch)
        return self.counts

    def stage(self, processes: StagingProcesses) -> Counts:
        """Stage the unknown messages. Called again after an interruption, it continues."""
        for batch in self._unknown():
            processes.stage(batch)
        done = processes.finish()
        self.counts.staged = done.staged
        self.counts.inexact += done.unreadable
        return self.counts

    def _unknown(self) -> Iterator[list[ImportableMessage]]:
        for batch in self._batches():
            known = {
                row["import_key"]: row["stored"]
                for row in self._caller.rows(
                    "list_known_imports", self._user_id, [message.key for message in batch]
                )
            }
            stored = sum(known.values())
            self.counts.stored += stored
            self.counts.waiting += len(known) - stored
            yield [message for message in batch if message.key not in known]

    def _batches(self) -> Iterator[list[ImportableMessage]]:
        batch: dict[str, ImportableMessage] = {}
        size = 0
        for message in self._importable():
            batch[message.key] = message
            size += len(message.raw)
            if len(batch) == BATCH_MESSAGES or size >= BATCH_BYTES:
                yield list(batch.values())
                batch, size = {}, 0
        yield list(batch.values())

    def _importable(self) -> Iterator[ImportableMessage]:
        for export in self._exports:
            try:
                for message in export.messages():
                    self.counts.read += 1
                    self._on_read(export, message.position)
                    importable = ImportableMessage.of(message)
                    if importable is None:
                        self.counts.inexact += 1
                    else:
                        yield importable
            except TakeoutError as error:
                self.counts.problems.append(str(error))
