"""gmail-sync rotate-keys: while everything runs, twice, interrupted, and against the clock."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from cryptography.fernet import Fernet

from service import logs
from service.cli.context import actor
from service.gmail.api import GmailApi
from service.google.cipher import CredentialCipher, WrongKey
from service.google.configuration import Google
from service.postgres.calls import Connection, Session, connect
from service.simulator import Fault, Simulator, generate
from service.worker.worker import Worker
from tests.cli.test_commands import command, plain_environment, run
from tests.waiting import wait_until

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
BOTH = f"{NEW},{OLD}"
EMAIL = "a@example.com"


@pytest.fixture
def environment(service_url: str) -> dict[str, str]:
    return {"DATABASE_URL": service_url, "GMAIL_SYNC_CREDENTIALS_KEYS": BOTH}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


def add(functions: Session, user_id: str, key: str = OLD) -> None:
    encrypted = CredentialCipher([key]).encrypt({"token": f"token of {user_id}"})
    functions.value("connect_account", user_id, EMAIL, encrypted, "unlimited")


def users(number: int) -> list[str]:
    return [f"user-{index:03}" for index in range(number)]


def stored(db: Connection) -> dict[str, bytes]:
    rows = db.execute("select user_id, credentials from gmail_sync.account").fetchall()
    return {row["user_id"]: row["credentials"] for row in rows}


def decrypted(db: Connection, key: str) -> dict[str, str]:
    """The tokens that this key decrypts, by user."""
    found = {}
    for user_id, credentials in stored(db).items():
        with suppress(WrongKey):
            found[user_id] = CredentialCipher([key]).decrypt(credentials)["token"]
    return found


Rotation = tuple[subprocess.Popen[bytes], Connection]


@pytest.fixture
def rotation(
    environment: dict[str, str], database_url: str, functions: Session, db: Connection
) -> Iterator[Callable[[int, str], Rotation]]:
    """Adds so many users and starts rotate-keys, which waits for the lock on one of them.

    Gives the process and the connection whose transaction holds the lock.
    """
    processes = []
    with connect(database_url, "locker") as locker:
        locker.autocommit = False

        def start(number: int, locked: str) -> Rotation:
            for user_id in users(number):
                add(functions, user_id)
            locker.execute("select from gmail_sync.account where user_id = %s for update", [locked])
            process = subprocess.Popen(
                command("rotate-keys"), env=plain_environment(environment), stdout=subprocess.PIPE
            )
            processes.append(process)
            waiting = (
                "select 1 from pg_stat_activity where datname = current_database()"
                " and wait_event_type = 'Lock' and application_name like 'gmail-sync rotate-keys %'"
            )
            wait_until(lambda: db.execute(waiting).fetchone())
            return process, locker

        yield start
        locker.rollback()
    for process in processes:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """The exit status, and how many were re-encrypted."""
    output, _ = process.communicate(timeout=60)
    return process.returncode, output.partition(b";")[0]


def test_all_credentials_get_the_first_key_and_keep_their_content(
    environment: dict[str, str], functions: Session, db: Connection
) -> None:
    for user_id in users(250):
        add(functions, user_id)
    add(functions, "new", NEW)
    before = decrypted(db, OLD)

    result = run(environment, "rotate-keys")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "Re-encrypted: 250; unchanged: 1.\n"
    assert decrypted(db, NEW) == before | {"new": "token of new"}
    assert decrypted(db, OLD) == {}
    (event,) = functions.rows("list_audit_events", None, 1)
    assert (event["act"], event["detail"]) == ("keys_rotated", {"encrypted": 250, "undecrypted": 0})
    assert event["actor"] == actor()


def test_a_second_time_there_is_nothing_to_do(
    environment: dict[str, str], functions: Session, db: Connection
) -> None:
    add(functions, "ann")
    run(environment, "rotate-keys")
    before = stored(db)
    result = run(environment | {"GMAIL_SYNC_CREDENTIALS_KEYS": NEW}, "rotate-keys")
    assert result.stdout == "Re-encrypted: 0; unchanged: 1.\n"
    assert stored(db) == before


def test_credentials_that_no_key_decrypts_are_listed_and_stay(
    environment: dict[str, str], functions: Session, db: Connection
) -> None:
    for user_id, key in (("ann", OLD), ("bo", LOST), ("cy", OLD)):
        add(functions, user_id, key)
    result = run(environment, "rotate-keys")
    assert result.returncode == 1
    assert "bo: no key decrypts the credentials" in result.stderr
    assert "Re-encrypted: 2" in result.stdout
    assert set(decrypted(db, NEW)) == {"ann", "cy"}
    assert set(decrypted(db, LOST)) == {"bo"}


def test_accounts_without_credentials_are_passed_over(
    environment: dict[str, str], functions: Session
) -> None:
    add(functions, "ann")
    functions.value("disconnect_account", "ann")
    assert run(environment, "rotate-keys").stdout.startswith("Re-encrypted: 0; ")


def test_killed_midway_it_is_run_again(
    environment: dict[str, str], db: Connection, rotation: Callable[[int, str], Rotation]
) -> None:
    process, locker = rotation(20, "user-010")
    process.kill()
    process.wait()
    locker.rollback()
    # The server may still finish the one that was waiting.
    left = decrypted(db, OLD)
    assert len(left) in (9, 10)
    assert set(left | decrypted(db, NEW)) == set(users(20))

    assert run(environment, "rotate-keys").returncode == 0

    assert set(decrypted(db, NEW)) == set(users(20))


def test_credentials_that_are_renewed_meanwhile_are_not_lost(
    db: Connection, rotation: Callable[[int, str], Rotation]
) -> None:
    process, locker = rotation(3, "user-001")
    renewed = CredentialCipher([OLD]).encrypt({"token": "renewed"})
    locker.execute(
        "update gmail_sync.account set credentials = %s where user_id = 'user-001'", [renewed]
    )
    locker.commit()
    assert finish(process) == (0, b"Re-encrypted: 3")
    assert decrypted(db, NEW)["user-001"] == "renewed"


def test_credentials_saved_with_the_old_key_meanwhile_are_encrypted_too(
    functions: Session, db: Connection, rotation: Callable[[int, str], Rotation]
) -> None:
    process, locker = rotation(3, "user-002")
    # A worker that was not restarted; the pass is past this account.
    assert decrypted(db, NEW)["user-000"]
    renewed = CredentialCipher([OLD]).encrypt({"token": "renewed"})
    assert functions.value("replace_credentials", "user-000", stored(db)["user-000"], renewed)
    locker.rollback()
    assert finish(process) == (0, b"Re-encrypted: 4")
    assert decrypted(db, OLD) == {}
    assert decrypted(db, NEW)["user-000"] == "renewed"


def test_it_says_when_a_worker_goes_on_with_the_old_key(
    environment: dict[str, str], functions: Session, db: Connection
) -> None:
    add(functions, "ann")
    db.execute(
        "create function public.undo() returns trigger language plpgsql as"
        " 'begin new.credentials := old.credentials; return new; end'"
    )
    db.execute(
        "create trigger undone before update on gmail_sync.account"
        " for each row execute function public.undo()"
    )
    result = run(environment, "rotate-keys")
    assert (result.returncode, "still encrypts with another key" in result.stderr) == (1, True)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_records_what_it_did(
    functions: Session,
    db: Connection,
    rotation: Callable[[int, str], Rotation],
    stop: signal.Signals,
) -> None:
    process, locker = rotation(20, "user-010")
    process.send_signal(stop)
    assert finish(process) == (1, b"")
    locker.rollback()
    assert len(decrypted(db, NEW)) == 10
    (event,) = functions.rows("list_audit_events", None, 1)
    assert (event["act"], event["detail"]) == ("keys_rotated", {"encrypted": 10, "undecrypted": 0})


def test_an_account_disconnected_meanwhile_is_not_an_error(
    rotation: Callable[[int, str], Rotation],
) -> None:
    process, locker = rotation(3, "user-001")
    locker.execute("select gmail_sync.disconnect_account('user-001')")
    locker.commit()
    assert finish(process) == (0, b"Re-encrypted: 2")


def test_a_running_sync_goes_on_and_its_renewed_token_is_kept(
    environment: dict[str, str], functions: Session, db: Connection, simulator: Simulator
) -> None:
    simulator.add_mailbox(EMAIL, "access", "refresh", messages=generate(60))
    fields = {"token": "access", "refresh_token": "refresh", "client_id": "c", "client_secret": "s"}
    functions.value(
        "connect_account", "ann", EMAIL, CredentialCipher([OLD]).encrypt(fields), "unlimited"
    )
    cipher = CredentialCipher([NEW, OLD])
    # Longer than a command takes on a busy machine: the request is held meanwhile.
    google = Google(GmailApi(simulator.url), f"{simulator.url}/token", None, None, cipher)
    worker = Worker(environment["DATABASE_URL"], google, 1, logs.configure("warning"))
    held = simulator.faults.add(Fault("batch", "hang", after=1, count=1))
    worker.start()
    try:
        task_id = functions.value("start_sync_idempotent", "ann")
        assert held.wait_arrived(60)
        assert run(environment, "rotate-keys").returncode == 0
        simulator.tokens.expire("access")
        held.release()
        wait_until(lambda: functions.rows("sync_run", task_id)[0]["outcome"] == "succeeded")
    finally:
        worker.stop()
    (credentials,) = stored(db).values()
    now = json.loads(Fernet(NEW).decrypt(credentials))
    assert now["refresh_token"] == "refresh"
    assert now["token"] != "access"
    assert simulator.requests.methods["token"] >= 1


def test_without_keys_it_says_how_to_make_one(environment: dict[str, str]) -> None:
    del environment["GMAIL_SYNC_CREDENTIALS_KEYS"]
    result = run(environment, "rotate-keys")
    assert result.returncode == 1
    assert "openssl rand" in result.stderr
