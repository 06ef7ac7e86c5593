"""gmail-sync account set and gmail-sync export, as a shell sees them."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from psycopg.types.json import Jsonb

from service.mailbox.export import eml_name
from service.postgres.calls import Session
from service.simulator.load import split_mbox
from tests.cli.test_commands import run
from tests.functions.conftest import claimed, connected, message

MAILS = {
    "18f3a0c1": b"Subject: one\r\n\r\nFrom me\r\n>From you\r\n",
    "18f3a0c2": b"Subject: two\r\n\r\n\0\xff no last line",
    "../x/\u00e4": b"",
}


@pytest.fixture
def environment(service_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": service_url,
        "GMAIL_SYNC_CREDENTIALS_KEYS": Fernet.generate_key().decode(),
    }


@pytest.fixture
def mail(functions: Session) -> None:
    """ann's MAILS by age; her messages `bare` and `bald` have no raw copy.

    The first is unread and has a label of hers, the others are starred and read.
    """
    task_id = claimed(functions)
    own = {"id": "Label_1", "name": "Work/Projects", "type": "user"}
    functions.rows("store_labels", task_id, Jsonb([own]))
    names = [*MAILS, "bare", "bald"]
    mails = [
        message(
            name,
            *(["STARRED"] if age else ["INBOX", "UNREAD", "Label_1"]),
            internal_date=str(1000 * age),
            thread_id="18f3a0c1",
        )
        for age, name in enumerate(names)
    ]
    raws = [MAILS.get(name) for name in names]
    functions.rows("store_messages", task_id, Jsonb(mails), raws)


Run = subprocess.CompletedProcess[str]


def export(environment: dict[str, str], output: Path, *more: str) -> Run:
    return run(environment, "export", "ann", "--output", str(output), *more)


@pytest.mark.usefixtures("mail")
def test_an_exact_mbox_gives_the_bytes_back(environment: dict[str, str], tmp_path: Path) -> None:
    result = export(environment, tmp_path / "ann.mbox", "--exact")

    assert list(split_mbox((tmp_path / "ann.mbox").read_bytes())) == [
        MAILS["18f3a0c1"], MAILS["18f3a0c2"] + b"\r\n", b"\r\n",
    ]  # fmt: skip
    assert (result.returncode, result.stdout) == (1, "")
    assert "3 messages written" in result.stderr
    assert "2 messages have no raw copy" in result.stderr
    assert "account set ann --content-mode raw" in result.stderr


@pytest.mark.usefixtures("mail")
def test_exact_eml_files_are_the_bytes_and_stay_in_their_folder(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "mail"
    assert export(environment, folder, "--format", "eml", "--exact").returncode == 1
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "18f3a0c1.eml": MAILS["18f3a0c1"],
        "18f3a0c2.eml": MAILS["18f3a0c2"],
        "..%2Fx%2F%C3%A4.eml": b"",
    }
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.usefixtures("mail")
@pytest.mark.parametrize("form", ["mbox", "eml"])
def test_labels_and_read_state_are_written_as_takeout_writes_them(
    environment: dict[str, str], tmp_path: Path, form: str
) -> None:
    assert export(environment, tmp_path / "out", "--format", form).returncode == 1
    [first, second, third] = written(tmp_path / "out")
    thread = b"X-GM-THRID: 418619585\r\n"
    assert first == (
        thread + b'X-Gmail-Labels: Inbox,Unread,"Work/Projects"\r\n' + MAILS["18f3a0c1"]
    )
    starred = thread + b"X-Gmail-Labels: Archived,Opened,Starred\r\n"
    assert second.removesuffix(b"\r\n") == starred + MAILS["18f3a0c2"]
    assert third == starred


def written(place: Path) -> list[bytes]:
    """The messages of an mbox, or of a folder, in the order of MAILS."""
    if place.is_file():
        return list(split_mbox(place.read_bytes()))
    return [(place / eml_name(name)).read_bytes() for name in MAILS]


@pytest.mark.usefixtures("mail")
def test_one_message_is_exported_alone(environment: dict[str, str], tmp_path: Path) -> None:
    one = ("--format", "eml", "--exact", "--message")
    assert export(environment, tmp_path, *one, "18f3a0c2").returncode == 0
    assert (tmp_path / "18f3a0c2.eml").read_bytes() == MAILS["18f3a0c2"]
    labelled = export(environment, tmp_path / "one", "--message", "18f3a0c1")
    assert labelled.returncode == 0
    assert (
        b'\r\nX-Gmail-Labels: Inbox,Unread,"Work/Projects"\r\n' in (tmp_path / "one").read_bytes()
    )
    (tmp_path / "one").unlink()
    bare = export(environment, tmp_path, *one, "bare")
    assert (bare.returncode, "no raw copy" in bare.stderr) == (1, True)
    unknown = export(environment, tmp_path / "mbox", "--message", "unknown")
    assert (unknown.returncode, "no message unknown" in unknown.stderr) == (1, True)
    assert [file.name for file in tmp_path.iterdir()] == ["18f3a0c2.eml"]


@pytest.mark.usefixtures("mail")
def test_nothing_is_overwritten(environment: dict[str, str], tmp_path: Path) -> None:
    mbox, eml = tmp_path / "mbox", tmp_path / "18f3a0c2.eml"
    for file in (mbox, eml):
        file.write_text("mine")
    for arguments in ((mbox,), (tmp_path, "--format", "eml")):
        result = export(environment, *arguments)
        assert (result.returncode, "already exists" in result.stderr) == (1, True)
    assert (mbox.read_text(), eml.read_text()) == ("mine", "mine")


def test_a_user_without_an_account_and_a_bad_path_are_told(
    environment: dict[str, str], functions: Session, tmp_path: Path
) -> None:
    result = export(environment, tmp_path / "mbox")
    assert (result.returncode, "ann has no Gmail account" in result.stderr) == (1, True)
    connected(functions)
    result = export(environment, tmp_path / "no" / "mbox")
    assert (result.returncode, "cannot be written" in result.stderr) == (1, True)
    assert export(environment, tmp_path / "mbox").returncode == 0
    assert (tmp_path / "mbox").read_bytes() == b""


def test_settings_are_changed(environment: dict[str, str], functions: Session) -> None:
    connected(functions)

    def change(*options: str) -> Run:
        return run(environment, "account", "set", "ann", *options)

    result = change(
        "--sync-interval", "15m", "--quota-profile", "google-legacy", "--content-mode", "raw"
    )
    assert (result.returncode, result.stderr) == (0, "")
    (row,) = functions.rows("list_accounts", "ann")
    assert [row[name] for name in ("sync_interval", "quota_profile", "content_mode")] == [
        timedelta(minutes=15), "google-legacy", "raw",
    ]  # fmt: skip
    assert change("--sync-interval", "off").returncode == 0
    assert functions.rows("list_accounts", "ann")[0]["sync_interval"] is None
    for options in ((), ("--sync-interval", "soon"), ("--content-mode", "some")):
        assert change(*options).returncode == 2
    nobody = run(environment, "account", "set", "nobody", "--content-mode", "raw")
    assert (nobody.returncode, "nobody has no Gmail account" in nobody.stderr) == (1, True)


@pytest.mark.usefixtures("mail")
def test_a_switch_says_how_much_it_fetches(environment: dict[str, str]) -> None:
    result = run(environment, "account", "set", "ann", "--content-mode", "raw")
    assert "fetches 2 stored messages" in result.stdout
