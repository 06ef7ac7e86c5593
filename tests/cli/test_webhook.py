"""gmail-sync webhook: each command against the database, the test with a worker's sender."""

import json

from service.postgres.calls import Session
from tests.cli.test_commands import run
from tests.webhooks.conftest import Receiver, answer, receiver, sending

__all__ = ["receiver"]


def test_a_webhook_from_adding_to_removing(
    service_url: str, functions: Session, receiver: Receiver
) -> None:
    environment = {"DATABASE_URL": service_url}
    added = json.loads(
        run(
            environment,
            "webhook",
            "add",
            receiver.url,
            "--event",
            "sync.failed",
            "--content",
            "--json",
        ).stdout
    )
    webhook_id = added["id"]
    listed = run(environment, "webhook", "list", "--json").stdout
    assert json.loads(listed)["events"] == ["sync.failed"]
    assert json.loads(listed)["with_content"] is True
    assert added["secret"] not in listed
    with sending(service_url):
        tested = run(environment, "webhook", "test", webhook_id)
        assert (tested.returncode, tested.stdout[:18]) == (0, "Accepted with 200 ")
        receiver.behave = answer(410)
        refused = run(environment, "webhook", "test", webhook_id)
    assert (refused.returncode, refused.stderr) == (1, "Error: it answered 410 Gone\n")
    assert "disabled: it" in run(environment, "webhook", "list").stdout
    assert run(environment, "webhook", "replay", webhook_id).stdout == (
        f"Webhook {webhook_id} goes on where it stopped.\n"
    )
    assert run(environment, "webhook", "rotate", webhook_id).stdout.startswith("whsec_")
    other = run(environment, "webhook", "remove", webhook_id, "--user", "ann")
    assert (other.returncode, other.stderr) == (
        1, f"Error: no webhook {webhook_id}; a user's own needs --user\n",
    )  # fmt: skip
    assert run(environment, "webhook", "remove", webhook_id).returncode == 0
    assert functions.rows("list_webhooks", None) == []


def test_an_address_that_is_none_is_one_clear_message(service_url: str) -> None:
    result = run({"DATABASE_URL": service_url}, "webhook", "add", "app.example")

    assert result.returncode == 1
    assert result.stderr.startswith("Error: webhook is not valid: ")
