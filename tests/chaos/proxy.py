"""A wire that can be cut: TCP to a port of this machine, with the faults of a network on demand."""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

Direction = Literal["there", "back"]

# Closing a socket with it shows the other side that the connection broke (RST), not that it ended.
LINGER_NOT = struct.pack("ii", 1, 0)
START_SECONDS = 10
CHUNK = 1 << 16


class Proxy:
    """Forwards between clients of `port` and `target_port`; its methods are for other threads.

    It listens on a free port of this machine, unless it gets a socket that listens elsewhere.
    """

    def __init__(self, target_port: int, listening: socket.socket | None = None) -> None:
        self.port = 0
        self._target_port = target_port
        self._listening = listening
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(START_SECONDS)

    def hold(self, *directions: Direction) -> None:
        """A black hole: what is sent there (or back, or both) waits, also over new connections."""
        for each in directions:
            self._in_loop(self._open[each].clear)

    def delay(self, seconds: float) -> None:
        """Each piece takes so much longer on its way."""
        self._delay = seconds

    def reset(self) -> None:
        """Break every connection; what waits in them is lost."""
        self._in_loop(self._break_all)

    def heal(self) -> None:
        """Forward all again, what waited first."""
        self._delay = 0.0
        for gate in self._open.values():
            self._in_loop(gate.set)

    def _in_loop(self, action: Callable[[], object]) -> None:
        """Do it in the thread of the connections, and wait until it is done."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(action)
        self._loop.call_soon_threadsafe(done.set)
        assert done.wait(START_SECONDS)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._open = {"there": asyncio.Event(), "back": asyncio.Event()}
        for gate in self._open.values():
            gate.set()
        listening = self._listening or socket.create_server(("127.0.0.1", 0))
        server = await asyncio.start_server(self._connected, sock=listening)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        self._break_all()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _break(writer)
            return
        self._writers |= {writer, far[1]}
        with suppress(asyncio.CancelledError):
            await asyncio.gather(
                self._pump(reader, far[1], self._open["there"].wait),
                self._pump(far[0], writer, self._open["back"].wait),
            )
        self._writers -= {writer, far[1]}

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        may_pass: Callable[[], Awaitable[object]],
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await may_pass()
                await asyncio.sleep(self._delay)
                writer.write(data)
                await writer.drain()
            await may_pass()
        writer.close()

    def _break_all(self) -> None:
        for writer in self._writers:
            _break(writer)


def _break(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
