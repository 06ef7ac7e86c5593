import secrets
from pathlib import Path

import pytest
import requests

from service.demo.processes import DidNotStart, Process
from tests.ports import free_port


def test_a_folder_named_service_in_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service/__init__.py").write_text("raise SystemExit('not this one')\n")
    monkeypatch.chdir(tmp_path)
    token, url = secrets.token_urlsafe(), f"http://127.0.0.1:{free_port()}"
    mailbox = ["--messages", "1", "--email", "a@example.com", "--access-token", token]
    simulate = ["simulate", "--port", url.rpartition(":")[2], *mailbox]
    profile = f"{url}/gmail/v1/users/me/profile"

    with Process(simulate, {}, tmp_path / "log", profile, token):
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.get(profile, headers=headers, timeout=30).json()["messagesTotal"] == 1


def test_another_process_at_the_port_is_not_taken_for_ours(tmp_path: Path) -> None:
    mailbox = ["--messages", "1", "--email", "a@example.com", "--access-token"]
    port = str(free_port())
    simulate = ["simulate", "--port", port, *mailbox]
    profile = f"http://127.0.0.1:{port}/gmail/v1/users/me/profile"

    with (
        Process([*simulate, "theirs"], {}, tmp_path / "theirs", profile, "theirs"),
        pytest.raises(DidNotStart, match="in use"),
        Process([*simulate, "ours"], {}, tmp_path / "ours", profile, "ours"),
    ):
        pass
