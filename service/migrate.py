"""The revisions of the schema, applied with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from db import migrations


def alembic_config(database_url: str | None = None) -> Config:
    """Alembic's configuration; without a URL, env.py uses DATABASE_URL.

    alembic.ini is for Alembic's own command in a checkout. An installed package has none.
    """
    config = Config()
    folder = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head", scheduler: str | None = None) -> str:
    """Upgrade the database to a revision. Raises Alembic's CommandError, in words.

    Returns the revision that the database then has: a newer one stays, and `base` is none.

    `scheduler` says who reaps and starts due syncs: pg_cron or service. None: as it was.
    """
    config = alembic_config(database_url)
    config.attributes["scheduler"] = scheduler
    command.upgrade(config, revision)
    return str(config.attributes["installed"])


def downgrade(database_url: str, revision: str) -> None:
    command.downgrade(alembic_config(database_url), revision)


def head() -> str:
    """The revision that this version of the program needs."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if revision is None:
        raise RuntimeError("no revisions in db/migrations/versions")
    return revision
