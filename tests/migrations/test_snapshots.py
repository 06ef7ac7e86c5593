"""The truth is db/functions; what revisions install is frozen beside them. No database needed."""

from pathlib import Path

import pytest

from db.migrations.new import changed_files
from db.migrations.stored import FUNCTIONS, SNAPSHOTS, newest

FILES = sorted(path.relative_to(FUNCTIONS) for path in FUNCTIONS.rglob("*.sql"))


@pytest.mark.parametrize("name", FILES, ids=str)
def test_the_newest_frozen_copy_is_the_file(name: Path) -> None:
    copy = newest(name)
    assert copy is not None, "run make migration"
    assert copy.read_bytes() == (FUNCTIONS / name).read_bytes(), "run make migration"


def test_make_migration_would_freeze_nothing() -> None:
    assert changed_files() == []


def test_every_folder_of_frozen_copies_belongs_to_a_revision() -> None:
    versions = {path.name[:4] for path in (SNAPSHOTS.parent / "versions").glob("[0-9]*.py")}
    assert {folder.name for folder in SNAPSHOTS.iterdir()} <= versions
