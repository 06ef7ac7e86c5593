"""Makes the next revision: `python -m db.migrations.new "let a click cut the backoff short"`.

Freezes a copy of each file of db/functions that differs from its newest frozen copy, an empty one
of each that is gone.
"""

import re
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from db.migrations.freeze import freeze
from db.migrations.install import (
    FUNCTIONS,
    current_files,
    is_released,
    newest_files,
    revisions,
)

ROOT = Path(__file__).parents[2]
NOT_RELEASED = """\
Nothing is released yet, so no revision is needed: edit db/functions and
db/migrations/versions/0001_baseline.sql in place. `make freeze` ends that at the first release."""


def changed_files() -> dict[str, Path]:
    """Files of db/functions that no revision installs as they are now, by object.

    The path of a file that is gone does not exist.
    """
    files, installed = current_files(), newest_files(revisions())
    names = sorted(files.keys() | installed.keys())
    paths = {name: files.get(name, FUNCTIONS / f"{name}.sql") for name in names}
    return {
        name: path
        for name, path in paths.items()
        if _content(installed.get(name)) != _content(path)
    }


def _content(path: Path | None) -> bytes:
    """Nothing where there is no such file."""
    return path.read_bytes() if path is not None and path.exists() else b""


def make_revision(message: str) -> str:
    """Write the revision and its snapshots; returns its number."""
    number = f"{1 + _latest_number():04d}"
    slug = re.sub(r"\W+", "_", message.lower()).strip("_")[:40]
    command.revision(Config(ROOT / "alembic.ini"), message, rev_id=number)
    written = next((ROOT / "db/migrations/versions").glob(f"{number}_*.py"))
    written.rename(written.with_name(f"{number}_{slug}.py"))
    freeze(changed_files(), number)
    return number


def _latest_number() -> int:
    versions = (ROOT / "db/migrations/versions").glob("[0-9]*.py")
    return max((int(path.name[:4]) for path in versions), default=0)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        sys.exit('usage: make migration M="what the revision does"')
    if not is_released():
        sys.exit(NOT_RELEASED)
    print(make_revision(sys.argv[1]))
