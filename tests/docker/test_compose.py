"""The images, built and run with Compose: a sync, crashes, a restart and an upgrade."""

import os
import secrets
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.migrations.commands import write_newer_migrations
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
DOCKER = shutil.which("docker")
SECONDS = 600
# A lease, a pass of the reaper and the start of containers on a busy machine.
TAKEOVER_SECONDS = 240
UNREACHABLE = "failed to resolve source metadata"

pytestmark = pytest.mark.gate


class Project:
    """Our containers in a Compose project of their own, built from the sources in a folder."""

    def __init__(self, folder: Path) -> None:
        self.sources = ROOT
        values = {
            "POSTGRES_PASSWORD": secrets.token_hex(24),
            "LOGIN_PASSWORD": secrets.token_hex(24),
            "GMAIL_SYNC_JWT_SECRET": secrets.token_hex(32),
            "GMAIL_SYNC_CREDENTIALS_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "GOOGLE_CLIENT_ID": "id",
            "GOOGLE_CLIENT_SECRET": "secret",
            "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
        }
        secret = folder / "env"
        secret.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        self._options = ["--project-name", f"gmail-sync-test-{secrets.token_hex(4)}"]
        self._options += ["--env-file", str(secret)]

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        files = [self.sources / "docker/compose.yaml", ROOT / "tests/docker/simulator.yaml"]
        options = [*self._options, *(f"--file={file}" for file in files)]
        return subprocess.run(
            [str(DOCKER), "compose", "--progress=plain", *options, *arguments],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={name: value for name, value in os.environ.items() if "GMAIL_SYNC" not in name},
        )

    def run(self, *arguments: str) -> str:
        """What `docker compose` printed; it must succeed."""
        result = self.compose(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout.strip()

    def start(self) -> None:
        self.run("up", "--build", "--detach")
        wait_until(lambda: self._answers("/readyz"), TAKEOVER_SECONDS)

    def psql(self, statement: str) -> str:
        psql = ["psql", "--no-psqlrc", "--username=postgres", "--tuples-only", "--no-align"]
        return self.run("exec", "--no-TTY", "postgres", *psql, "--command", statement, "gmail_sync")

    def sync(self) -> None:
        """Start a run and wait until it has succeeded."""
        task_id = self.psql("select gmail_sync.start_sync_idempotent('user-42')")
        state = f"select state from gmail_sync.sync_runs where task_id = '{task_id}'"
        wait_until(lambda: self.psql(state) == "succeeded", TAKEOVER_SECONDS)

    def is_healthy(self) -> bool:
        return self._answers("/api/gmail/sync/health")

    def _answers(self, path: str) -> bool:
        try:
            address = self.run("port", "gmail", "8000")
            return requests.get(f"http://{address}{path}", timeout=10).status_code == 200
        except (AssertionError, requests.RequestException):
            return False


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Running, with a user's account; removed afterwards with its volumes."""
    if DOCKER is None:
        pytest.skip("docker is not installed")
    for needed in (["info"], ["compose", "version"]):
        if subprocess.run([DOCKER, *needed], capture_output=True).returncode != 0:
            pytest.skip(f"docker {needed[0]} does not work: no engine runs, or Compose is missing")
    project = Project(tmp_path_factory.mktemp("project"))
    built = project.compose("build")
    if UNREACHABLE in built.stderr:
        pytest.skip("the base images cannot be downloaded")
    assert built.returncode == 0, built.stderr
    try:
        project.start()
        account = ["user-42", "--email", "a@example.com", "--access-token", "tok"]
        project.run("exec", "--no-TTY", "service", "gmail-sync", "account", "add", *account)
        project.sync()
        yield project
    finally:
        project.run("down", "--volumes", "--timeout=10")


def test_the_service_is_healthy_and_not_root(project: Project) -> None:
    wait_until(project.is_healthy, TAKEOVER_SECONDS)
    assert project.run("exec", "--no-TTY", "service", "id", "-u") == "10001"


def test_the_image_has_one_of_google_s_documents(project: Project) -> None:
    find = ["find", "/usr/local", "-path", "*/discovery_cache/documents/*"]
    found = project.run("exec", "--no-TTY", "service", *find).splitlines()
    assert [Path(path).name for path in found] == ["gmail.v1.json"]


@pytest.mark.parametrize("service", ["service", "worker", "postgres"])
def test_after_a_kill_the_next_sync_succeeds(project: Project, service: str) -> None:
    project.run("kill", service)
    project.start()
    project.sync()


def restart(project: Project) -> None:
    project.run("restart", "postgres", "service", "worker")


def stop_and_start(project: Project) -> None:
    project.run("stop")


def replace_every_container(project: Project) -> None:
    project.run("down")


@pytest.mark.parametrize("disturb", [restart, stop_and_start, replace_every_container])
def test_all_mail_is_there_afterwards_and_syncs_go_on(
    project: Project, disturb: Callable[[Project], None]
) -> None:
    disturb(project)
    project.start()
    assert project.psql("select count(*) from gmail_sync.messages") == "1000"
    project.sync()
    wait_until(project.is_healthy, TAKEOVER_SECONDS)


def test_images_of_newer_sources_migrate_and_keep_all_mail(
    project: Project, tmp_path: Path
) -> None:
    write_newer_migrations(tmp_path)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".dockerignore"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("service", "docker"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    before = project.psql("select gmail_sync.schema_version()")

    project.run("stop")
    project.sources = tmp_path
    project.start()

    assert project.psql("select gmail_sync.schema_version()") > before
    assert project.psql("select count(*) from gmail_sync.messages") == "1000"
    project.sync()
    wait_until(project.is_healthy, TAKEOVER_SECONDS)
