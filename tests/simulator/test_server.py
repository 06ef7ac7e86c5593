"""The process, the connections and many clients at once."""

import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.simulator import Mailbox, Simulator
from tests.simulator.conftest import COUNT, EMAIL, TOKEN

RUN = """
from service.simulator import Simulator, run
run(Simulator(), None, 25, "a@mail.example", "secret")
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_run_prints_its_url_serves_and_stops_cleanly(stop: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error", "-c", RUN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            url = re.findall(r"http://127\.0\.0\.1:\d+", line)[0]
            headers = {"Authorization": "Bearer secret"}
            with httpx.Client(headers=headers, timeout=60) as client:
                profile = client.get(f"{url}/gmail/v1/users/me/profile").json()
                assert profile["messagesTotal"] == 25
                process.send_signal(stop)
                assert process.wait(60) == 0
        finally:
            process.kill()


def test_one_connection_serves_many_requests(simulator: Simulator, mailbox: Mailbox) -> None:
    address = simulator.url.removeprefix("http://").split(":")
    request = (
        "GET /gmail/v1/users/me/profile HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n"
    ).encode()
    with socket.create_connection((address[0], int(address[1])), timeout=60) as connection:
        reader = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(request)
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while (line := reader.readline()) != b"\r\n":
                if line.startswith(b"Content-Length"):
                    length = int(line.split(b":")[1])
            assert b"historyId" in reader.read(length)
        reader.close()


def test_stopping_closes_idle_connections() -> None:
    with Simulator() as other:
        address = other.url.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=60) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 404")
            other.stop()
            while idle.recv(1000):
                pass  # the rest of the answer, then the end


def test_a_simulator_that_never_started_can_be_stopped() -> None:
    Simulator().stop()


def test_nonsense_closes_the_connection_and_harms_nobody(
    simulator: Simulator, mailbox: Mailbox, gmail: Any
) -> None:
    address = simulator.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=60) as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert connection.recv(100) == b""
    assert gmail.getProfile(userId="me").execute()["messagesTotal"] == COUNT


def test_clients_at_once_lose_nothing(simulator: Simulator, mailbox: Mailbox) -> None:
    def work(number: int) -> None:
        message_id = mailbox.insert(b"Subject: %d\r\n\r\n" % number)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        base = f"{simulator.url}/gmail/v1/users/{EMAIL}/messages/{message_id}"
        with httpx.Client(headers=headers, timeout=60) as client:
            for verb in ("trash", "untrash", "trash"):
                assert client.post(f"{base}/{verb}").status_code == 200
            assert client.get(base).json()["labelIds"] == ["UNREAD", "TRASH"]

    start = mailbox.history_id
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    changes, _, current = mailbox.changes(start, start, 10_000)
    ids = [change.id for change in changes]
    assert len(ids) == 40 * 4
    assert ids == sorted(set(ids))
    assert current == ids[-1]
    assert mailbox.totals()[0] == COUNT + 40
