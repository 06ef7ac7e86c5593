"""A private Postgres with pg_cron, in a folder of its own, for the demo and the tests.

It runs beside any other Postgres, for root too, and ends with the process that started it.
TCP on 127.0.0.1 asks for a random password. The socket folder, which only the server's user can
enter, asks for none: pg_cron 1.4 logs in there to run its jobs.

Needs the extra `demo` (testing.postgresql).
"""

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg import sql
from testing.postgresql import Postgresql

OLDEST_VERSION = 15
PROGRAMS_VARIABLE = "GMAIL_SYNC_POSTGRES_PROGRAMS"
BOOT_SECONDS = 60  # recovery after an immediate stop included
COMMAND_SECONDS = 60
SHUTDOWN_SECONDS = 10  # for each of:
SHUTDOWN_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)  # fast, immediate, kill


class Cluster(Postgresql):  # type: ignore[misc]  # testing.postgresql has no types
    """A running Postgres and its folder, both gone after `stop()` or the end of a `with` block.

    Linux stops the server when the thread that started (or restarted) it ends, so start it from
    a thread that outlives it. A killed owner leaves the folder behind, never the server.
    """

    child_process: subprocess.Popen[bytes] | None

    def __init__(
        self,
        cron_database: str = "gmail_sync",
        *,
        fsync: bool = True,
        settings: Mapping[str, str] | None = None,
        folder: str | None = None,
    ) -> None:
        """Start an empty cluster that holds `cron_database`, the home of pg_cron (no template).

        `fsync=False` is faster and loses data only with the machine, not with the server.
        `settings` go to postgresql.conf. An empty `folder` may be given, which is then left to its
        owner. Raises RuntimeError if no server is installed or it does not start.
        """
        self.password = secrets.token_urlsafe(24)
        self._cron_database = cron_database
        self._configuration = {
            "cron.database_name": cron_database,
            "fsync": str(fsync),
            "full_page_writes": str(fsync),
            "listen_addresses": "127.0.0.1",
            "log_timezone": "UTC",
            "max_connections": "200",
            "shared_preload_libraries": "pg_cron",
            "timezone": "UTC",
            "unix_socket_permissions": "0700",
            **(settings or {}),
        }
        super().__init__(postgres_args="", boot_timeout=BOOT_SECONDS, base_dir=folder)

    def url(
        self, database: str = "gmail_sync", user: str = "postgres", password: str | None = None
    ) -> str:
        """A libpq URL over TCP; the password is the cluster's own unless another is given."""
        login = f"{quote(user, safe='')}:{quote(password or self.password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.settings['port']}/{quote(database, safe='')}"

    @property
    def socket_folder(self) -> Path:
        return Path(self.base_dir) / "tmp"

    # What testing.postgresql calls.

    def initialize(self) -> None:
        programs = find_programs()
        self.initdb, self.postgres = str(programs / "initdb"), str(programs / "postgres")

    def initialize_database(self) -> None:
        data = Path(self.get_data_directory())
        for folder in (Path(self.base_dir), data, self.socket_folder):
            os.chown(folder, *server_user())
        authentication = ["--auth-local=trust", "--auth-host=scram-sha-256"]
        language = ["--encoding=UTF8", "--locale=C.UTF-8", "--lc-messages=C"]
        where = ["--pgdata", str(data), "--username=postgres", "--no-sync"]
        run_as_server_user([self.initdb, *where, *authentication, *language])
        configuration = {**self._configuration, "cron.host": str(self.socket_folder)}
        with (data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {quoted(value)}\n" for name, value in configuration.items())
        # Before the first start: pg_cron's launcher connects to its database at once.
        run_as_server_user(
            [self.postgres, "--single", "-D", str(data), "postgres"],
            f"alter role postgres password {quoted(self.password)}\n"
            f"create database {sql.Identifier(self._cron_database).as_string()}\n",
        )

    def get_server_commandline(self) -> list[str]:
        return as_server_user(super().get_server_commandline())

    def dsn(self, **parameters: Any) -> dict[str, Any]:
        parameters.setdefault("password", self.password)
        return dict(super().dsn(**parameters))

    def poststart(self) -> None:
        """Does nothing; the base class creates a database `test` here."""

    def terminate(self, *_signals: object) -> None:
        self._shut_down(SHUTDOWN_SIGNALS)

    def kill(self) -> None:
        """End the server without a checkpoint, as a crash does; `start()` recovers it."""
        self._shut_down(SHUTDOWN_SIGNALS[1:])

    def _shut_down(self, signals: Iterable[signal.Signals]) -> None:
        if self.child_process is None or self._owner_pid != os.getpid():
            return
        for each in signals:
            self.child_process.send_signal(each)
            try:
                self.child_process.wait(SHUTDOWN_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            break
        self.child_process = None


def find_programs() -> Path:
    """The folder of Postgres programs that GMAIL_SYNC_POSTGRES_PROGRAMS names.

    If it is not set, that of the newest server with pg_cron. RuntimeError: there is none.
    """
    if chosen := os.environ.get(PROGRAMS_VARIABLE):
        if (found := _server_with_pg_cron(Path(chosen) / "pg_config")) is None:
            raise RuntimeError(
                f"{PROGRAMS_VARIABLE} is {chosen}, and no PostgreSQL {OLDEST_VERSION} or newer"
                " with pg_cron is there."
            )
        return found[1]
    servers = [found for each in _installed_pg_configs() if (found := _server_with_pg_cron(each))]
    if not servers:
        raise RuntimeError(
            f"No PostgreSQL {OLDEST_VERSION} or newer with pg_cron is installed: install Debian's"
            " postgresql-15-cron or a newer one, or run make demo in a checkout."
        )
    return max(servers)[1]


def _installed_pg_configs() -> list[Path]:
    """Every `pg_config` where Debian keeps them, and the one on PATH."""
    on_path = shutil.which("pg_config")
    return [
        *Path("/usr/lib/postgresql").glob("*/bin/pg_config"),
        *([Path(on_path)] if on_path else []),
    ]


def _server_with_pg_cron(pg_config: Path) -> tuple[int, Path] | None:
    """Its major version and the folder of its programs; None if it is missing, old or without."""
    command = [str(pg_config), "--version", "--bindir", "--pkglibdir"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    except OSError:
        return None
    if answer.returncode != 0:  # Debian's stand-in on PATH, with no development package
        return None
    version, programs, libraries = answer.stdout.splitlines()
    major = int(re.findall(r"\d+", version)[0])
    if major < OLDEST_VERSION or not (Path(libraries) / "pg_cron.so").exists():
        return None
    return major, Path(programs)


def server_user() -> tuple[int, int]:
    """User and group id the server runs under: our own, but for root `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        account = pwd.getpwnam("nobody")
    return account.pw_uid, account.pw_gid


def as_server_user(command: list[str]) -> list[str]:
    """`command`, run as that user, out of reach of our Ctrl-C, and ended when we die."""
    user, group = server_user()
    change = [f"--reuid={user}", f"--regid={group}", "--clear-groups"] if os.geteuid() == 0 else []
    # In / because a server that cannot enter our working directory does not start.
    return ["setsid", "env", "--chdir=/", "setpriv", "--pdeathsig=INT", *change, *command]


def run_as_server_user(command: list[str], text: str = "") -> None:
    """Run to the end. RuntimeError, with what it printed: it failed."""
    result = subprocess.run(
        as_server_user(command), input=text, capture_output=True, text=True, timeout=COMMAND_SECONDS
    )
    if result.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {result.stderr.strip()}")


def quoted(value: str) -> str:
    """As a string constant, which SQL and postgresql.conf write the same way."""
    return "'" + value.replace("'", "''") + "'"
