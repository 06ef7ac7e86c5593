"""make migration, in a copy of the repository's db folder."""

import shutil
import sys
from pathlib import Path

import pytest

from service import migrate
from tests.migrations.commands import ROOT, alembic, ask, run, stored_code

NEW = f"{int(migrate.head()) + 1:04d}"
HEARTBEAT = "gmail_sync.heartbeat(text)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "db", tmp_path / "db", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    return tmp_path


def make_migration(folder: Path, *message: str) -> tuple[int, str]:
    result = run([sys.executable, "-m", "db.migrations.new", *message], None, folder)
    return result.returncode, result.stdout + result.stderr


def edit(folder: Path, name: str = "heartbeat.sql") -> None:
    path = folder / "db/functions" / name
    path.write_text(path.read_text().replace("'Extend the lease", "'Prolong the lease"))


def test_the_next_revision_freezes_the_edited_files_alone(folder: Path) -> None:
    edit(folder)
    code, printed = make_migration(folder, "Let a click: cut the backoff short!")
    assert code == 0
    assert printed.splitlines()[-1] == NEW
    script = folder / f"db/migrations/versions/{NEW}_let_a_click_cut_the_backoff_short.py"
    assert f'revision = "{NEW}"' in script.read_text()
    frozen = folder / "db/migrations/snapshots" / NEW
    assert [path.name for path in frozen.iterdir()] == ["heartbeat.sql"]
    assert (frozen / "heartbeat.sql").read_bytes() == (
        folder / "db/functions/heartbeat.sql"
    ).read_bytes()


def test_the_new_revision_goes_up_and_down(folder: Path, empty_url: str) -> None:
    alembic(empty_url, "upgrade", "head", folder=folder)
    before = stored_code(empty_url)
    edit(folder)
    (folder / "db/functions/_fresh.sql").write_text(
        (folder / "db/functions/_limit.sql").read_text().replace("_limit(", "_fresh(")
    )
    make_migration(folder, "Prolong")
    alembic(empty_url, "upgrade", "head", folder=folder)
    after = stored_code(empty_url)
    assert "Prolong" in str(after[HEARTBEAT])
    assert after.keys() - before.keys() == {"gmail_sync._fresh(integer,integer)"}
    assert ask(empty_url, "select gmail_sync.schema_version()") == [(NEW,)]
    alembic(empty_url, "downgrade", migrate.head(), folder=folder)
    assert stored_code(empty_url) == before


@pytest.mark.parametrize("message", [[], [""], ["  "], ["two", "messages"]])
def test_a_revision_without_a_message_is_refused(folder: Path, message: list[str]) -> None:
    code, printed = make_migration(folder, *message)
    assert code != 0
    assert "make migration M=" in printed
    assert not list((folder / "db/migrations/versions").glob(f"{NEW}_*"))
