"""gmail-sync monitor: in a terminal of its own, and for scripts."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from service.postgres.calls import Connection, Session
from tests.cli.test_commands import command, plain_environment, run
from tests.cluster import Cluster
from tests.waiting import wait_until

USER = "60f2ccbd-d754-4fa0-aa4d-35a7d6551d38"
# What a terminal receives: to the top left; the other screen and back; hide the cursor and show it.
HOME = "\x1b[H"
OTHER_SCREEN, BACK = "\x1b[?1049h", "\x1b[?1049l"
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """gmail-sync monitor in a terminal of its own."""

    def __init__(self, columns: int, lines: int, database_url: str, *options: str) -> None:
        self._columns, self._lines = columns, lines
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = plain_environment({"DATABASE_URL": database_url, "TERM": "xterm-256color"})
        for size in ("COLUMNS", "LINES"):
            environment.pop(size, None)
        self.process = subprocess.Popen(
            command("monitor", *options),
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._output = b""

    def output(self) -> str:
        """All it has written so far."""
        while select.select([self._ours], [], [], 0)[0]:
            try:
                self._output += os.read(self._ours, 65536)
            except OSError:  # it has ended
                break
        return self._output.decode(errors="replace").replace("\r", "")

    def screen(self) -> list[str]:
        """The lines of the last whole frame, with their colours."""
        for frame in reversed(self.output().split(HOME)):
            lines = frame.split("\n")
            if len(lines) >= self._lines and len(plain(lines[self._lines - 1])) >= self._columns:
                return lines[: self._lines]
        return []

    def text(self) -> str:
        return plain("\n".join(self.screen()))

    def shows(self, *words: str) -> str:
        """The text of the first frame that has all of these words."""

        def shown() -> str:
            text = self.text()
            return text if all(word in text for word in words) else ""

        return wait_until(shown)

    def line(self, start: str) -> str:
        """The line of the screen that starts so."""
        (line,) = [line for line in self.text().splitlines() if line.startswith(start)]
        return line.rstrip()

    def end(self, stop: signal.Signals) -> int:
        self.process.send_signal(stop)
        return self.process.wait(60)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


def plain(text: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.fixture
def terminal(service_url: str) -> Iterator[Any]:
    opened: list[Terminal] = []

    def open_terminal(columns: int = 100, lines: int = 30, *options: str) -> Terminal:
        opened.append(Terminal(columns, lines, service_url, *options))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


@pytest.fixture
def runs(functions: Session, db: Connection) -> None:
    """A queued run, a claimed one, and a zombie halfway."""
    functions.value("connect_account", "ann", "ann@mail.example", b"sealed", "unlimited")
    functions.value("start_sync_idempotent", "ann")
    worker = uuid.uuid4()
    functions.rows("worker_heartbeat", worker, "1.0", 4)
    functions.value("claim_sync", worker)
    functions.value("start_sync_idempotent", "bob")
    functions.value("run_reaper", "service")
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id, updated_at, phase,"
        " progress_percentage, found, new, pending) values (%s, %s, now() - interval '95 s',"
        " 'fetching', 45, 1200, 540, 660)",
        [f"sync_{USER}_0badc0de_1753133270", USER],
    )


@pytest.mark.usefixtures("runs")
def test_the_table_shows_runs_heartbeats_and_why_syncs_are_not_healthy(terminal: Any) -> None:
    opened = terminal(100)
    text = opened.shows("540/1200", "bob", "ann")

    zombie, claimed, queued = (opened.line(user) for user in (USER[:9], "ann", "bob"))
    assert re.search(r" 0badc0de_\S+ +fetching +[━╸╺]+ +45 +540/1200 +(9|1\d)\d s$", zombie)
    assert re.search(r" [0-9a-f]{8}_\S+ +listing +[━╸╺]+ +0 +0/0 +\d+ s$", claimed)
    assert re.search(r" queued +[━╸╺]+ +0 +0/0$", queued)
    assert text.startswith("gmail-sync  unhealthy  ")
    assert "- 1 running sync(s) have lost their worker" in text
    assert re.search(
        r"service \d+ s ago \| workers: 1 \| running: 2 \| queue: 1, oldest \d+ s", text
    )


@pytest.mark.usefixtures("runs")
def test_a_heartbeat_above_the_timeout_is_red_and_no_other(terminal: Any) -> None:
    opened = terminal()
    opened.shows("540/1200")

    red = [line for line in opened.screen() if re.search(r"\x1b\[1;31m *\d+ s", line)]
    assert [plain(line)[:8] for line in red] == [USER[:8]]


@pytest.mark.usefixtures("runs")
def test_eighty_columns_are_enough(terminal: Any) -> None:
    opened = terminal(80)
    opened.shows("540/1200")

    for whole in ("task ", "phase ", "progress ", " done/found ", " heartbeat"):
        assert whole in opened.line("user ")
    assert re.search(r" 0badc0\S+ +fetching .* 45 +540/1200 +\d+ s$", opened.line(USER[:9]))


def test_runs_that_do_not_fit_are_counted(terminal: Any, db: Connection) -> None:
    db.execute(
        "insert into gmail_sync.user_sync_status (task_id, user_id)"
        " select 'task ' || n, 'user ' || n from generate_series(1, 250) n"
    )
    lines = terminal(100, 30).shows("more").splitlines()

    shown = sum(line.startswith("user ") for line in lines) - 1  # the table's head
    assert shown > 5
    assert lines[-1].strip() == f"and {250 - shown} more"


def test_the_table_is_refreshed_as_runs_come_and_go(terminal: Any, functions: Session) -> None:
    opened = terminal()
    opened.shows("no runs")
    task_id = functions.value("start_sync_idempotent", "ann")
    opened.shows("ann", "queued")
    functions.value("cancel_sync", task_id)
    opened.shows("no runs")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_status_0_and_leaves_the_terminal_clean(
    terminal: Any, stop: signal.Signals
) -> None:
    opened = terminal()
    opened.shows("no runs")

    assert opened.end(stop) == 0
    output = opened.output()
    assert output.count(OTHER_SCREEN) == 1
    assert output.rindex(BACK) > output.rindex(OTHER_SCREEN)
    assert output.rindex(SHOW) > output.rindex(HIDE)
    assert "Traceback" not in output


def set_reachable(cluster: Cluster, database: str, reachable: bool) -> None:
    """Let the database refuse everybody, or take them back."""
    name = sql.Identifier(database)
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as server:
        server.execute(
            sql.SQL("alter database {} allow_connections {}").format(name, sql.Literal(reachable))
        )
        if not reachable:
            server.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                [database],
            )


@pytest.mark.usefixtures("runs")
def test_it_outlives_an_outage_and_says_so(
    terminal: Any, cluster: Cluster, database: str, functions: Session
) -> None:
    opened = terminal()
    opened.shows("540/1200")
    set_reachable(cluster, database, False)
    try:
        text = opened.shows("the database does not answer")
        assert "540/1200" in text
        assert re.search(r"as of \d\d:\d\d:\d\d UTC:", text)
    finally:
        set_reachable(cluster, database, True)
    wait_until(lambda: "does not answer" not in opened.text())
    functions.close()
    functions.value("start_sync_idempotent", "carol")
    opened.shows("carol")
    assert opened.end(signal.SIGINT) == 0


def test_scripts_get_a_line_each_interval_through_an_outage(
    service_url: str, cluster: Cluster, database: str, tmp_path: Path
) -> None:
    printed = tmp_path / "printed"
    with printed.open("wb") as file:
        process = subprocess.Popen(
            command("monitor", "--interval", "0.1"),
            env=plain_environment({"DATABASE_URL": service_url}),
            stdout=file,
            stderr=file,
        )

    def snapshots() -> list[dict[str, Any]]:
        lines = printed.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    try:
        first, second = wait_until(lambda: snapshots()[:2] if len(snapshots()) > 1 else [])
        assert first["timestamp"] != second["timestamp"]
        set_reachable(cluster, database, False)
        away = wait_until(lambda: look if "error" in (look := snapshots()[-1])["health"] else {})
        assert away.keys() == first.keys() == {"timestamp", "health", "runs"}
        assert (away["health"]["healthy"], away["runs"]) == (False, [])
        set_reachable(cluster, database, True)
        wait_until(lambda: "error" not in snapshots()[-1]["health"])
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert snapshots()
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("runs")
def test_one_look_for_scripts_has_health_and_runs_and_a_status(service_url: str) -> None:
    result = run({"DATABASE_URL": service_url}, "monitor", "--once")

    assert result.returncode == 1, result.stderr
    (line,) = result.stdout.splitlines()
    look = json.loads(line)
    assert look["health"]["statistics"]["zombie_tasks"] == 1
    assert {each["user_id"] for each in look["runs"]} == {USER, "ann", "bob"}
    zombie = look["runs"][0]
    assert (zombie["user_id"], zombie["done"], zombie["found"]) == (USER, 540, 1200)
    assert 95 <= zombie["silent_seconds"] < 200


def test_one_look_in_a_terminal_is_printed_and_stays(terminal: Any) -> None:
    opened = terminal(100, 30, "--once")

    assert opened.process.wait(60) == 1
    assert "unhealthy" in opened.output()
    assert OTHER_SCREEN not in opened.output()


def test_a_healthy_look_exits_with_0(service_url: str, db: Connection) -> None:
    # This database is not pg_cron's, of which health complains: replace only that part.
    db.execute(
        "create or replace function gmail_sync._unhealthy_reasons(p_facts gmail_sync._health_facts)"
        " returns text[] language sql as $$ select '{}'::text[] $$"
    )
    result = run({"DATABASE_URL": service_url}, "monitor", "--once", "--json")

    assert (result.returncode, json.loads(result.stdout)["health"]["healthy"]) == (0, True)


def test_a_database_that_is_away_at_the_start_is_a_mistake_told_in_one_line() -> None:
    result = run({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "monitor")

    assert result.returncode == 1
    assert "the database does not answer" in result.stderr
    assert "Traceback" not in result.stderr
