"""The commands of service/handbook, run as written beside a worker that has synced some mail."""

import json
from pathlib import Path

import pytest

from service.simulator import Mailbox, Simulator, generate
from service.worker.worker import Worker
from tests.handbook.handbook import run, sections
from tests.worker.conftest import (  # noqa: F401
    EMAIL,
    Account,
    account,
    google,
    keys,
    mailbox,
    simulator,
    worker,
)

COMMANDS = {
    title: commands
    for title, blocks in sections().items()
    if (commands := [block.code for block in blocks if block.login == "service"])
}
AUTHORIZED_USER = {"refresh_token": "refresh", "client_id": "id", "client_secret": "secret"}


@pytest.mark.parametrize("title", COMMANDS)
def test_a_command_succeeds(
    title: str,
    mailbox: Mailbox,  # noqa: F811
    account: Account,  # noqa: F811
    worker: Worker,  # noqa: F811
    simulator: Simulator,  # noqa: F811
    keys: str,  # noqa: F811
    service_url: str,
    tmp_path: Path,
) -> None:
    mailbox.load(generate(5))
    account.connect("raw")
    assert account.sync()["outcome"] == "succeeded"
    (tmp_path / "authorized_user.json").write_text(json.dumps(AUTHORIZED_USER))

    for code in COMMANDS[title]:
        run(
            ["sh", "-eu"],
            code.replace("someone@gmail.com", EMAIL),
            tmp_path,
            DATABASE_URL=service_url,
            GMAIL_SYNC_CREDENTIALS_KEYS=keys,
            GMAIL_SYNC_GMAIL_ENDPOINT=simulator.url,
            GMAIL_SYNC_OAUTH_ENDPOINT=simulator.url,
        )
