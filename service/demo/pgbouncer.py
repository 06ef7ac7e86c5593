"""The pgbouncer between a router and its nodes, for the demo and the tests."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Self

import psycopg

from db.router.install import LOGIN, Pooler
from service.demo.cluster import as_server_user, server_user
from service.demo.processes import START_SECONDS, DidNotStart, free_port, stop
from service.demo.waiting import wait_for

# Where Debian puts it need not be on the PATH of a user.
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


class PgBouncer:
    """pgbouncer as `gmail-sync router pooler` configures it, on a port of its own.

    It needs a folder that does not exist, in one that the server's user may enter.
    """

    def __init__(self, text: str, password: str, folder: Path) -> None:
        if PROGRAM is None:
            raise RuntimeError(
                "pgbouncer is not installed: run docker/install-postgres.sh --with-pgbouncer"
            )
        self.place = Pooler(port=free_port())
        self._url = f"postgresql://{LOGIN}:{password}@{self.place.host}:{self.place.port}/node0"
        self._log = folder / "log"
        folder.mkdir(mode=0o700)
        users, file = folder / "userlist.txt", folder / "pgbouncer.ini"
        users.write_text(f'"{LOGIN}" "{password}"\n')
        text = text.replace("/etc/pgbouncer/userlist.txt", str(users))
        port = f"listen_port = {self.place.port}\nunix_socket_dir ="
        file.write_text(text.replace("listen_port = 6432", port))
        for path in (folder, users, file):
            os.chown(path, *server_user())
        self._command = as_server_user([PROGRAM, "--quiet", str(file)])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Raises DidNotStart."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_for(self._has_started_or_ended, START_SECONDS, "pgbouncer did not start")
        if self._process.poll() is not None:
            raise DidNotStart(f"pgbouncer did not start:\n{self._log.read_text()}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _has_started_or_ended(self) -> bool:
        if self._process.poll() is not None:
            return True
        try:
            psycopg.connect(self._url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            # The login is made by the installation.
            return "authentication failed" in str(error)
        return True
