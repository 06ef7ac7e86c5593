"""gmail-sync demo: everything on this machine, with simulated mail."""

import signal
from pathlib import Path

import click


@click.command(short_help="Try it all on this machine, with simulated mail.")
@click.option("--once", is_flag=True, help="one sync, then stop; a JSON summary is the last line")
@click.option(
    "--mail",
    type=click.Path(exists=True, path_type=Path),
    help="an mbox (plain or xz) or a folder of .eml",
)
@click.option(
    "--messages", type=click.IntRange(0), metavar="N", help="generate that many (500 by default)"
)
def demo(once: bool, mail: Path | None, messages: int | None) -> None:
    """Start Postgres, a Gmail simulator and the service, sync once, and stay until Ctrl-C."""
    if mail is not None and messages is not None:
        raise click.UsageError("give one of --mail and --messages")
    try:
        from service.demo.demo import run
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{error.name} is missing: run make setup, or pip install 'gmail-sync[demo]'"
        ) from error

    # kill and Ctrl-C alike end the demo in order, in a shell's background too, where Ctrl-C is off.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    try:
        succeeded = run(once=once, mail=mail, messages=500 if messages is None else messages)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    raise SystemExit(0 if succeeded else 1)
