"""Processes that parse messages of an export and stage them, each over a session of its own."""

import multiprocessing
import os
import signal
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import NamedTuple, Self

import psycopg
from psycopg.types.json import Jsonb

from service.postgres.calls import FunctionCaller, Session, is_outage
from service.takeout.imported import (
    ImportableMessage,
    ImportedMessage,
    parse_message,
    to_json,
)

# More would wait for Postgres.
MAX_PROCESSES = 4


@dataclass(frozen=True)
class Destination:
    """Whose mail is staged. `url` and `name` are those of the sessions."""

    url: str
    name: str
    user_id: str
    email: str
    keep_raw: bool


class Done(NamedTuple):
    """Numbers of messages; `unreadable` ones are left to be fetched from Gmail."""

    staged: int
    unreadable: int


class StagingProcesses:
    """Each stages one batch at a time. They end with this process, however it ends."""

    def __init__(self, destination: Destination) -> None:
        # A new interpreter, because a fork would inherit the threads' locks and all pipes: then a
        # process would not notice the end of this one.
        spawn = multiprocessing.get_context("spawn")
        self._processes: list[BaseProcess] = []
        self._idle: list[Connection] = []
        self._busy: list[Connection] = []
        self._staged = self._unreadable = 0
        for _ in range(min(MAX_PROCESSES, os.cpu_count() or 1)):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(theirs, destination), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._idle.append(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connection in (*self._idle, *self._busy):
            connection.close()
        for process in self._processes:
            # A batch that is being staged is staged to its end.
            process.join()

    def stage(self, batch: list[ImportableMessage]) -> None:
        """Have a batch staged once a process is idle. Raises the error of an earlier batch."""
        if not batch:
            return
        if not self._idle:
            self._wait()
        connection = self._idle.pop()
        self._busy.append(connection)
        connection.send(batch)

    def finish(self) -> Done:
        """What was staged, once all batches are."""
        while self._busy:
            self._wait()
        return Done(self._staged, self._unreadable)

    def _wait(self) -> None:
        for connection in wait(self._busy):
            assert isinstance(connection, Connection)
            try:
                answer = connection.recv()
            except EOFError:
                raise ChildProcessError("a process that stages messages was killed") from None
            if isinstance(answer, Exception):
                raise answer
            self._staged += answer.staged
            self._unreadable += answer.unreadable
            self._busy.remove(connection)
            self._idle.append(connection)


def _serve(batches: Connection, destination: Destination) -> None:
    """Stage batches until the other end is closed."""
    # Ctrl-C reaches the whole group. The parent ends what is to be ended.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with closing(Session(destination.url, destination.name)) as session:
        while True:
            try:
                batch = batches.recv()
            except EOFError:
                return
            try:
                answer: Done | Exception = _stage(session, destination, batch)
            except Exception as error:
                answer = error
            try:
                batches.send(answer)
            except BrokenPipeError:
                return


def _stage(
    caller: FunctionCaller, destination: Destination, batch: list[ImportableMessage]
) -> Done:
    parsed = [(message.raw, parse_message(message)) for message in batch]
    staged = _store(caller, destination, [(raw, each) for raw, each in parsed if each])
    return Done(staged, len(batch) - staged)


def _store(
    caller: FunctionCaller,
    destination: Destination,
    messages: list[tuple[bytes, ImportedMessage]],
) -> int:
    """Stage messages together, or one by one when Postgres rejects one of them."""
    try:
        caller.value(
            "stage_imported_messages",
            destination.user_id,
            destination.email,
            Jsonb([message for _, message in messages], to_json),
            [raw if destination.keep_raw else None for raw, _ in messages],
        )
    except psycopg.Error as error:
        if is_outage(error):
            raise
        if len(messages) == 1:
            return 0
        return sum(_store(caller, destination, [message]) for message in messages)
    return len(messages)
