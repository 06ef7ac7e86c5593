"""gmail-sync simulate: the Gmail simulator alone."""

from pathlib import Path

import click


@click.command(short_help="Serve a simulated Gmail mailbox.")
@click.option("--port", required=True, type=click.IntRange(0, 65535), help="0 takes a free one")
@click.option(
    "--mail",
    type=click.Path(exists=True, path_type=Path),
    help="an mbox (plain or xz) or a folder of .eml",
)
@click.option("--messages", type=click.IntRange(0), metavar="N", help="generate that many")
@click.option("--email", required=True, metavar="E", help="address of the mailbox")
@click.option("--access-token", required=True, metavar="T", help="the token it accepts")
@click.option("--host", default="127.0.0.1", show_default=True, help="address to listen at")
def simulate(
    port: int,
    mail: Path | None,
    messages: int | None,
    email: str,
    access_token: str,
    host: str,
) -> None:
    """Serve a simulated Gmail mailbox until Ctrl-C: no quota and no faults unless asked."""
    if (mail is None) == (messages is None):
        raise click.UsageError("give one of --mail and --messages")
    from service.simulator import run  # here, for the other commands start faster without it

    run(port, mail, messages, email, access_token, host)
