"""Makes the next revision: `python -m db.migrations.new "let a click cut the backoff short"`.

Freezes a copy of each file of db/functions that differs from its newest frozen copy, an empty one
of each that is gone.
"""

import re
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from db.migrations.stored import FUNCTIONS, SNAPSHOTS, newest

ROOT = Path(__file__).parents[2]


def changed_files() -> list[Path]:
    """Files of db/functions, relative to it, that no revision installs as they are now."""
    names = {
        path.relative_to(folder)
        for folder in (FUNCTIONS, *SNAPSHOTS.iterdir())
        for path in folder.rglob("*.sql")
    }
    return sorted(name for name in names if _content(newest(name)) != _content(FUNCTIONS / name))


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
    for name in changed_files():
        target = SNAPSHOTS / number / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_content(FUNCTIONS / name))
    return number


def _latest_number() -> int:
    versions = (ROOT / "db/migrations/versions").glob("[0-9]*.py")
    return max((int(path.name[:4]) for path in versions), default=0)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        sys.exit('usage: make migration M="what the revision does"')
    print(make_revision(sys.argv[1]))
