"""What --help says, and what a command imports before it does anything."""

import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from service.cli import main
from service.config import VARIABLES
from tests.cli.test_commands import plain_environment, run

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "serve", "worker", "migrate", "demo", "monitor", "adopt", "verify", "export", "import",
    "token", "account add", "account set", "account list", "account remove", "account delete",
    "webhook add", "webhook list", "webhook test", "webhook replay", "webhook rotate",
    "webhook remove", "rotate-keys", "router install", "router move", "router pooler",
    "router spread", "router status", "simulate",
]  # fmt: skip
# What takes long to import, and only some commands need.
HEAVY = {
    "alembic", "google", "googleapiclient", "httplib2", "jinja2", "litestar", "nh3",
    "prometheus_client", "requests", "sqlalchemy", "structlog", "urllib3", "uvicorn",
}  # fmt: skip


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_these_are_the_commands() -> None:
    assert [name for name, _ in commands(main)] == COMMANDS


@pytest.mark.parametrize(("name", "command"), list(commands(main)))
def test_each_command_and_each_option_has_a_sentence(name: str, command: click.Command) -> None:
    options = [option for option in command.params if isinstance(option, click.Option)]

    for words in (command.help, *(option.help for option in options)):
        assert words, name
        assert words.rstrip().endswith("."), words


@pytest.mark.parametrize("name", ["account", "audit", *COMMANDS])
def test_help_of_a_command_is_shown_under_its_name(name: str) -> None:
    result = run({}, *name.split(), "--help")

    assert result.returncode == 0
    assert result.stdout.startswith(f"Usage: gmail-sync {name} ")


def test_help_lists_all_commands_and_variables() -> None:
    shown = run({}, "--help").stdout

    for name in (*COMMANDS, *(variable.name for variable in VARIABLES)):
        assert re.search(rf"^  {name.split()[0]}\b", shown, re.MULTILINE), name


def test_the_handbook_has_the_table_of_variables() -> None:
    page = (ROOT / "service/handbook/configuration.md").read_text()

    rows = [f"| `{variable.name}` | {variable.help()} |" for variable in VARIABLES]
    assert re.findall(r"^[|] `.*$", page, re.MULTILINE) == rows


def imported(environment: dict[str, str], *arguments: str) -> set[str]:
    """The top-level packages that a command has imported at its end."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "service.cli", *arguments],
        env=plain_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    modules = re.findall(r"^import time:.*\| +(\S+)$", result.stderr, re.MULTILINE)
    return {module.partition(".")[0] for module in modules}


def test_help_imports_almost_nothing() -> None:
    found = imported({}, "--help")

    assert "click" in found
    assert not found & (HEAVY | {"cryptography", "jwt", "psycopg", "rich"})


def test_a_token_is_made_with_few_imports(service_url: str) -> None:
    environment = {"DATABASE_URL": service_url, "GMAIL_SYNC_JWT_SECRET": secrets.token_hex(32)}
    found = imported(environment, "token", "ann")

    assert "jwt" in found
    assert not found & (HEAVY | {"rich"})


def test_accounts_are_listed_with_few_imports(service_url: str) -> None:
    found = imported({"DATABASE_URL": service_url}, "account", "list")

    assert "psycopg" in found
    assert not found & (HEAVY | {"cryptography", "jwt"})
