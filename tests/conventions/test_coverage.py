"""Each public function and view is tested in the folder of its domain (no database needed)."""

import re
from pathlib import Path

from db.migrations.install import FUNCTIONS

TESTS = Path(__file__).parents[1] / "functions"


def test_every_public_object_is_used_in_the_tests_of_its_domain() -> None:
    texts = {
        folder.name: "\n".join(path.read_text() for path in sorted(folder.glob("*.py")))
        for folder in TESTS.iterdir()
        if folder.is_dir()
    }
    untested = [
        f"{path.parent.name}/{path.stem}"
        for path in sorted(FUNCTIONS.rglob("[!_]*.sql"))
        # As SQL that names it in our schema, or as the name given to a session.
        if not re.search(
            rf'gmail_sync\.{path.stem}\b|"{path.stem}"', texts.get(path.parent.name, "")
        )
    ]
    assert untested == []
