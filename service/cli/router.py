"""gmail-sync router: one address before several Postgres nodes."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click
import psycopg

from db.router import pooler as pgbouncer
from db.router.generate import RouteError
from db.router.install import InstallError, Pooler
from db.router.install import install as install_router
from db.router.status import StatusError, statuses

CONNECT_SECONDS = 10
_LINE = "{:>4}  {:30}  {:>5}  {:>9}  {:>6}  {}"


def _urls(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    if urls := value.split():
        return urls
    raise click.BadParameter("it names no node")


def nodes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--nodes",
        envvar="GMAIL_SYNC_NODE_URLS",
        show_envvar=True,
        required=True,
        metavar="URLS",
        callback=_urls,
        help="The nodes as a superuser reaches them, node 0 first, with spaces between.",
    )(command)


def router_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--router",
        "router_url",
        envvar="GMAIL_SYNC_ROUTER_URL",
        show_envvar=True,
        required=True,
        metavar="URL",
        help="The router's database as a superuser reaches it.",
    )(command)


@click.group()
def router() -> None:
    """One address before several Postgres nodes: the same functions and views, each user's mail at
    one node.

    See db/router/README.md.
    """


@router.command()
@nodes_option
def pooler(nodes: list[str]) -> None:
    """Print the pgbouncer.ini that the router's machine needs."""
    click.echo(pgbouncer.configuration(nodes), nl=False)


@router.command()
@nodes_option
@router_option
@click.option(
    "--password",
    envvar="GMAIL_SYNC_ROUTER_PASSWORD",
    show_envvar=True,
    required=True,
    help="The password that the router's login gets at each node.",
)
@click.option("--pooler-host", default=Pooler().host, show_default=True, help="Of pgbouncer.")
@click.option("--pooler-port", default=Pooler().port, show_default=True, help="Of pgbouncer.")
def install(
    nodes: list[str], router_url: str, password: str, pooler_host: str, pooler_port: int
) -> None:
    """Install the router, or renew it after an upgrade or with another node.

    Users stay where they are: at first all are at node 0.
    """
    with ExitStack() as stack:
        at_router = stack.enter_context(_connected(router_url, "the router"))
        at_nodes = [
            stack.enter_context(_connected(url, f"node {number}"))
            for number, url in enumerate(nodes)
        ]
        with _in_words():
            place = Pooler(pooler_host, pooler_port)
            install_router(at_router, at_nodes, password, place, _report)
    click.echo(f"The router leads to {len(nodes)} nodes.")


@router.command()
@nodes_option
@router_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def status(nodes: list[str], router_url: str, as_json: bool) -> None:
    """Show what each node has, and whether it answers.

    Exit status 1: a node does not answer, or a slot is open twice, nowhere or elsewhere.
    """
    with _connected(router_url, "the router") as at_router, _in_words():
        rows, problems = statuses(at_router, nodes)
    if as_json:
        shown = [row._asdict() for row in rows]
        click.echo(json.dumps({"nodes": shown, "problems": problems}))
    else:
        click.echo(_LINE.format("node", "address", "slots", "users", "schema", "answers"))
        for row in rows:
            users = "?" if row.users is None else row.users
            answers = f"no: {row.error}" if row.error else "yes"
            line = (row.node, row.address, row.slots, users, row.schema or "?", answers)
            click.echo(_LINE.format(*line))
        for problem in problems:
            click.echo(problem)
    raise SystemExit(bool(problems) or any(row.error for row in rows))


def _report(step: str) -> None:
    click.echo(step, err=True)


@contextmanager
def _connected(url: str, what: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.Error as error:
        raise click.ClickException(f"{what} cannot be reached: {_first_line(error)}") from error
    with connection:
        yield connection


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (InstallError, RouteError, StatusError) as error:
        raise click.ClickException(str(error)) from error
    except psycopg.Error as error:
        raise click.ClickException(_first_line(error)) from error


def _first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0]
