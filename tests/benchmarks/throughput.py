"""How fast one worker syncs a mailbox, beside how fast it could be downloaded at all.

`make bench`, or with options `python -m tests.benchmarks.throughput --help`. The worker's full
sync (list, batch, parse, Postgres with fsync on) and the ceiling (the same client in as many
threads with the same batches, that throws everything away) take turns against one simulator, each
in a process of its own and without any quota. On a machine with few cores they share them with the
simulator, so only the ratio of the two means anything elsewhere. Writes results.json.
"""

import argparse
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql

from service import migrate
from service.database import Row, Session, connect
from service.demo.cluster import Cluster
from service.gmail.credentials import Vault

HERE = Path(__file__).parent
HAM = HERE.parents[2] / "shared" / "mail" / "ham-2002.mbox.xz"
GENERATED = 4_000  # messages, when there is no real mail
USER, EMAIL, TOKEN = "user-42", "someone@example.com", "access"
LOGIN = "service_login"
SYNC_SECONDS = 600
TICKS = os.sysconf("SC_CLK_TCK")

Result = dict[str, float]


def main() -> None:
    options = arguments()
    with simulator(options) as endpoint, Cluster() as cluster:
        cluster.create_database("template_gmail_sync")
        migrate.upgrade(cluster.url("template_gmail_sync"))
        password = create_login(cluster)
        download(endpoint)  # the simulator has parsed everything once from here on
        pairs = []
        for number in range(options.repetitions):
            database = f"bench_{number}"
            cluster.create_database(database, template="template_gmail_sync")
            synced = sync(cluster.url(database), cluster.url(database, LOGIN, password), endpoint)
            pairs.append((synced, download(endpoint)))
            cluster.drop_database(database)
    results = summary(pairs)
    print(table(results))
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--mail", type=Path, default=HAM if HAM.exists() else None)
    parser.add_argument("--messages", type=int, help="generate that many instead of real mail")
    return parser.parse_args()


@contextmanager
def simulator(options: argparse.Namespace) -> Iterator[str]:
    """Its URL."""
    generated = options.messages or (None if options.mail else GENERATED)
    mail = ["--messages", str(generated)] if generated else ["--mail", str(options.mail)]
    command = ["simulate", "--port", "0", "--email", EMAIL, "--access-token", TOKEN, *mail]
    with process(
        [sys.executable, "-m", "service.cli", *command], stdout=subprocess.PIPE
    ) as running:
        assert running.stdout
        said = running.stdout.readline().decode()
        print(said.strip(), flush=True)
        yield said.split()[0]


@contextmanager
def process(
    command: list[str],
    environment: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=stdout)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)
        if running.stdout:
            running.stdout.close()


def create_login(cluster: Cluster) -> str:
    """The password of a login with the rights of the service."""
    password = secrets.token_urlsafe()
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login password {} in role gmail_sync_service").format(
                sql.Identifier(LOGIN), sql.Literal(password)
            )
        )
    return password


def download(endpoint: str) -> Result:
    """The ceiling."""
    command = [sys.executable, "-m", "tests.benchmarks.ceiling", endpoint, TOKEN]
    done = subprocess.run(command, capture_output=True, check=True, timeout=SYNC_SECONDS)
    result: Result = json.loads(done.stdout)
    return result


def sync(admin_url: str, url: str, endpoint: str) -> Result:
    """A full sync into an empty database, by a worker that has started before."""
    keys = Fernet.generate_key().decode()
    environment = {
        "DATABASE_URL": url,
        "GMAIL_SYNC_CREDENTIALS_KEYS": keys,
        "GMAIL_SYNC_GMAIL_ENDPOINT": endpoint,
        "GMAIL_SYNC_OAUTH_ENDPOINT": endpoint,
        "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
        "GMAIL_SYNC_LOG_LEVEL": "warning",
    }
    functions = Session(url, "benchmark")
    sealed = Vault([keys]).seal({"token": TOKEN})
    functions.value("connect_account", USER, EMAIL, sealed, "unlimited", "full")
    with (
        connect(admin_url, "benchmark") as db,
        process([sys.executable, "-m", "service.cli", "worker"], environment) as worker,
    ):
        while not db.execute("select from gmail_sync.worker").fetchall():
            time.sleep(0.1)
        pids = {"worker_cpu": [worker.pid], "postgres_cpu": backends(db)}
        before = {name: cpu_seconds(pids[name]) for name in pids}
        run = finished(functions, functions.value("start_sync_idempotent", USER))
        spent = {name: cpu_seconds(pids[name]) - before[name] for name in pids}
    functions.close()
    assert run["outcome"] == "succeeded", run
    seconds = (run["finished_at"] - run["claimed_at"]).total_seconds()
    return {"messages": run["current_stats"]["new"], "seconds": seconds, **spent}


def backends(db: psycopg.Connection[Row]) -> list[int]:
    """The server processes of the worker's slots."""
    rows = db.execute(
        "select pid from pg_stat_activity"
        " where application_name = 'gmail-sync worker' and datname = current_database()"
    ).fetchall()
    return [row["pid"] for row in rows]


def cpu_seconds(pids: list[int]) -> float:
    """What these processes have used, system time included."""
    used = 0
    for pid in pids:
        # After the name, which may hold spaces, utime and stime are fields 11 and 12.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICKS


def finished(functions: Session, task_id: str) -> Row:
    """The run once it has ended."""
    gives_up_at = time.monotonic() + SYNC_SECONDS
    while time.monotonic() < gives_up_at:
        run = functions.row("sync_run", task_id)
        if run and not run["is_syncing"]:
            return run
        time.sleep(0.2)
    raise TimeoutError(task_id)


def summary(pairs: list[tuple[Result, Result]]) -> dict[str, object]:
    """Rates a second, CPU in milliseconds a message; the ratio is of runs that followed one
    another, its median and all of them."""

    def rate(result: Result) -> float:
        return result["messages"] / result["seconds"]

    def milliseconds(results: list[Result], name: str) -> float:
        return round(statistics.median(1000 * each[name] / each["messages"] for each in results), 2)

    synced, downloaded = [each for each, _ in pairs], [each for _, each in pairs]
    ratios = [rate(sync) / rate(ceiling) for sync, ceiling in pairs]
    return {
        "messages": int(synced[0]["messages"]),
        "messages_a_second": round(statistics.median(map(rate, synced))),
        "ceiling_a_second": round(statistics.median(map(rate, downloaded))),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
        "worker_cpu_ms": milliseconds(synced, "worker_cpu"),
        "postgres_cpu_ms": milliseconds(synced, "postgres_cpu"),
        "ceiling_cpu_ms": milliseconds(downloaded, "client_cpu"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def table(results: dict[str, object]) -> str:
    width = max(map(len, results))
    return "\n".join(f"{name:{width}}  {value}" for name, value in results.items())


if __name__ == "__main__":
    main()
