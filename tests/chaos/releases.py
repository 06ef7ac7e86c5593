"""Faults of an upgrade: another release of the program at work than the schema's."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import SkipTest

from alembic.script import ScriptDirectory

from db.migrations.install import BASELINE
from service import migrate
from tests.chaos.processes import replaced
from tests.chaos.trial import Scene
from tests.migrations.commands import ROOT, alembic

GIT_SECONDS = 30


@contextmanager
def rolled_back(scene: Scene) -> Iterator[None]:
    """The program first and then the schema, as db/handbook/upgrading.md says, and on again."""
    url = scene.site.cluster.url()
    with TemporaryDirectory() as folder:
        revision = unpack_release_before(Path(folder))
        older = {"PYTHONPATH": folder, "PYTHONSAFEPATH": "1"}
        with replaced(scene, lambda _: older):
            scene.wait_for_another_run()
            scene.go_on()
            alembic(url, "downgrade", revision)
            try:
                scene.go_on()
            finally:
                alembic(url, "upgrade", "head")
            scene.go_on()
        yield


def unpack_release_before(folder: Path) -> str:
    """The program as it was before the newest revision, out of git's history; the revision it was
    written for. Raises SkipTest."""
    if migrate.head() == BASELINE:
        raise SkipTest("there is no release before this one")
    head = ScriptDirectory.from_config(migrate.alembic_config()).get_revision("head")
    # None where the revision is not committed yet: then all that is committed is older.
    added = _git("log", "--diff-filter=A", "--format=%H^", "--", head.path).decode().split()
    archive = _git("archive", added[0] if added else "HEAD", "service", "alembic.ini", "db")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    assert not (folder / Path(head.path).relative_to(ROOT)).exists()
    return str(head.down_revision)


def _git(*arguments: str) -> bytes:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=GIT_SECONDS).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SkipTest("git knows no release before this one") from error
