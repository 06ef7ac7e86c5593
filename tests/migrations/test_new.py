"""make migration, in a copy of the repository's db folder."""

import sys
from pathlib import Path

import pytest

from db.migrations.install import is_released
from db.migrations.new import changed_files
from service import migrate
from tests.migrations.commands import (
    alembic,
    ask,
    copy_migrations,
    freeze,
    function_file,
    make_migration,
    run,
    stored_code,
)

NEW = f"{int(migrate.head()) + 1:04d}"
HEARTBEAT = "gmail_sync.heartbeat(text)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As after the first release."""
    copy_migrations(tmp_path)
    freeze(tmp_path)
    return tmp_path


def edit(folder: Path, name: str = "heartbeat") -> None:
    path = function_file(folder, name)
    path.write_text(path.read_text().replace("'Extend the lease", "'Prolong the lease"))


def test_the_head_installs_the_functions_as_they_are() -> None:
    assert changed_files() == {}, "run make migration"


def test_the_next_revision_freezes_the_edited_files_alone(folder: Path) -> None:
    edit(folder)
    made = make_migration(folder, "Let a click: cut the backoff short!")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1] == NEW
    script = folder / f"db/migrations/versions/{NEW}_let_a_click_cut_the_backoff_short.py"
    assert f'revision = "{NEW}"' in script.read_text()
    frozen = folder / "db/migrations/snapshots" / NEW
    assert [path.name for path in frozen.iterdir()] == ["heartbeat.sql"]
    assert (frozen / "heartbeat.sql").read_bytes() == function_file(
        folder, "heartbeat"
    ).read_bytes()


def test_a_file_that_moves_to_another_folder_is_not_frozen_again(folder: Path) -> None:
    path = function_file(folder, "heartbeat")
    path.rename(folder / "db/functions/heartbeat.sql")
    made = make_migration(folder, "Move")
    assert made.returncode == 0, made.stderr
    assert list((folder / "db/migrations/snapshots" / NEW).iterdir()) == []


def test_the_new_revision_goes_up_and_down(folder: Path, empty_url: str) -> None:
    alembic(empty_url, "upgrade", "head", folder=folder)
    before = stored_code(empty_url)
    edit(folder)
    limit = function_file(folder, "_check_page_size")
    limit.with_name("_fresh.sql").write_text(
        limit.read_text().replace("_check_page_size(", "_fresh(")
    )
    function_file(folder, "zombie_syncs").unlink()
    make_migration(folder, "Prolong")
    alembic(empty_url, "upgrade", "head", folder=folder)
    after = stored_code(empty_url)
    assert "Prolong" in str(after[HEARTBEAT])
    assert after.keys() - before.keys() == {"gmail_sync._fresh(integer,integer)"}
    assert before.keys() - after.keys() == {"zombie_syncs"}
    assert ask(empty_url, "select gmail_sync.schema_version()") == [(NEW,)]
    alembic(empty_url, "downgrade", migrate.head(), folder=folder)
    assert stored_code(empty_url) == before


@pytest.mark.parametrize("message", [[], [""], ["  "], ["two", "messages"]])
def test_a_revision_without_a_message_is_refused(folder: Path, message: list[str]) -> None:
    made = make_migration(folder, *message)
    assert made.returncode != 0
    assert "make migration M=" in made.stderr
    assert not list((folder / "db/migrations/versions").glob(f"{NEW}_*"))


@pytest.mark.skipif(is_released(), reason="there is a release")
def test_before_the_first_release_no_revision_is_made(tmp_path: Path) -> None:
    copy_migrations(tmp_path)
    made = make_migration(tmp_path, "Edit")
    assert made.returncode != 0
    assert "make freeze" in made.stderr
    assert not list((tmp_path / "db/migrations/versions").glob(f"{NEW}_*"))


def test_the_baseline_is_frozen_once(folder: Path) -> None:
    again = run([sys.executable, "-m", "db.migrations.freeze"], None, folder)
    assert again.returncode != 0
    assert "make migration" in again.stderr
