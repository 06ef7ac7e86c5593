"""gmail-sync adopt: an earlier application's table, a DBA's login, and every refusal in words."""

import json
import secrets
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from service.postgres.calls import Connection, connect
from tests.cli.test_commands import run
from tests.cluster import Cluster

TABLE = "legacy.user_sync_status"
STUCK = "sync_60f2ccbd-d754-4fa0-aa4d-35a7d6551d38_1753133270"
ROWS = [
    ("ann", STUCK, True, 45, "任务被管理员手动清理（修复后）"),
    ("bob", "finished", False, 100, None),
    ("carol", "idle halfway", False, 45, None),
    (None, "of nobody", False, 0, None),
]


@pytest.fixture
def dba_url(cluster: Cluster, db: Connection, database: str) -> Iterator[str]:
    """A member of gmail_sync_dba who may read TABLE, and nothing else."""
    login, password = f"dba_{secrets.token_hex(6)}", secrets.token_urlsafe()
    name = sql.Identifier(login)
    db.execute(
        sql.SQL("create role {} login password {} in role gmail_sync_dba").format(
            name, sql.Literal(password)
        )
    )
    db.execute("create schema legacy")
    db.execute(
        "create table legacy.user_sync_status (user_id text, task_id text, is_syncing boolean,"
        " progress_percentage integer, error_message text, updated_at timestamp default now(),"
        " current_stats json default '{}', extra text default 'kept')"
    )
    db.cursor().executemany("insert into legacy.user_sync_status values (%s, %s, %s, %s, %s)", ROWS)
    db.execute(sql.SQL("grant usage on schema legacy to {}").format(name))
    db.execute(sql.SQL("grant select on legacy.user_sync_status to {}").format(name))
    yield cluster.url(database, login, password)
    db.execute(sql.SQL("drop owned by {}").format(name))
    db.execute(sql.SQL("drop role {}").format(name))


def contents(db: Connection) -> list[object]:
    return [
        db.execute(f"select * from {table} order by 1, 2").fetchall()
        for table in (TABLE, "gmail_sync.user_sync_status", "gmail_sync.repair_log")
    ]


def test_runs_are_adopted_and_told_with_totals(dba_url: str, db: Connection) -> None:
    legacy = contents(db)[0]

    result = run({"DATABASE_URL": dba_url}, "adopt", TABLE)

    assert (result.returncode, result.stderr) == (0, "")
    for words in ("action", "outcome", "rules", "example", "reaped", "error_means_ended"):
        assert words in result.stdout
    assert result.stdout.endswith(f"4 new rows in {TABLE}: 3 became runs, 1 left out.\n")
    runs = db.execute("select task_id, outcome, error_message from gmail_sync.user_sync_status")
    assert {row["task_id"]: (row["outcome"], row["error_message"]) for row in runs}[STUCK] == (
        "reaped",
        ROWS[0][4],
    )
    assert contents(db)[0] == legacy


def test_a_dry_run_tells_the_same_and_changes_nothing(dba_url: str, db: Connection) -> None:
    before = contents(db)

    dry = run({"DATABASE_URL": dba_url}, "adopt", TABLE, "--dry-run")

    assert (dry.returncode, dry.stderr) == (0, "")
    assert "4 new rows" in dry.stdout
    assert "3 would become runs" in dry.stdout
    assert dry.stdout.endswith("This was a dry run: everything was rolled back.\n")
    assert contents(db) == before
    wet = run({"DATABASE_URL": dba_url}, "adopt", TABLE)
    assert dry.stdout.split("4 new rows")[0] == wet.stdout.split("4 new rows")[0]


def test_scripts_get_one_object(dba_url: str) -> None:
    def adopt(*options: str) -> dict[str, object]:
        result = run({"DATABASE_URL": dba_url}, "adopt", TABLE, "--json", *options)
        assert (result.returncode, result.stderr) == (0, "")
        answer: dict[str, object] = json.loads(result.stdout)
        return answer

    dry, wet = adopt("--dry-run"), adopt()
    assert (dry.pop("dry_run"), wet.pop("dry_run")) == (True, False)
    assert dry == wet
    assert (wet["table"], wet["rows"], wet["runs"]) == (TABLE, 4, 3)
    assert isinstance(wet["groups"], list)
    assert {group["action"]: group["row_count"] for group in wet["groups"]}["left_out"] == 1
    assert all(
        group.keys() == {"action", "outcome", "rules", "row_count", "example"}
        for group in wet["groups"]
    )


def test_a_second_call_has_nothing_new(dba_url: str) -> None:
    assert run({"DATABASE_URL": dba_url}, "adopt", TABLE).returncode == 0

    again = run({"DATABASE_URL": dba_url}, "adopt", TABLE)

    assert again.returncode == 0
    assert again.stdout == f"0 new rows in {TABLE}: 0 became runs, 0 left out.\n"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("nowhere", "there is no table nowhere"),
        ("no.where", "there is no table no.where"),
        ("some.what.no.where", "'some.what.no.where' is not a table"),
        ("some what", "'some what' is not a table"),
        ("gmail_sync.user_sync_status", "gmail_sync.user_sync_status is not a legacy table"),
        ("gmail_sync.uniq_task_id", "'gmail_sync.uniq_task_id' is not a table"),
    ],
)
def test_what_is_no_legacy_table_is_refused(database_url: str, table: str, words: str) -> None:
    result = run({"DATABASE_URL": database_url}, "adopt", table)

    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_who_may_not_read_the_table_is_told_what_it_takes(dba_url: str, db: Connection) -> None:
    db.execute("create table legacy.secret ()")

    result = run({"DATABASE_URL": dba_url}, "adopt", "legacy.secret")

    assert result.returncode == 1
    assert "permission denied for table secret" in result.stderr
    assert "SELECT on legacy.secret" in result.stderr


def test_who_is_no_dba_is_told_what_it_takes(
    dba_url: str, service_url: str, db: Connection
) -> None:
    db.execute("grant usage on schema legacy to public")

    result = run({"DATABASE_URL": service_url}, "adopt", TABLE)

    assert result.returncode == 1
    assert "a member of gmail_sync_dba" in result.stderr


def test_a_table_that_stays_locked_is_told(dba_url: str, database_url: str, db: Connection) -> None:
    before = contents(db)
    with connect(database_url, "locker") as locker, locker.transaction():
        locker.execute(f"lock table {TABLE}")
        result = run({"DATABASE_URL": dba_url}, "adopt", TABLE)

    assert result.returncode == 1
    assert "nothing was adopted" in result.stderr
    assert contents(db) == before


def test_adoption_outlasts_the_timeout_of_statements(dba_url: str) -> None:
    impatient = f"{dba_url}?options=-c%20statement_timeout%3D1ms"
    with pytest.raises(psycopg.errors.QueryCanceled), psycopg.connect(impatient) as connection:
        connection.execute("select pg_sleep(1)")

    result = run({"DATABASE_URL": impatient}, "adopt", TABLE)

    assert (result.returncode, result.stderr) == (0, "")


def test_a_schema_that_is_missing_is_told_with_the_remedy(cluster: Cluster) -> None:
    result = run({"DATABASE_URL": cluster.url("postgres")}, "adopt", "pg_catalog.pg_class")

    assert result.returncode == 1
    assert "gmail-sync migrate" in result.stderr
