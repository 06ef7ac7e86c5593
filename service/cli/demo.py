"""gmail-sync demo: everything on this machine, with simulated mail."""

import signal
from pathlib import Path

import click


@click.command()
@click.option("--once", is_flag=True, help="Stop after one sync. The last line is a JSON summary.")
@click.option(
    "--mail",
    type=click.Path(exists=True, path_type=Path),
    help="An mbox (plain or xz) or a folder of .eml files.",
)
@click.option(
    "--messages",
    type=click.IntRange(0),
    metavar="N",
    help="Generate this many messages instead: by default 500, with nodes 50 a user.",
)
@click.option(
    "--nodes",
    type=click.IntRange(2, 12),
    metavar="N",
    help="Show several Postgres behind a router: a node that dies, and users who move.",
)
def demo(once: bool, mail: Path | None, messages: int | None, nodes: int | None) -> None:
    """Start Postgres, a Gmail simulator and the service, sync once, and run until Ctrl-C."""
    if mail is not None and (messages is not None or nodes is not None):
        raise click.UsageError("give --mail without --messages and --nodes")
    try:
        from service.demo import demo as one_node
        from service.demo import nodes as several_nodes
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is missing: run make demo in a checkout, or install the extra,"
            " gmail-sync[demo]"
        ) from error

    # kill and Ctrl-C both stop the demo in order. A shell ignores SIGINT for background jobs.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    try:
        if nodes is None:
            count = 500 if messages is None else messages
            succeeded = one_node.run(once=once, mail=mail, messages=count)
        else:
            count = 50 if messages is None else messages
            succeeded = several_nodes.run(once=once, nodes=nodes, messages=count)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(0 if succeeded else 1)
