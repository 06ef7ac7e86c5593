"""The packages: what they hold, and a sync with the wheel in an environment of its own."""

import json
import secrets
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from cryptography.fernet import Fernet

from tests.cli.test_commands import LOADED_SECONDS, is_ready, plain_environment
from tests.cluster import Cluster
from tests.ports import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
BUILD = """
from hatchling import build
print(build.build_{kind}({folder!r}))
"""
# What git and tools write into a checkout.
NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv*", ".postgres-*", ".*_cache", ".hypothesis", "__pycache__", "dist"
)

pytestmark = pytest.mark.gate


def make_environment(folder: Path, *packages: str) -> Path:
    """The Python of a new environment with these packages and what they need."""
    venv.create(folder)
    python = folder / "bin/python"
    uv = Path(sys.executable).with_name("uv")
    with_uv = [str(uv), "pip", "install", "--python", str(python)]
    with_pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    run([*(with_uv if uv.exists() else with_pip), "--quiet", *packages], folder)
    return python


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What a command prints, run in a folder; it must succeed."""
    result = subprocess.run(
        command,
        cwd=folder,
        env=plain_environment(environment),
        capture_output=True,
        text=True,
        timeout=LOADED_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: building writes beside what it builds."""
    return shutil.copytree(
        ROOT, tmp_path_factory.mktemp("sources") / "gmail-sync", ignore=NOT_SOURCES
    )


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what builds the packages."""
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    return make_environment(tmp_path_factory.mktemp("builder"), *required)


def build(builder: Path, kind: str, sources: Path, folder: Path) -> Path:
    printed = run([str(builder), "-c", BUILD.format(kind=kind, folder=str(folder))], sources)
    return folder / printed.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(builder: Path, sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    archive = build(builder, "sdist", sources, folder)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(builder: Path, sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, as an installer does."""
    return build(builder, "wheel", sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command `gmail-sync`, installed from the wheel."""
    python = make_environment(tmp_path_factory.mktemp("installed"), f"{wheel}[demo]")
    return str(python.with_name("gmail-sync"))


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder with packages of our names and of one that we import, and a percent sign."""
    with TemporaryDirectory(prefix="50% ") as name:
        folder = Path(name)
        for package in ("service", "db", "click"):
            (folder / package).mkdir()
            (folder / package / "__init__.py").write_text("raise SystemExit('not this one')\n")
        yield folder


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_sdist_has_every_file_of_the_repository(sources: Path, sdist: Path) -> None:
    assert files_in(sources) - files_in(sdist) == set()


def test_the_wheel_has_the_program_and_nothing_else(sources: Path, wheel: Path) -> None:
    program = {
        name
        for name in files_in(sources)
        if name.startswith(("service/", "db/")) and not name.endswith((".md", ".png"))
    }

    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == program
    assert {"service/py.typed", "db/py.typed"} <= program


@contextmanager
def running(command: list[str], folder: Path, **environment: str) -> Iterator[None]:
    """A process in the background, which SIGTERM must end with status 0."""
    process = subprocess.Popen(command, cwd=folder, env=plain_environment(environment))
    try:
        yield
        process.terminate()
        assert process.wait(LOADED_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_an_installation_from_the_wheel_syncs_from_any_folder(
    program: str, elsewhere: Path, cluster: Cluster
) -> None:
    name = f"test_{secrets.token_hex(6)}"
    cluster.create_database(name)
    gmail, page = free_port(), free_port()
    environment = {
        "DATABASE_URL": cluster.url(name),
        "PORT": str(page),
        "GMAIL_SYNC_JWT_SECRET": secrets.token_hex(32),
        "GMAIL_SYNC_CREDENTIALS_KEYS": Fernet.generate_key().decode(),
        "GMAIL_SYNC_QUOTA_PROFILE": "unlimited",
        "GMAIL_SYNC_GMAIL_ENDPOINT": f"http://127.0.0.1:{gmail}/",
    }
    mailbox = ["--email", "a@example.com", "--access-token", "tok"]
    simulate = [program, "simulate", "--port", str(gmail), "--messages", "20", *mailbox]
    try:
        run([program, "migrate"], elsewhere, **environment)
        run([program, "account", "add", "user-42", *mailbox], elsewhere, **environment)
        with (
            psycopg.connect(cluster.url(name), autocommit=True) as connection,
            running(simulate, elsewhere),
            running([program, "worker"], elsewhere, **environment),
            running([program, "serve", "--no-worker"], elsewhere, **environment),
        ):
            wait_until(lambda: is_ready(f"http://127.0.0.1:{page}"), LOADED_SECONDS)
            connection.execute("select gmail_sync.start_sync_idempotent('user-42')")
            outcome = "select outcome, new from gmail_sync.user_sync_status"
            wait_until(
                lambda: connection.execute(outcome).fetchall() == [("succeeded", 20)],
                LOADED_SECONDS,
            )
    finally:
        cluster.drop_database(name)


def test_the_demo_of_the_wheel_runs_from_any_folder(program: str, elsewhere: Path) -> None:
    printed = run([program, "demo", "--once", "--messages", "20"], elsewhere)

    summary = json.loads(printed.splitlines()[-1])
    assert (summary["outcome"], summary["new"]) == ("succeeded", 20)
