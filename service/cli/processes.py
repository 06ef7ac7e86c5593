"""gmail-sync serve and worker: the processes of an installation."""

import gc
import os
import resource
import signal
import socket
import sys

import click
from structlog.typing import FilteringBoundLogger

from service import logs, telemetry, threads
from service.app import Server, create_app
from service.cli.errors import listening_at
from service.cli.google import make_google
from service.config import Config
from service.google.configuration import Google
from service.postgres.pool import Pool
from service.worker.workers import Workers

# Connections of the API's threads; the worker has its own.
API_CONNECTIONS = 10
# Seconds a thread may compute while others wait. Python's default of 5 ms would delay the use of
# each answer of Postgres by more than the answer takes.
SWITCH_SECONDS = 0.0005

# Open files, sockets among them. Many systems let a process have only 1,024 unless it asks.
MAX_FILES = 65536


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; 0.0.0.0 in a container.",
)
@click.option(
    "--no-worker", is_flag=True, help="Serve only, without running syncs; this needs no keys."
)
def serve(host: str, no_worker: bool) -> None:
    """Serve the API and the page, and run syncs in the same process.

    The exit status is 1 if a thread died or no slot of the worker works: then start it again.
    """
    config = Config.from_environment(os.environ)
    log = _prepare_log(config)
    # Without keys the API serves only what is stored.
    google = make_google(config) if config.credentials_keys or not no_worker else None
    workers = _workers(config, google, log) if google and not no_worker else None
    pool = Pool(config.database_url, "gmail-sync api", API_CONNECTIONS)
    for stop in (signal.SIGINT, signal.SIGTERM):
        # The server handles them while it runs, and raises them again after it has ended.
        signal.signal(stop, lambda *_: sys.exit(0))
    if signal.SIGHUP in _stops():
        # The server does not know it.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    server = Server(create_app(config, pool, workers, log, google))
    # Before the worker starts: it would claim runs, and end at once.
    with listening_at(host, config.port, "PORT"):
        listener = _listener(host, config.port)
    _freeze_gc()
    server.run([listener])


def _listener(host: str, port: int) -> socket.socket:
    """A socket that accepts connections. At `::` it accepts those of IPv4 as well."""
    if ":" not in host:
        return socket.create_server((host, port))
    dualstack = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=dualstack)


@click.command()
def worker() -> None:
    """Run syncs, on any number of hosts. On SIGTERM other workers take them over within 10 s.

    The exit status is 1 if a thread died or no slot works: then start it again.
    """
    config = Config.from_environment(os.environ)
    stops = _stops()
    # Before any thread starts: all inherit the mask, and only this one waits for signals.
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    workers = _workers(config, make_google(config), _prepare_log(config))
    _freeze_gc()
    workers.start()
    signal.sigwait(stops)
    workers.stop()


def _stops() -> set[signal.Signals]:
    """The signals that end a process in order: SIGHUP of a closed terminal too, unless `nohup` has
    it ignored."""
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return {signal.SIGINT, signal.SIGTERM} | ({signal.SIGHUP} if hangs_up else set())


def _prepare_log(config: Config) -> FilteringBoundLogger:
    """The process's log, which also says why the process ends if one of its threads dies."""
    _raise_file_limit()
    logs.take_over_stderr()
    log = logs.configure(config.log_level)
    threads.end_process_with_any_thread(log)
    telemetry.start(os.environ, lambda: log)
    return log


def _raise_file_limit() -> None:
    """Allow as many open files as the system does. Each browser that watches a sync takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _freeze_gc() -> None:
    """A full collection at exit could exceed the drain timeout on a busy machine."""
    gc.freeze()


def _workers(config: Config, google: Google, log: FilteringBoundLogger) -> Workers:
    sys.setswitchinterval(SWITCH_SECONDS)
    return Workers(config.nodes, google, config.worker_concurrency, log, config.webhook_networks)
