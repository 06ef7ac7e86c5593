"""The commands as a shell sees them: output, messages, exit status."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import psycopg
import pytest
import requests
from cryptography.fernet import Fernet

from service.postgres.calls import Row
from service.simulator import Simulator, generate
from tests.cluster import Cluster
from tests.ports import free_port
from tests.waiting import wait_until

SECRET = secrets.token_hex(32)
KEYS = Fernet.generate_key().decode()
# Enough for any step on a busy machine; a test waits so long only if it fails.
LOADED_SECONDS = 120


@pytest.fixture
def environment(service_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": service_url,
        "GMAIL_SYNC_JWT_SECRET": SECRET,
        "GMAIL_SYNC_CREDENTIALS_KEYS": KEYS,
        "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "service.cli", *arguments]


def plain_environment(environment: dict[str, str]) -> dict[str, str]:
    ours = ("GMAIL_SYNC_", "GOOGLE_", "DATABASE_URL", "PORT")
    rest = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return rest | environment


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=plain_environment(environment),
        capture_output=True,
        text=True,
        timeout=LOADED_SECONDS,
        check=False,
    )


def test_every_error_in_the_environment_is_shown_at_once() -> None:
    result = run(
        {"PORT": "http", "GMAIL_SYNC_CREDENTIALS_KEYS": "short", "GMAIL_SYNC_JWT_SECRET": "short"},
        "serve",
    )

    assert result.returncode == 1
    for name in ("DATABASE_URL", "PORT", "GMAIL_SYNC_CREDENTIALS_KEYS", "GMAIL_SYNC_JWT_SECRET"):
        assert name in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["worker", "serve"])
def test_a_process_without_keys_says_how_to_make_one(
    environment: dict[str, str], name: str
) -> None:
    del environment["GMAIL_SYNC_CREDENTIALS_KEYS"]

    result = run(environment, name)

    assert result.returncode == 1
    assert "openssl rand" in result.stderr


def test_token_prints_only_the_token(environment: dict[str, str]) -> None:
    result = run(environment, "token", "user-42", "--scope", "operator")

    claims = jwt.decode(result.stdout.strip(), SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["scope"]) == ("user-42", "operator")
    assert result.stderr == ""


def test_token_has_the_configured_audience_and_issuer(environment: dict[str, str]) -> None:
    more = {"GMAIL_SYNC_JWT_AUDIENCE": "here", "GMAIL_SYNC_JWT_ISSUER": "us"}
    result = run(environment | more, "token", "user-42")

    claims = jwt.decode(
        result.stdout.strip(), SECRET, algorithms=["HS256"], audience="here", issuer="us"
    )
    assert claims["sub"] == "user-42"


def test_token_cannot_sign_for_an_issuer(environment: dict[str, str]) -> None:
    del environment["GMAIL_SYNC_JWT_SECRET"]
    assert "openssl rand" in run(environment, "token", "user-42").stderr
    more = {
        "GMAIL_SYNC_JWT_JWKS_URL": "https://login.example.org/jwks",
        "GMAIL_SYNC_JWT_AUDIENCE": "here",
        "GMAIL_SYNC_JWT_ISSUER": "us",
    }
    result = run(environment | more, "token", "user-42")

    assert (result.returncode, result.stdout) == (1, "")
    assert "only the issuer can sign" in result.stderr


def test_serve_needs_a_secret_or_an_issuer(environment: dict[str, str]) -> None:
    del environment["GMAIL_SYNC_JWT_SECRET"]
    result = run(environment, "serve")

    assert result.returncode == 1
    assert "GMAIL_SYNC_JWT_JWKS_URL" in result.stderr
    assert "Traceback" not in result.stderr


def test_account_add_stores_encrypted_credentials_and_starts_nothing(
    environment: dict[str, str], db: psycopg.Connection[Row]
) -> None:
    result = run(
        environment,
        "account",
        "add",
        "user-42",
        "--email",
        "a@example.com",
        "--access-token",
        "tok",
    )

    assert (result.returncode, result.stderr) == (0, "")
    (account,) = db.execute("select * from gmail_sync.account").fetchall()
    assert (account["email"], account["quota_profile"]) == ("a@example.com", "unlimited")
    assert b"tok" not in account["credentials"]
    assert json.loads(Fernet(KEYS).decrypt(account["credentials"])) == {"token": "tok"}
    assert db.execute("select * from gmail_sync.user_sync_status").fetchall() == []
    listed = run(environment, "account", "list", "--json")
    assert json.loads(listed.stdout)["user_id"] == "user-42"


def test_account_add_rejects_incomplete_credentials(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text('{"refresh_token": "r"}')

    result = run(
        environment,
        "account",
        "add",
        "user-42",
        "--email",
        "a@example.com",
        "--credentials",
        str(file),
    )

    assert result.returncode == 2
    assert "client_id, client_secret" in result.stderr


def test_account_add_rejects_another_mailbox_and_a_bad_user(environment: dict[str, str]) -> None:
    def add(user: str, email: str) -> subprocess.CompletedProcess[str]:
        return run(environment, "account", "add", user, "--email", email, "--access-token", "t")

    assert add("user-42", "a@example.com").returncode == 0
    other = add("user-42", "b@example.com")
    assert other.returncode == 1
    assert "another mailbox" in other.stderr
    blank = add("  ", "a@example.com")
    assert blank.returncode == 1
    assert "not blank" in blank.stderr


def test_migrate_says_what_pg_cron_needs_and_migrates(cluster: Cluster) -> None:
    name = f"test_{secrets.token_hex(6)}"
    cluster.create_database(name)
    try:
        result = run({"DATABASE_URL": cluster.url(name)}, "migrate")
        assert result.returncode == 0, result.stderr
        assert f"cron.database_name = '{name}'" in result.stderr
        with psycopg.connect(cluster.url(name)) as connection:
            connection.execute("select gmail_sync.start_sync_idempotent('user-42')")
    finally:
        cluster.drop_database(name)


def test_an_unreachable_database_is_reported_in_one_line() -> None:
    result = run({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "migrate")

    assert result.returncode == 1
    assert "the database does not answer" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_schema_is_reported_with_the_remedy(cluster: Cluster) -> None:
    result = run({"DATABASE_URL": cluster.url("postgres")}, "account", "list")

    assert result.returncode == 1
    assert "gmail-sync migrate" in result.stderr


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@contextmanager
def serving(environment: dict[str, str], log: Path, *options: str) -> Iterator[str]:
    """The URL of `serve`, once it answers. At the end SIGTERM must end it with status 0."""
    url = f"http://127.0.0.1:{environment['PORT']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command("serve", *options),
            env=plain_environment(environment),
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: process.poll() is not None or is_ready(url), LOADED_SECONDS)
        assert process.poll() is None, log.read_text()
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(LOADED_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_serve_syncs_and_sigterm_ends_it_in_order(
    environment: dict[str, str], simulator: Simulator, tmp_path: Path
) -> None:
    simulator.add_mailbox("a@example.com", "tok", messages=generate(20))
    environment |= {"PORT": str(free_port()), "GMAIL_SYNC_GMAIL_ENDPOINT": simulator.url + "/"}
    add = ("account", "add", "user-42", "--email", "a@example.com", "--access-token", "tok")
    assert run(environment, *add).returncode == 0
    client = requests.Session()
    client.headers["Authorization"] = (
        f"Bearer {run(environment, 'token', 'user-42').stdout.strip()}"
    )

    with client, serving(environment, tmp_path / "log") as url:
        started = client.post(f"{url}/api/gmail/sync/smart", timeout=LOADED_SECONDS)
        assert started.status_code == 202
        task = f"{url}/api/gmail/sync/{started.json()['task_id']}"

        def has_succeeded() -> bool:
            found = client.get(task, timeout=LOADED_SECONDS).json()
            return bool(found["outcome"] == "succeeded")

        wait_until(has_succeeded, LOADED_SECONDS)
        # A client that still reads events does not keep the service from ending.
        stream = client.get(f"{url}/api/gmail/sync/events", stream=True, timeout=LOADED_SECONDS)
        next(stream.iter_lines())

    stream.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {"run claimed", "run succeeded", "worker stopped"} <= {line["event"] for line in lines}


def test_a_process_may_open_more_files_than_its_shell(environment: dict[str, str]) -> None:
    limited = ["sh", "-c", 'ulimit -S -n 200; exec "$@"', "sh", *command("serve", "--no-worker")]
    environment |= {"PORT": str(free_port())}
    process = subprocess.Popen(limited, env=plain_environment(environment), stderr=subprocess.PIPE)
    try:
        url = f"http://127.0.0.1:{environment['PORT']}"
        wait_until(lambda: is_ready(url), LOADED_SECONDS)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    finally:
        process.terminate()
        process.communicate()
    (soft,) = re.findall(r"^Max open files +(\d+)", limits, re.MULTILINE)
    assert int(soft) > 200


def test_serve_without_worker_needs_no_keys(environment: dict[str, str], tmp_path: Path) -> None:
    del environment["GMAIL_SYNC_CREDENTIALS_KEYS"]
    environment |= {"PORT": str(free_port())}

    with serving(environment, tmp_path / "log", "--no-worker") as url:
        assert is_ready(url)


SIMULATE = ["simulate", "--messages", "1", "--email", "a@example.com", "--access-token", "tok"]


@pytest.mark.parametrize(
    ("arguments", "setting"), [(["serve"], "PORT"), (SIMULATE, "--port")], ids=["serve", "simulate"]
)
def test_a_port_that_is_taken_is_reported_in_one_line(
    environment: dict[str, str],
    arguments: list[str],
    setting: str,
    db: psycopg.Connection[Row],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        option = ["--port", port] if setting == "--port" else []
        result = run({**environment, "PORT": port}, *arguments, *option)

    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert f"127.0.0.1, port {port}: Address already in use. Choose another with {setting}" in line
    assert db.execute("select * from gmail_sync.worker").fetchall() == []


@pytest.mark.parametrize("arguments", [["account", "list"], ["monitor", "--once"], ["--help"]])
def test_output_that_cannot_be_written_is_one_line(
    environment: dict[str, str], arguments: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            command(*arguments),
            env=plain_environment(environment),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LOADED_SECONDS,
        )
    assert result.returncode == 1
    assert result.stderr == "Error: the output cannot be written: No space left on device.\n"


def test_a_terminal_that_lacks_a_character_gets_it_escaped(environment: dict[str, str]) -> None:
    add = ("account", "add", "Ü😀", "--email", "a@example.com", "--access-token", "t")
    assert run(environment, *add).returncode == 0
    result = run(environment | {"PYTHONIOENCODING": "ascii"}, "account", "list", "--json")
    assert result.returncode == 0, result.stderr
    result = run(environment | {"PYTHONIOENCODING": "ascii", "COLUMNS": "200"}, "account", "list")
    assert result.returncode == 0, result.stderr
    assert "\\U0001f600" in result.stdout


def test_without_stdout_a_command_does_its_work(environment: dict[str, str]) -> None:
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", *command("monitor", "--once")]
    result = subprocess.run(
        closing,
        env=plain_environment(environment),
        stderr=subprocess.PIPE,
        text=True,
        timeout=LOADED_SECONDS,
    )
    assert "Traceback" not in result.stderr


def test_a_host_that_is_unknown_is_reported_in_one_line(environment: dict[str, str]) -> None:
    result = run({**environment, "PORT": str(free_port())}, "serve", "--host", "nowhere.invalid")
    (line,) = result.stderr.splitlines()
    assert "cannot listen at nowhere.invalid" in line
    assert "no such address" in line


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this host has no IPv6")
def test_the_address_of_all_of_ipv6_is_that_of_ipv4_too(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"PORT": str(free_port())}
    # It is asked at 127.0.0.1.
    with serving(environment, tmp_path / "log", "--no-worker", "--host", "::"):
        requests.get(f"http://[::1]:{environment['PORT']}/livez", timeout=LOADED_SECONDS)


@pytest.mark.parametrize("name", ["serve", "worker"])
def test_a_closed_terminal_ends_a_process_in_order(
    environment: dict[str, str], db: psycopg.Connection[Row], name: str
) -> None:
    process = subprocess.Popen(
        command(name),
        env=plain_environment(environment | {"PORT": str(free_port())}),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        known = "select from gmail_sync.worker"
        wait_until(lambda: db.execute(known).fetchall(), LOADED_SECONDS)
        process.send_signal(signal.SIGHUP)
        _, log = process.communicate(timeout=LOADED_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "worker stopped" in log


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=LOADED_SECONDS).status_code == 200
    except requests.ConnectionError:
        return False
