"""gmail-sync rotate-keys: while everything runs, twice, interrupted, and against the clock."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
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
    sealed = CredentialCipher([key]).encrypt({"token": f"token of {user_id}"})
    functions.value("connect_account", user_id, EMAIL, sealed, "unlimited")


def users(number: int) -> list[str]:
    return [f"user-{index:03}" for index in range(number)]


def sealed(db: Connection) -> dict[str, bytes]:
    rows = db.execute("select user_id, credentials from gmail_sync.account").fetchall()
    return {row["user_id"]: row["credentials"] for row in rows}


def opened(db: Connection, key: str) -> dict[str, str]:
    """The tokens this key alone opens, by user."""
    found = {}
    for user_id, credentials in sealed(db).items():
        with suppress(WrongKey):
            found[user_id] = CredentialCipher([key]).decrypt(credentials)["token"]
    return found


@pytest.fixture
def holding(database_url: str) -> Iterator[Callable[[str], psycopg.Connection[object]]]:
    """Locks an account in a transaction that is left open."""
    with connect(database_url, "locker") as connection:
        connection.autocommit = False

        def hold(user_id: str) -> Connection:
            connection.execute(
                "select from gmail_sync.account where user_id = %s for update", [user_id]
            )
            return connection

        yield hold
        connection.rollback()


def start(environment: dict[str, str], db: Connection) -> subprocess.Popen[bytes]:
    """rotate-keys in the background, once it waits for the account that is locked."""
    process = subprocess.Popen(
        command("rotate-keys"), env=plain_environment(environment), stdout=subprocess.PIPE
    )
    waiting = (
        "select 1 from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock' and application_name like 'gmail-sync rotate-keys by %'"
    )
    wait_until(lambda: db.execute(waiting).fetchone())
    return process


def test_all_credentials_get_the_first_key_and_keep_what_they_say(
    environment: dict[str, str], functions: Session, db: Connection
) -> None:
    for user_id in users(250):
        add(functions, user_id)
    add(functions, "new", NEW)
    before = opened(db, OLD)

    result = run(environment, "rotate-keys")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "Sealed anew: 250; had the first key already: 1.\n"
    assert opened(db, NEW) == before | {"new": "token of new"}
    assert opened(db, OLD) == {}
    (event,) = functions.rows("list_audit_events", None, 1)
    assert (event["act"], event["detail"]) == ("keys_rotated", {"sealed": 250, "unopened": 0})
    assert event["actor"] == actor()


def test_a_second_time_there_is_nothing_to_do(
    environment: dict[str, str], functions: Session, db: Connection
) -> None:
    add(functions, "ann")
    run(environment, "rotate-keys")
    before = sealed(db)
    result = run(environment | {"GMAIL_SYNC_CREDENTIALS_KEYS": NEW}, "rotate-keys")
    assert result.stdout == "Sealed anew: 0; had the first key already: 1.\n"
    assert sealed(db) == before


def test_what_no_key_opens_is_told_and_left(
    environment: dict[str, str], functions: Session, db: Connection
) -> None:
    for user_id, key in (("ann", OLD), ("bo", LOST), ("cy", OLD)):
        add(functions, user_id, key)
    result = run(environment, "rotate-keys")
    assert result.returncode == 1
    assert "bo: no key opens the credentials" in result.stderr
    assert "Sealed anew: 2" in result.stdout
    assert set(opened(db, NEW)) == {"ann", "cy"}
    assert set(opened(db, LOST)) == {"bo"}


def test_accounts_without_credentials_are_passed_over(
    environment: dict[str, str], functions: Session
) -> None:
    add(functions, "ann")
    functions.value("disconnect_account", "ann")
    assert run(environment, "rotate-keys").stdout.startswith("Sealed anew: 0; ")


def test_killed_midway_it_is_run_again(
    environment: dict[str, str],
    functions: Session,
    db: Connection,
    holding: Callable[[str], Connection],
) -> None:
    for user_id in users(20):
        add(functions, user_id)
    held = holding("user-010")
    process = start(environment, db)
    process.kill()
    process.communicate(timeout=10)
    held.rollback()
    # The server may still finish the one that was waiting.
    left = opened(db, OLD)
    assert len(left) in (9, 10)
    assert set(left | opened(db, NEW)) == set(users(20))

    assert run(environment, "rotate-keys").returncode == 0

    assert set(opened(db, NEW)) == set(users(20))


def test_credentials_that_are_renewed_meanwhile_are_not_lost(
    environment: dict[str, str],
    functions: Session,
    db: Connection,
    holding: Callable[[str], Connection],
) -> None:
    for user_id in users(3):
        add(functions, user_id)
    held = holding("user-001")
    process = start(environment, db)
    renewed = CredentialCipher([OLD]).encrypt({"token": "renewed"})
    held.execute(
        "update gmail_sync.account set credentials = %s where user_id = 'user-001'", [renewed]
    )
    held.commit()
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output[:15]) == (0, b"Sealed anew: 3;")
    assert opened(db, NEW)["user-001"] == "renewed"


def test_what_a_worker_saves_with_the_old_key_meanwhile_is_sealed_too(
    environment: dict[str, str],
    functions: Session,
    db: Connection,
    holding: Callable[[str], Connection],
) -> None:
    for user_id in users(3):
        add(functions, user_id)
    held = holding("user-002")
    process = start(environment, db)
    # A worker that was not restarted; the pass is past this account.
    assert opened(db, NEW)["user-000"]
    renewed = CredentialCipher([OLD]).encrypt({"token": "renewed"})
    assert functions.value("replace_credentials", "user-000", sealed(db)["user-000"], renewed)
    held.rollback()
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output[:15]) == (0, b"Sealed anew: 4;")
    assert opened(db, OLD) == {}
    assert opened(db, NEW)["user-000"] == "renewed"


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
    assert (result.returncode, "still seals with another key" in result.stderr) == (1, True)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_notes_what_it_did(
    environment: dict[str, str],
    functions: Session,
    db: Connection,
    holding: Callable[[str], Connection],
    stop: signal.Signals,
) -> None:
    for user_id in users(20):
        add(functions, user_id)
    held = holding("user-010")
    process = start(environment, db)
    process.send_signal(stop)
    process.communicate(timeout=30)
    held.rollback()
    assert process.returncode == 1
    assert len(opened(db, NEW)) == 10
    (event,) = functions.rows("list_audit_events", None, 1)
    assert (event["act"], event["detail"]) == ("keys_rotated", {"sealed": 10, "unopened": 0})


def test_an_account_that_goes_meanwhile_is_no_mistake(
    environment: dict[str, str],
    functions: Session,
    db: Connection,
    holding: Callable[[str], Connection],
) -> None:
    for user_id in users(3):
        add(functions, user_id)
    held = holding("user-001")
    process = start(environment, db)
    held.execute("select gmail_sync.disconnect_account('user-001')")
    held.commit()
    output, _ = process.communicate(timeout=30)
    assert (process.returncode, output[:15]) == (0, b"Sealed anew: 2;")


def test_a_running_sync_goes_on_and_its_renewed_token_is_kept(
    environment: dict[str, str], functions: Session, db: Connection, simulator: Simulator
) -> None:
    simulator.add_mailbox(EMAIL, "access", "refresh", messages=generate(60))
    stored = {"token": "access", "refresh_token": "refresh", "client_id": "c", "client_secret": "s"}
    functions.value(
        "connect_account", "ann", EMAIL, CredentialCipher([OLD]).encrypt(stored), "unlimited"
    )
    cipher = CredentialCipher([NEW, OLD])
    # Longer than a command takes on a busy machine: the request is held meanwhile.
    google = Google(
        GmailApi(simulator.url), f"{simulator.url}/token", None, None, cipher, timeout=30
    )
    worker = Worker(environment["DATABASE_URL"], google, 1, logs.configure("warning"))
    held = simulator.faults.add(Fault("batch", "hang", after=1, count=1))
    worker.start()
    try:
        task_id = functions.value("start_sync_idempotent", "ann")
        assert held.wait_arrived(30)
        assert run(environment, "rotate-keys").returncode == 0
        simulator.tokens.expire("access")
        held.release()
        wait_until(lambda: functions.rows("sync_run", task_id)[0]["outcome"] == "succeeded", 60)
    finally:
        worker.stop()
    (credentials,) = sealed(db).values()
    now = json.loads(Fernet(NEW).decrypt(credentials))
    assert now["refresh_token"] == "refresh"
    assert now["token"] != "access"
    assert simulator.requests.methods["token"] >= 1


def test_without_keys_it_says_how_to_make_one(environment: dict[str, str]) -> None:
    del environment["GMAIL_SYNC_CREDENTIALS_KEYS"]
    result = run(environment, "rotate-keys")
    assert result.returncode == 1
    assert "openssl rand" in result.stderr
