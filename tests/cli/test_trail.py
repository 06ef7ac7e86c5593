"""What the command line does and shows leaves a note of who sat there."""

import getpass
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from service.cli.context import actor
from service.postgres.calls import Connection, Session
from tests.cli.test_commands import run
from tests.functions.conftest import connected


@pytest.fixture
def environment(service_url: str) -> dict[str, str]:
    return {
        # A name of the URL's own does not hide who it was.
        "DATABASE_URL": f"{service_url}?application_name=somebody",
        "GMAIL_SYNC_CREDENTIALS_KEYS": Fernet.generate_key().decode(),
    }


def notes(functions: Session) -> list[tuple[str, str | None, str, str | None]]:
    """From the first to the last."""
    return [
        (row["act"], row["user_id"], row["actor"], row["detail"].get("view"))
        for row in reversed(functions.rows("list_audit_events"))
    ]


def test_acts_are_noted_with_the_operator_as_the_actor(
    environment: dict[str, str], functions: Session
) -> None:
    add = ("account", "add", "ann", "--email", "a@example.com", "--access-token", "t")
    assert run(environment, *add).returncode == 0
    del environment["GMAIL_SYNC_CREDENTIALS_KEYS"]
    assert run(environment, "account", "remove", "ann").returncode == 0
    assert notes(functions) == [
        ("connected", "ann", actor(), None), ("disconnected", "ann", actor(), None),
    ]  # fmt: skip
    assert run(environment, "account", "delete", "ann", "--yes").returncode == 0
    (deleted,) = functions.rows("list_audit_events")
    assert (deleted["act"], deleted["actor"]) == ("deleted", actor())
    assert deleted["application"] == f"gmail-sync account by {actor()}"
    assert deleted["role"] == "service_login"


def test_the_actor_is_the_system_s_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert actor() == f"os:{getpass.getuser()}"
    monkeypatch.setenv("LOGNAME", "another")
    assert actor() != "os:another"


def test_reading_of_mail_and_names_is_noted(
    environment: dict[str, str], functions: Session, tmp_path: Path
) -> None:
    assert run(environment, "account", "list").returncode == 0
    assert run(environment, "monitor", "--once").stderr == ""
    assert notes(functions) == []
    connected(functions)
    functions.value("start_sync_idempotent", "ann")
    assert run(environment, "account", "list", "--json").returncode == 0
    assert "ann" in run(environment, "monitor", "--once").stdout
    assert run(environment, "export", "ann", "--output", str(tmp_path / "mbox")).returncode == 0
    assert notes(functions)[1:] == [
        ("operator_read", None, actor(), "accounts"),
        ("operator_read", None, actor(), "running_syncs"),
        ("operator_read", "ann", actor(), "export"),
    ]


def test_what_cannot_be_noted_is_not_shown(
    environment: dict[str, str], functions: Session, db: Connection, tmp_path: Path
) -> None:
    connected(functions)
    functions.value("start_sync_idempotent", "ann")
    db.execute("alter function gmail_sync.record_audit_event rename to record_audit_away")
    for arguments in (
        ("account", "list"), ("monitor", "--once"),
        ("export", "ann", "--output", str(tmp_path / "mbox")),
    ):  # fmt: skip
        result = run(environment, *arguments)
        assert (result.returncode, result.stdout) == (1, ""), arguments
    assert list(tmp_path.iterdir()) == []
