"""The demo, run as its users run it."""

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.cluster import Cluster
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
MAIL = ROOT / ".." / "shared" / "mail"
COUNTS = (
    "found",
    "new",
    "updated",
    "unchanged",
    "deleted",
    "gone",
    "failed",
    "pending",
    "imported",
)


def running_under(group: int) -> list[str]:
    """The commands of processes whose parent chain leads to `group`, by a snapshot of /proc."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    parents = {}
    commands = {}
    for line in listing.splitlines():
        pid, parent, arguments = line.split(maxsplit=2)
        parents[int(pid)], commands[int(pid)] = int(parent), arguments

    def leads_to_group(pid: int) -> bool:
        while pid in parents and pid != group:
            pid = parents[pid]
        return pid == group

    return [commands[pid] for pid in commands if pid != group and leads_to_group(pid)]


@pytest.mark.skipif(not MAIL.is_dir(), reason="the optional folder ../shared/mail")
@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("ham-2002", 4150, marks=pytest.mark.gate),
        pytest.param("mime-cases", 209, marks=pytest.mark.gate),
        ("non-english", 65),
    ],
)
def test_make_demo_once_syncs_real_mail_and_ends_in_a_json_summary(name: str, count: int) -> None:
    result = subprocess.run(
        ["make", "demo", "ONCE=1", f"MAIL=../shared/mail/{name}.mbox.xz"],
        cwd=ROOT,
        # As from a shell: a make within make says which directory it leaves.
        env={name: value for name, value in os.environ.items() if "MAKE" not in name},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout.splitlines()[-1])
    assert (summary["outcome"], summary["sync_type"]) == ("succeeded", "full")
    assert {key: summary[key] for key in COUNTS} == dict.fromkeys(COUNTS, 0) | {
        "found": count,
        "new": count,
    }
    assert summary["seconds"] > 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that the server's user may pass through."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


def printed(lines: list[str], command: str) -> str:
    """What a command prints that the demo shows, after the variables that it shows."""
    variables = [line for line in lines if re.match(r"  [A-Z_]+=", line)]
    (chosen,) = [line for line in lines if command in line]
    script = "\n".join([*variables, chosen])
    return subprocess.run(
        ["sh", "-eu"], input=script, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.gate
def test_the_demo_stays_up_until_ctrl_c_and_leaves_nothing(cluster: Cluster, folder: Path) -> None:
    """Beside another Postgres: the tests' own."""
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [".venv/bin/gmail-sync", "demo", "--messages", "30"],
            cwd=ROOT,
            env={**os.environ, "PORT": "8000", "TMPDIR": str(folder)},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "Ctrl-C stops everything" in output.read_text())
        lines = output.read_text().splitlines()
        assert "succeeded" in printed(lines, "sync_runs")
        assert json.loads(printed(lines, "/sync/status"))["stats"]["new"] == 30
        (url,) = [line.removeprefix("  URL=") for line in lines if line.startswith("  URL=")]
        assert requests.get(f"{url}/api/gmail/sync/health", timeout=60).json()["healthy"]
        assert f"Open {url} and click." in lines
        clicked = requests.post(f"{url}/sign-in/demo", timeout=60)
        assert "demo@example.com" in clicked.text
        wait_until(lambda: "Webhook: message.created (30 messages)" in output.read_text())
        printed(lines, "/sync/smart")
        wait_until(lambda: "Webhook: sync.finished" in output.read_text())
        children = running_under(process.pid)
        assert any("postgres" in command for command in children)

        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    left = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True)
    assert str(folder) not in left.stdout
    assert [path.name for path in folder.iterdir()] == ["output"]
