"""gmail-sync router: one address before several Postgres nodes."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import click
import psycopg
from psycopg.conninfo import make_conninfo

from db.connection import parse_url
from db.router import pooler as pgbouncer
from db.router.generate import RouteError
from db.router.install import InstallError, Pooler
from db.router.install import install as install_router
from db.router.move import move as move_slot
from db.router.move import undo as undo_move
from db.router.move import unfinished
from db.router.moving import MoveError
from db.router.spread import plan, slots_by_node
from db.router.status import StatusError, statuses
from service.cli.context import actor

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
        help="The router's database as a superuser reaches it; all hosts, if there are several.",
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

    Users stay where they are: at first all are at node 0. A URL with several hosts names several
    routers; each finds its pgbouncer at the same host and port.
    """
    place = Pooler(pooler_host, pooler_port)
    with _in_words(), _servers(nodes, router_url) as servers:
        for at_router in servers.routers:
            install_router(at_router, servers.nodes, password, place, _report)
    click.echo(f"The router leads to {len(nodes)} nodes.")


@router.command()
@nodes_option
@router_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def status(nodes: list[str], router_url: str, as_json: bool) -> None:
    """Show what each node has, and whether it answers.

    Exit status 1: a node does not answer, or a slot is open twice, nowhere or elsewhere.
    """
    with _in_words(), ExitStack() as stack:
        rows, problems = statuses(_connect_routers(stack, router_url), nodes)
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


@router.command()
@click.argument("slot", type=int)
@nodes_option
@router_option
@click.option("--to", "target", type=int, metavar="NODE", help="The number of the node.")
@click.option("--undo", is_flag=True, help="Delete what was copied; the slot stays at its node.")
def move(slot: int, nodes: list[str], router_url: str, target: int | None, undo: bool) -> None:
    """Move a slot to another node while its users are served. Run it again if it was interrupted.

    Their mail is copied while syncs go on. Then the slot is closed for about a second: reading goes
    on, and what a start needs is answered SY006, which the service tries again. --undo works until
    the router leads to the new node.
    """
    if undo == (target is not None):
        raise click.UsageError("Give --to NODE, or --undo.")
    with _in_words(), _servers(nodes, router_url) as servers:
        if target is None:
            undo_move(*servers, slot, _report)
        else:
            move_slot(*servers, slot, target, _report)


@router.command()
@nodes_option
@router_option
@click.option("--empty", type=int, metavar="NODE", help="Take all slots away from this node.")
@click.option("--dry-run", is_flag=True, help="Only print what would be moved.")
def spread(nodes: list[str], router_url: str, empty: int | None, dry_run: bool) -> None:
    """Move slots, one after the other, until each node has as many as the others; or only those of
    the node to empty.

    It may be stopped at any time and run again: a move that has begun is finished first.
    """
    with _in_words(), _servers(nodes, router_url) as servers:
        if (begun := unfinished(servers.routers)) and not dry_run:
            move_slot(*servers, begun.slot, begun.target, click.echo)
        steps = plan(slots_by_node(servers.routers[0]), empty)
        for number, step in enumerate(steps, start=1):
            click.echo(f"{number} of {len(steps)}: slot {step.slot} to node {step.target}")
            if not dry_run:
                move_slot(*servers, step.slot, step.target, click.echo)
        if not steps:
            click.echo("There is nothing to move.")


class _Servers(NamedTuple):
    routers: list[psycopg.Connection[Any]]
    nodes: list[psycopg.Connection[Any]]


@contextmanager
def _servers(nodes: list[str], router_url: str) -> Iterator[_Servers]:
    """Connections to every router that the URL names, and to every node."""
    with ExitStack() as stack:
        yield _Servers(_connect_routers(stack, router_url), _connect_nodes(stack, nodes))


def _connect_routers(stack: ExitStack, router_url: str) -> list[psycopg.Connection[Any]]:
    urls = list(_each_host(router_url))
    routers = [
        stack.enter_context(_connected(url, f"router {number}" if urls[1:] else "the router"))
        for number, url in enumerate(urls)
    ]
    # A standby follows its router by itself.
    if primaries := [each for each in routers if not _is_standby(each)]:
        return primaries
    raise click.ClickException("only standbys of the router are named: name its primary")


def _connect_nodes(stack: ExitStack, urls: list[str]) -> list[psycopg.Connection[Any]]:
    return [
        stack.enter_context(_connected(url, f"node {number}")) for number, url in enumerate(urls)
    ]


def _each_host(url: str) -> Iterator[str]:
    """One connection string for each host of a libpq URL."""
    given = parse_url(url)
    hosts = str(given.get("host", "")).split(",")
    ports = str(given.get("port", "")).split(",")
    for number, host in enumerate(hosts):
        yield make_conninfo(
            "", **{**given, "host": host, "port": ports[number if len(ports) > 1 else 0]}
        )


def _is_standby(server: psycopg.Connection[Any]) -> bool:
    return bool(server.execute("select 1 where pg_is_in_recovery()").fetchone())


@contextmanager
def _connected(url: str, what: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name=f"gmail-sync router by {actor()}",
        )
    except psycopg.Error as error:
        raise click.ClickException(f"{what} cannot be reached: {_first_line(error)}") from error
    with connection:
        yield connection


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (InstallError, MoveError, RouteError, StatusError) as error:
        raise click.ClickException(str(error)) from error
    except psycopg.Error as error:
        raise click.ClickException(_first_line(error)) from error


def _first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0]
