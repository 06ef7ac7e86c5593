"""Clients that the usual generators make of the OpenAPI document, used against the service."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.postgres.calls import Session
from tests.api.conftest import (  # noqa: F401  (fixtures)
    Running,
    ann,
    claim,
    google,
    nobody,
    running,
    simulator,
    store,
    stored,
    token,
)

pytestmark = pytest.mark.gate
HERE = Path(__file__).parent
NPM_SECONDS = 300
# Generators leave them out: the bytes are in the answer all the same.
NOT_JSON = {"*/*", "message/rfc822", "application/mbox"}


@pytest.fixture
def task_id(ann: httpx.Client, functions: Session) -> str:  # noqa: F811
    """A run of ann's that has stored m1."""
    task: str = ann.post("/api/gmail/sync/smart").json()["task_id"]
    claim(functions, task)
    store(functions, task, stored("m1"))
    return task


@pytest.fixture
def document(nobody: httpx.Client, tmp_path: Path) -> Path:  # noqa: F811
    path = tmp_path / "openapi.json"
    path.write_text(nobody.get("/schema/openapi.json").text)
    return path


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=NPM_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_components_have_names_for_classes(document: Path) -> None:
    names = json.loads(document.read_text())["components"]["schemas"]
    assert [name for name in names if not re.fullmatch("([A-Z][a-z0-9]*)+", name)] == []


def test_operations_have_names_for_functions(document: Path) -> None:
    operations: list[dict[str, Any]] = [
        operation
        for path in json.loads(document.read_text())["paths"].values()
        for operation in path.values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []
    assert [operation["operationId"] for operation in operations if not operation["tags"]] == []
    assert {"list_messages", "get_message", "list_changes", "start_sync"} <= set(names)


def test_a_python_client_is_generated_and_works(
    document: Path,
    running: Running,  # noqa: F811
    task_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = Path(sys.executable).with_name("openapi-python-client")
    said = run(
        *(generator, "generate", "--path", document, "--meta", "none"),
        *("--output-path", document.parent / "generated_client"),
        cwd=document.parent,
    )
    assert set(re.findall(r"Unsupported content_type ([^\s)]+)", said)) == NOT_JSON
    assert len(re.findall("^WARNING", said, re.M)) == len(NOT_JSON) + 1

    monkeypatch.syspath_prepend(document.parent)

    def module(name: str) -> Any:
        return importlib.import_module(f"generated_client.{name}")

    with module("client").AuthenticatedClient(running.url, token("ann")) as client:
        assert module("api.syncs.start_sync").sync(client=client).task_id == task_id
        (listed,) = module("api.mail.list_messages").sync(client=client, limit=1).messages
        message = module("api.mail.get_message").sync(listed.message_id, client=client)
        assert message.subject == "About m1"
        changes = module("api.mail.list_changes").sync(client=client, wait=1.0)
        assert [change.message_id for change in changes.changes] == ["m1"]
        missing = module("api.mail.get_thread").sync("nowhere", client=client)
        assert missing.code == "no_such_thread"


@pytest.fixture
def npm(tmp_path: Path) -> Path:
    """A folder with the generator, the compiler and the library of package.json."""
    if not (program := shutil.which("npm")):
        pytest.skip("npm is not installed: docker/install-postgres.sh --with-node")
    for name in ("package.json", "package-lock.json", "client.ts"):
        shutil.copy(HERE / name, tmp_path)
    done = subprocess.run(
        [program, "ci", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=NPM_SECONDS,
    )
    if done.returncode:
        pytest.skip(f"npm cannot install the packages: {done.stderr.strip()}")
    return tmp_path


def test_a_typescript_client_is_generated_and_works(
    npm: Path,
    document: Path,
    running: Running,  # noqa: F811
    task_id: str,
) -> None:
    programs = npm / "node_modules" / ".bin"
    run(programs / "openapi-typescript", document, "--output", npm / "api.ts", cwd=npm)
    options = ["--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck"]
    run(programs / "tsc", *options, "client.ts", cwd=npm)
    said = run("node", "client.js", running.url, token("ann"), cwd=npm)
    assert json.loads(said) == {
        "task_id": task_id,
        "subject": "About m1",
        "changed": ["m1"],
        "code": "no_such_thread",
    }
