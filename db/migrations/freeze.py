"""Freezes db/functions for the first release: `python -m db.migrations.freeze`.

Later releases need nothing of the kind: `make migration` freezes what each revision changes.
"""

import sys
from pathlib import Path

from db.migrations.install import BASELINE, SNAPSHOTS, current_files, is_released


def freeze(files: dict[str, Path], revision: str) -> None:
    """Copy files to the snapshots of a revision."""
    folder = SNAPSHOTS / revision
    folder.mkdir(parents=True)
    for name, path in files.items():
        (folder / f"{name}.sql").write_bytes(path.read_bytes() if path.exists() else b"")


if __name__ == "__main__":
    if is_released():
        sys.exit("The baseline is frozen already: use make migration.")
    freeze(current_files(), BASELINE)
