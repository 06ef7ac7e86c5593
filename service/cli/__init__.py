"""The command line: one module a command, or a few that belong together."""

from typing import Any

import click

from service.cli.errors import friendly_errors, safe_output
from service.cli.lazy import LazyCommand, LazyGroup
from service.config import VARIABLES

COMMANDS = {
    "serve": LazyCommand("service.cli.processes:serve", "Serve the API and the page; run syncs."),
    "worker": LazyCommand("service.cli.processes:worker", "Run syncs, on any number of hosts."),
    "migrate": LazyCommand("service.cli.migrate:migrate", "Migrate the database's schema."),
    "demo": LazyCommand("service.cli.demo:demo", "Try everything here, with simulated mail."),
    "monitor": LazyCommand("service.cli.monitor:monitor", "Show runs and heartbeats, live."),
    "adopt": LazyCommand("service.cli.adopt:adopt", "Adopt the runs of an earlier application."),
    "verify": LazyCommand("service.cli.verify:verify", "Compare a user's mail with Gmail."),
    "export": LazyCommand("service.cli.export:export", "Write a user's mail into files."),
    "import": LazyCommand(
        "service.cli.import_mail:import_mail", "Import mail from Google Takeout, without its quota."
    ),
    "token": LazyCommand("service.cli.token:token", "Print a bearer token for a user."),
    "account": LazyCommand("service.cli.account:account", "Manage Gmail accounts."),
    "webhook": LazyCommand("service.cli.webhook:webhook", "Send events to other applications."),
    "rotate-keys": LazyCommand(
        "service.cli.rotate_keys:rotate_keys", "Encrypt all credentials with the first key."
    ),
    "router": LazyCommand(
        "service.cli.router:router", "One address before several Postgres nodes."
    ),
    "simulate": LazyCommand("service.cli.simulate:simulate", "Serve a simulated Gmail mailbox."),
}
# The name `verify` has in the design.
ALIASES = {"audit": "verify"}


class Main(LazyGroup):
    """Prints an error that the user can fix as one clear message, with exit status 1."""

    def main(self, *args: Any, **extra: Any) -> Any:
        with safe_output():
            return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with friendly_errors():
            return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Environment"):
            formatter.write_dl([(variable.name, variable.help()) for variable in VARIABLES])


@click.group(
    cls=Main,
    table=COMMANDS,
    aliases=ALIASES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="gmail-sync", prog_name="gmail-sync")
def main() -> None:
    """A self-hosted Gmail sync that lives in Postgres."""
