"""gmail-sync serve, worker and migrate: the processes of an installation."""

import gc
import logging
import os
import signal
import sys

import click
from structlog.typing import FilteringBoundLogger

from service import logs
from service import migrate as migrations
from service.app import Server, create_app
from service.cli.google import make_google
from service.config import Config
from service.google.configuration import Google
from service.postgres.calls import Pool
from service.worker.worker import Worker

# Connections of the API's threads; the worker has its own.
API_CONNECTIONS = 10
# How long a thread may compute while others want to, in seconds. Python's own 5 ms, waited for
# after each answer of Postgres, would be longer than the answers take.
SWITCH_SECONDS = 0.0005


@click.command(short_help="Serve the API and the page, with a worker.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="address to listen at; 0.0.0.0 in a container",
)
@click.option(
    "--no-worker", is_flag=True, help="run no syncs here; without keys, serve what is stored"
)
def serve(host: str, no_worker: bool) -> None:
    """Serve the API and the page, with a worker in the same process."""
    config = Config.from_environment(os.environ)
    log = logs.configure(config.log_level)
    # The API alone serves what is stored without them.
    google = make_google(config) if config.credentials_keys or not no_worker else None
    worker = _worker(config, google, log) if google and not no_worker else None
    pool = Pool(config.database_url, "gmail-sync api", API_CONNECTIONS)
    for stop in (signal.SIGINT, signal.SIGTERM):
        # The server handles them while it runs and raises them once more when it has ended.
        signal.signal(stop, lambda *_: sys.exit(0))
    server = Server(create_app(config, pool, worker, log, google), host=host, port=config.port)
    _freeze_gc()
    server.run()


@click.command()
def worker() -> None:
    """Run syncs, on as many hosts as wanted. SIGTERM hands them over within ten seconds."""
    config = Config.from_environment(os.environ)
    stops = {signal.SIGINT, signal.SIGTERM}
    # Before any thread is made: all of them inherit the mask, and only this one waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    worker = _worker(config, make_google(config), logs.configure(config.log_level))
    _freeze_gc()
    worker.start()
    signal.sigwait(stops)
    worker.stop()


@click.command(short_help="Bring the database's schema up to date.")
@click.argument("revision", default="head")
def migrate(revision: str) -> None:
    """Bring the database's schema to REVISION, the newest unless given.

    The database user must be a superuser: roles and pg_cron need one.
    """
    config = Config.from_environment(os.environ)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("alembic").setLevel(logging.INFO)
    migrations.upgrade(config.database_url, revision)
    click.echo(f"The schema is at {revision}.")


def _freeze_gc() -> None:
    """What is there by now stays to the end. Else the interpreter, before it ends, would look for
    garbage in all of it, and on a machine with much to do outlast the time given to a drain."""
    gc.freeze()


def _worker(config: Config, google: Google, log: FilteringBoundLogger) -> Worker:
    sys.setswitchinterval(SWITCH_SECONDS)
    return Worker(
        config.database_url,
        google,
        config.worker_concurrency,
        log,
        listen_url=config.listen_url,
    )
