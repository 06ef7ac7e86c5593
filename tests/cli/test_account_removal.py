"""gmail-sync account remove and delete: at Google first, then here."""

from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from service.google.cipher import CredentialCipher
from service.postgres.calls import Session
from service.simulator import Fault, Simulator
from tests.cli.test_commands import run

KEY = Fernet.generate_key().decode()
EMAIL = "a@example.com"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.add_mailbox(EMAIL, "access", "refresh")
        yield simulator


@pytest.fixture
def environment(service_url: str, simulator: Simulator) -> dict[str, str]:
    return {
        "DATABASE_URL": service_url,
        "GMAIL_SYNC_CREDENTIALS_KEYS": KEY,
        "GMAIL_SYNC_OAUTH_ENDPOINT": simulator.url,
    }


@pytest.fixture(autouse=True)
def account(functions: Session) -> None:
    sealed = CredentialCipher([KEY]).encrypt({"token": "access", "refresh_token": "refresh"})
    functions.value("connect_account", "ann", EMAIL, sealed)


def test_remove_ends_the_grant_and_keeps_the_mail(
    environment: dict[str, str], simulator: Simulator, functions: Session
) -> None:
    result = run(environment, "account", "remove", "ann")
    assert (result.returncode, result.stdout) == (0, "Disconnected ann, mail kept.\n")
    assert result.stderr == ""
    assert simulator.tokens.grants() == []
    assert functions.rows("list_accounts", "ann")[0]["status"] == "disconnected"
    assert run(environment, "account", "remove", "ann").stdout == "ann was not connected.\n"


def test_remove_deletes_the_mail_when_told_to(
    environment: dict[str, str], functions: Session
) -> None:
    result = run(environment, "account", "remove", "ann", "--delete-mail")
    assert result.stdout == "Disconnected ann, mail deleted.\n"
    assert functions.rows("list_accounts", "ann") == []


def test_delete_wants_to_be_told_that_it_is_meant(
    environment: dict[str, str], simulator: Simulator, functions: Session
) -> None:
    result = run(environment, "account", "delete", "ann")
    assert result.returncode == 2
    assert "--yes" in result.stderr
    assert simulator.tokens.grants() == [EMAIL]
    assert functions.rows("list_accounts", "ann") != []


def test_delete_leaves_nothing(
    environment: dict[str, str], simulator: Simulator, functions: Session
) -> None:
    result = run(environment, "account", "delete", "ann", "--yes")
    assert (result.returncode, result.stdout) == (0, "Deleted everything about ann.\n")
    assert simulator.tokens.grants() == []
    assert functions.rows("list_accounts", "ann") == []
    again = run(environment, "account", "delete", "ann", "--yes")
    assert (again.returncode, again.stdout) == (0, "There was nothing about ann.\n")


@pytest.mark.parametrize("trouble", ["Google", "keys", "other keys"])
def test_a_grant_that_cannot_be_ended_is_told_and_stops_nothing(
    environment: dict[str, str], simulator: Simulator, functions: Session, trouble: str
) -> None:
    if trouble == "Google":
        simulator.faults.add(Fault("revoke", "html", status=503))
    elif trouble == "keys":
        del environment["GMAIL_SYNC_CREDENTIALS_KEYS"]
    else:
        environment["GMAIL_SYNC_CREDENTIALS_KEYS"] = Fernet.generate_key().decode()
    result = run(environment, "account", "remove", "ann")
    assert (result.returncode, result.stdout) == (0, "Disconnected ann, mail kept.\n")
    assert "Google may still have the grant" in result.stderr
    assert functions.rows("list_accounts", "ann")[0]["status"] == "disconnected"
