"""gmail-sync simulate: the Gmail simulator by itself."""

from pathlib import Path

import click

from service.cli.errors import listening_at
from service.simulator import Simulator, run


@click.command()
@click.option(
    "--port",
    required=True,
    type=click.IntRange(0, 65535),
    help="Port to listen at; 0 chooses a free one.",
)
@click.option(
    "--mail",
    type=click.Path(exists=True, path_type=Path),
    help="An mbox (plain or xz) or a folder of .eml files.",
)
@click.option(
    "--messages", type=click.IntRange(0), metavar="N", help="Generate this many messages instead."
)
@click.option(
    "--takeout",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write a Google Takeout export of the mailbox into this folder first.",
)
@click.option("--email", required=True, metavar="E", help="Address of the mailbox.")
@click.option("--access-token", required=True, metavar="T", help="The token that it accepts.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
def simulate(
    port: int,
    mail: Path | None,
    messages: int | None,
    takeout: Path | None,
    email: str,
    access_token: str,
    host: str,
) -> None:
    """Serve a simulated Gmail mailbox until Ctrl-C, without quota and faults until requested.

    POST /simulator/faults adds a fault, such as {"method": "messages.list", "action":
    "stuck_token"}: a list that names the same next page for ever. DELETE removes all faults.
    service/simulator/faults.py lists the actions, and admin.py the other routes.
    """
    if (mail is None) == (messages is None):
        raise click.UsageError("give one of --mail and --messages")
    with listening_at(host, port, "--port"):
        simulator = Simulator(host, port)
    run(simulator, mail, messages, email, access_token, takeout)
