import psycopg
import pytest
from alembic.script import ScriptDirectory

from db.migrations.install import FUNCTIONS, OWNER, current_files, sorted_for_install
from service import migrate
from tests.cluster import Cluster
from tests.migrations.commands import (
    ALEMBIC,
    alembic,
    ask,
    jobs,
    roles,
    run,
    schema,
    stored_code,
)

SCRIPTS = ScriptDirectory.from_config(migrate.alembic_config())
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


def test_there_is_one_head_and_one_line_of_numbered_revisions() -> None:
    assert [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert migrate.head() == REVISIONS[-1]


def test_upgrade_head_needs_only_the_database_url(cron_url: str) -> None:
    printed = alembic(cron_url, "upgrade", "head")
    assert "zombie_task_cleanup: scheduled" in printed
    assert "WARN" not in printed
    assert ask(cron_url, "select gmail_sync.schema_version()") == [(migrate.head(),)]
    assert len(jobs(cron_url)) == 5


def test_an_upgrade_says_what_to_do_where_pg_cron_works_elsewhere(empty_url: str) -> None:
    printed = alembic(empty_url, "upgrade", "head")
    assert "cron.database_name" in printed
    assert ask(empty_url, "select gmail_sync.schema_version()") == [(migrate.head(),)]


def test_upgrading_twice_changes_nothing(cron_url: str) -> None:
    alembic(cron_url, "upgrade", "head")
    before = schema(cron_url), roles(cron_url), jobs(cron_url)
    alembic(cron_url, "upgrade", "head")
    assert (schema(cron_url), roles(cron_url), jobs(cron_url)) == before


@pytest.mark.parametrize("arguments", [["upgrade", "head"], ["current"]])
def test_a_missing_url_is_one_clear_message(arguments: list[str]) -> None:
    result = run([str(ALEMBIC), *arguments], None)
    assert result.returncode != 0
    assert "DATABASE_URL" in result.stderr
    assert "Traceback" not in result.stderr


def test_sql_is_not_written_offline(empty_url: str) -> None:
    result = run([str(ALEMBIC), "upgrade", "head", "--sql"], empty_url)
    assert result.returncode != 0
    assert "online only" in result.stderr


def test_downgrade_base_leaves_nothing(cron_url: str) -> None:
    before = schema(cron_url)
    alembic(cron_url, "upgrade", "head")
    ask(cron_url, "select gmail_sync.start_sync_idempotent('ann')")
    alembic(cron_url, "downgrade", "base")
    assert schema(cron_url) == before
    assert roles(cron_url) == []
    assert ask(cron_url, "select extname from pg_extension where extname = 'pg_cron'") == []


def test_roles_in_use_outlive_a_downgrade(cron_url: str, empty_url: str) -> None:
    alembic(cron_url, "upgrade", "head")
    alembic(empty_url, "upgrade", "head")
    alembic(cron_url, "downgrade", "base")
    assert {name for name, _ in roles(empty_url)} >= {OWNER, "gmail_sync_service"}
    assert ask(empty_url, "select count(*) from gmail_sync.user_sync_status") == [(0,)]
    alembic(empty_url, "downgrade", "base")
    assert roles(empty_url) == []


def test_a_role_somebody_logs_in_through_outlives_a_downgrade(
    cron_url: str, server: Cluster
) -> None:
    alembic(cron_url, "upgrade", "head")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create role somebody login in role gmail_sync_service")
        alembic(cron_url, "downgrade", "base")
        assert roles(cron_url) == [("gmail_sync_service", [None])]
        connection.execute("drop role somebody; drop role gmail_sync_service")


def test_a_downgrade_leaves_other_jobs_and_their_pg_cron(cron_url: str) -> None:
    alembic(cron_url, "upgrade", "head")
    ask(cron_url, "select cron.schedule('theirs', '5 5 * * *', 'select 1')")
    alembic(cron_url, "downgrade", "base")
    assert [job[0] for job in jobs(cron_url)] == ["theirs"]
    with psycopg.connect(cron_url, autocommit=True) as connection:
        connection.execute("drop extension pg_cron")


def test_each_revision_up_down_and_up_again_leaves_the_catalog_as_it_was(cron_url: str) -> None:
    def catalog() -> tuple[object, ...]:
        return schema(cron_url), roles(cron_url), jobs(cron_url)

    for revision, before in zip(REVISIONS, ["base", *REVISIONS], strict=False):
        below = catalog()
        alembic(cron_url, "upgrade", revision)
        above = catalog()
        alembic(cron_url, "downgrade", before)
        assert catalog() == below, f"downgrade of {revision}"
        alembic(cron_url, "upgrade", revision)
        assert catalog() == above, f"second upgrade to {revision}"


def install_files(url: str) -> None:
    """Replace all stored code by the files of db/functions, as the owner."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "do $$ declare r regprocedure; v text; begin"
            " for r in select oid from pg_proc where pronamespace = 'gmail_sync'::regnamespace loop"
            # Others go with what they need.
            "   if exists (select from pg_proc where oid = r) then"
            "     execute 'drop routine ' || r || ' cascade';"
            "   end if;"
            " end loop;"
            " for v in select viewname from pg_views where schemaname = 'gmail_sync' loop"
            "   execute format('drop view if exists gmail_sync.%I cascade', v);"
            " end loop; end $$"
        )
        connection.execute("set local check_function_bodies = off")
        connection.execute(f"set local role {OWNER}".encode())
        for path in sorted_for_install(current_files().values()):
            connection.execute(path.read_bytes())


def test_the_migrated_catalog_is_what_the_files_say(empty_url: str) -> None:
    alembic(empty_url, "upgrade", "head")
    migrated = stored_code(empty_url)
    install_files(empty_url)
    assert stored_code(empty_url) == migrated
    assert len(migrated) == len(list(FUNCTIONS.rglob("*.sql")))


def test_no_two_files_are_of_one_object() -> None:
    assert len(list(FUNCTIONS.rglob("*.sql"))) == len(current_files())
