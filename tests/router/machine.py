"""A machine of its own before a server, whose packets can vanish: a network namespace of Linux."""

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.chaos.proxy import Proxy

NEW_NETWORK = 0x40000000  # CLONE_NEWNET
# For tests of networks (RFC 2544). Each process has addresses of its own.
NETWORK = 198 << 24 | 18 << 16


class Machine:
    """Forwards from `host` and `port` to a port of this machine, until it vanishes.

    As with a server that lost its power or its cable, no packet to it is answered, not even by a
    refusal.
    """

    def __init__(self, target_port: int) -> None:
        self._name, number = f"gmail-sync-{os.getpid()}", os.getpid() & 0x3FFF
        here, self.host = (_address(4 * number + last) for last in (1, 2))
        self._near, self._far = f"gsn{os.getpid()}", f"gsf{os.getpid()}"
        self._here, self._target_port = here, target_port

    @contextmanager
    def running(self) -> Iterator["Machine"]:
        """Skips the test where the namespace cannot be made."""
        if missing := _missing():
            pytest.skip(missing)
        with ExitStack() as down:
            try:
                _ip("netns", "add", self._name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespace can be made here: {error.stderr}")
            # Its end of the link goes with it, and so does ours.
            down.callback(_ip, "netns", "delete", self._name)
            self._link()
            with self._listen() as listening, Proxy(self._target_port, listening) as self._proxy:
                yield self

    @property
    def port(self) -> int:
        return self._proxy.port

    def vanish(self) -> None:
        self._inside("addr", "delete", f"{self.host}/30", "dev", self._far)

    def come_back(self) -> None:
        """With the connections that it had."""
        self._inside("addr", "add", f"{self.host}/30", "dev", self._far)

    def restart(self) -> None:
        """Come back without them. Nobody was notified of their end."""
        self._proxy.reset()
        self.come_back()

    def _link(self) -> None:
        _ip("link", "add", self._near, "type", "veth", "peer", self._far, "netns", self._name)
        _ip("addr", "add", f"{self._here}/30", "dev", self._near)
        _ip("link", "set", self._near, "up")
        self._inside("link", "set", self._far, "up")
        self.come_back()
        # Otherwise this machine would notice that nobody answers, and refuse what is sent.
        shown = self._inside("-brief", "link", "show", self._far)
        _ip("neigh", "replace", self.host, "lladdr", shown.split()[2], "dev", self._near)

    def _inside(self, *arguments: str) -> str:
        return _ip("-netns", self._name, *arguments)

    def _listen(self) -> socket.socket:
        """A socket in the namespace, which only the thread that makes it enters."""

        def listen() -> socket.socket:
            with Path("/run/netns", self._name).open() as namespace:
                if ctypes.CDLL(None).setns(namespace.fileno(), NEW_NETWORK):
                    raise OSError("setns failed")
            return socket.create_server((self.host, 0))

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(listen).result()


def _missing() -> str | None:
    if os.geteuid() != 0:
        return "only root can make a network namespace"
    if shutil.which("ip") is None:
        return "there is no program ip: install iproute2"
    return None


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def _address(number: int) -> str:
    return socket.inet_ntoa((NETWORK + number).to_bytes(4, "big"))
