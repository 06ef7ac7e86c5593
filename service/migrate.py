"""The revisions of the schema, applied with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

ROOT = Path(__file__).parents[1]


def alembic_config(database_url: str | None = None) -> Config:
    """Alembic's configuration; without a URL, env.py uses DATABASE_URL."""
    config = Config(ROOT / "alembic.ini")
    # The caller configures logging, not alembic.ini.
    config.attributes["configure_logging"] = False
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Upgrade the database to a revision. Raises Alembic's CommandError, in words."""
    command.upgrade(alembic_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    command.downgrade(alembic_config(database_url), revision)


def head() -> str:
    """The revision that this version of the program needs."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if revision is None:
        raise RuntimeError("no revisions in db/migrations/versions")
    return revision
