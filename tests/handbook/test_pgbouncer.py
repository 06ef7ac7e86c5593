"""Worker and functions through a real pgbouncer in transaction mode, as the handbook says."""

import configparser
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet

from service import logs
from service.config import Config, ConfigError
from service.demo.cluster import as_server_user, server_user
from service.demo.pgbouncer import PROGRAM
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher
from service.google.configuration import Google
from service.postgres.calls import SESSION, Row, Session, connect
from service.simulator import Simulator, generate
from service.worker import worker as worker_module
from service.worker.worker import Worker
from tests.cluster import Cluster
from tests.handbook.handbook import psql, sections
from tests.ports import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.gate

SECTION = "pgbouncer in transaction mode"
USER = "user-42"
# A worker with this poll runs nothing in time unless it hears of it.
NEVER = 300.0


def write_configuration(folder: Path, server: Cluster, port: int) -> Path:
    """The handbook's file, with this machine's places in it."""
    [block] = [block for block in sections()[SECTION] if block.language == "ini"]
    file = configparser.ConfigParser()
    file.read_string(block.code)
    file["databases"] = {"*": f"host=127.0.0.1 port={server.settings['port']}"}
    file["pgbouncer"].update(
        listen_addr="127.0.0.1",
        listen_port=str(port),
        unix_socket_dir="",
        auth_file=str(folder / "userlist.txt"),
    )
    (folder / "userlist.txt").write_text('"test_service" "test"\n"test_app" "test"\n')
    with (folder / "pgbouncer.ini").open("w") as output:
        file.write(output)
    for path in (folder, *folder.iterdir()):
        os.chown(path, *server_user())
    return folder / "pgbouncer.ini"


def answers(url: str) -> bool:
    try:
        connect(url, "test").close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def through_pgbouncer(server: Cluster, fresh: str) -> Iterator[Callable[[str], str]]:
    """The URL of a login of this test's database, by way of pgbouncer."""
    if PROGRAM is None:
        pytest.skip("pgbouncer is not installed: docker/install-postgres.sh --with-pgbouncer")
    port = free_port()
    # Where the server's user may enter, which tmp_path is not.
    folder = Path(server.base_dir) / f"pgbouncer-{port}"
    folder.mkdir(mode=0o700)
    command = [PROGRAM, "--quiet", str(write_configuration(folder, server, port))]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(as_server_user(command), stdout=log, stderr=log)

    def url(name: str) -> str:
        return f"postgresql://test_{name}:test@127.0.0.1:{port}/{fresh}"

    try:
        wait_until(lambda: process.poll() is not None or answers(url("service")))
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def timeouts(server: Cluster, fresh: str) -> None:
    """The session's settings, which pgbouncer does not hand on, given to the login role."""
    [block] = [block for block in sections()[SECTION] if block.login == "superuser"]
    psql(server.url(fresh), block.code.replace("gmail_sync_login", "test_service"))


@pytest.mark.parametrize(("direct", "poll"), [(True, NEVER), (False, 2.0)])
def test_a_sync_completes_by_notifications_on_the_direct_url_or_else_by_the_poll(
    through_pgbouncer: Callable[[str], str],
    timeouts: None,
    fresh: str,
    login: Callable[[str, str], str],
    monkeypatch: pytest.MonkeyPatch,
    direct: bool,
    poll: float,
) -> None:
    monkeypatch.setattr(worker_module, "POLL_SECONDS", poll)
    functions = Session(through_pgbouncer("service"), "test")
    cipher = CredentialCipher([Fernet.generate_key().decode()])
    with Simulator() as simulator:
        simulator.add_mailbox("someone@example.com", "access", "refresh").load(generate(300))
        sealed = cipher.encrypt({"token": "access"})
        functions.value("connect_account", USER, "someone@example.com", sealed, "unlimited")
        google = Google(GmailApi(simulator.url), f"{simulator.url}/token", None, None, cipher)
        url = through_pgbouncer("service")
        listen_url = login(fresh, "service") if direct else ""
        worker = Worker(url, google, 2, logs.configure("warning"), listen_url)
        worker.start()
        try:
            if direct:
                wait_until(lambda: listeners(listen_url))
            # The first one may be there before the worker has looked for the first time.
            runs = [sync(functions) for _ in range(3)]
        finally:
            worker.stop()
    functions.close()

    assert [run["outcome"] for run in runs] == ["succeeded"] * 3
    assert runs[0]["current_stats"]["new"] == 300


def sync(functions: Session) -> Row:
    """The run of USER that was asked for, once it has ended."""
    task_id = functions.value("start_sync_idempotent", USER)

    def ended() -> Row | None:
        run = functions.row("sync_run", task_id)
        return run if run and not run["is_syncing"] else None

    return wait_until(ended) or {}


def listeners(url: str) -> list[str]:
    """As whom workers have said LISTEN."""
    with connect(url, "test") as connection:
        rows = connection.execute(
            "select usename from pg_stat_activity where query like 'listen gmail_sync%'"
            " and state = 'idle' and datname = current_database()"
        ).fetchall()
    return [row["usename"] for row in rows]


def test_a_worker_process_listens_where_it_is_told(
    fresh: str, login: Callable[[str, str], str], server: Cluster
) -> None:
    environment = {
        "DATABASE_URL": login(fresh, "service"),
        "GMAIL_SYNC_LISTEN_URL": login(fresh, "dba"),
        "GMAIL_SYNC_CREDENTIALS_KEYS": Fernet.generate_key().decode(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "worker"], env={**os.environ, **environment}
    )
    try:
        wait_until(lambda: listeners(server.url(fresh)) == ["test_dba"])
    finally:
        process.terminate()
        assert process.wait(60) == 0


def test_a_url_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_environment({"DATABASE_URL": "", "GMAIL_SYNC_LISTEN_URL": "postgresql:/x"})
    assert any(error.startswith("GMAIL_SYNC_LISTEN_URL ") for error in caught.value.errors)


def test_an_application_calls_through_pgbouncer_from_many_connections(
    through_pgbouncer: Callable[[str], str],
) -> None:
    started: set[object] = set()
    for _ in range(30):
        with connect(through_pgbouncer("app"), "test") as connection:
            row = connection.execute("select gmail_sync.start_sync_idempotent('ann')").fetchone()
            assert row is not None
            started.update(row.values())
    assert len(started) == 1


def test_the_role_brings_the_settings_that_pgbouncer_drops(
    through_pgbouncer: Callable[[str], str], timeouts: None, fresh: str, login: Callable[..., str]
) -> None:
    def settings(url: str) -> list[object]:
        with connect(url, "test") as connection:
            # Load PL/pgSQL, so that its settings have their defaults.
            connection.execute("do $$ begin end $$")
            return [connection.execute(f"show {name}".encode()).fetchone() for name in SESSION]

    assert settings(through_pgbouncer("service")) == settings(login(fresh, "service"))
