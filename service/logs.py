"""Structured logs on stderr: one JSON object a line, or colours on a terminal.

A log must never harm what it reports on. A line that cannot be written is dropped and counted.
"""

import io
import logging
import os
import select
import sys
import threading
from typing import TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

# How long one line waits for a reader that is slow. While it stays slow, the others do not wait.
STALL_MILLISECONDS = 100


class DroppedLines:
    """The number of lines that this process could not write."""

    def __init__(self) -> None:
        # Reentrant, because the garbage collector may print a warning at any moment.
        self._lock = threading.RLock()
        self.total = 0

    def add(self) -> None:
        with self._lock:
            self.total += 1


# A process has one stderr, and so one count.
dropped = DroppedLines()


class LogStream(io.TextIOBase):
    """A stream whose `write` neither raises nor waits long. `stream` is None if it was closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._encoding = stream.encoding if stream else "utf-8"
        # A copy: a connection that gets the number of a closed stderr must not get its lines too.
        self._fd = os.dup(stream.fileno()) if stream else None
        self._poll = select.poll()
        if self._fd is not None:
            self._poll.register(self._fd, select.POLLOUT)
        self._lock = threading.RLock()
        self._stalled = False
        self._torn = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._fd is not None and os.isatty(self._fd)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        line = text.encode(self._encoding, "backslashreplace")
        if line:
            with self._lock:
                self._write(line)
        return len(text)

    def _write(self, line: bytes) -> None:
        """Write a line; after one that was cut off, on a line of its own."""
        rest = b"\n" + line if self._torn else line
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
                self._torn = bool(rest)
        except Exception:
            dropped.add()

    def _write_some(self, line: bytes) -> int:
        if self._fd is None:
            raise BrokenPipeError
        # The stream may be a pipe that blocks. If poll finds room, PIPE_BUF bytes do not block.
        ready = self._poll.poll(0 if self._stalled else STALL_MILLISECONDS)
        self._stalled = not ready
        if self._stalled:
            raise BlockingIOError
        return os.write(self._fd, line[: select.PIPE_BUF])


def take_over_stderr() -> None:
    """Make stderr a LogStream, for tracebacks and warnings as well as for our own lines."""
    # A connection must not get the number of a standard stream that is closed.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stderr = LogStream(sys.stderr)


def configure(level: str = "info") -> FilteringBoundLogger:
    """Set up structlog and return the process's logger; `level` is a level name of `logging`."""
    renderer: Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            _dropping(
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                renderer,
            )
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    logger: FilteringBoundLogger = structlog.get_logger()
    # Without a handler, Python prints the warnings of libraries as bare text.
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler(logger)])
    return logger


class _LibraryHandler(logging.Handler):
    """Writes what libraries log as lines of ours.

    A line is written once a second: asyncio logs thousands if there are no more file descriptors.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__()
        self._log = log
        self._last = ("", "", 0)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            this = (record.name, record.getMessage(), int(record.created))
            if this == self._last:
                return
            self._last = this
            self._log.log(
                record.levelno,
                record.getMessage(),
                logger=record.name,
                exc_info=record.exc_info,
            )
        except Exception:
            dropped.add()


def _dropping(*processors: Processor) -> Processor:
    """One processor that applies all of these, and drops a line that one of them refuses."""

    def process(logger: WrappedLogger, method: str, event: EventDict) -> str:
        result = event
        try:
            for processor in processors:
                result = processor(logger, method, result)  # type: ignore[assignment]
        except Exception:
            dropped.add()
            raise structlog.DropEvent from None
        return result  # type: ignore[return-value]

    return process
