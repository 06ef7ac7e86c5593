"""What plpgsql_check finds in the stored functions: each plan of each statement, all warnings on.

The Debian package is postgresql-<version>-plpgsql-check; `make setup` installs it.
"""

from collections.abc import Iterator

import pytest

from service import migrate
from service.postgres.calls import Connection, connect
from tests.cluster import fast_cluster

STABLE = "routine is marked as STABLE, but expression is VOLATILE"
# What stays as it is, by function.
EXCEPTIONS = {
    # They read with the snapshot of the query that calls them. All that is volatile is the clock,
    # or what raises their error.
    **dict.fromkeys(
        [
            "_due_of_thread",
            "_lease_owner",
            "_messages_a_minute",
            "_next_batch",
            "_run_eta",
            "_violations",
            "get_cursor",
            "list_running_syncs",
        ],
        STABLE,
    ),
    # An immutable function may be called while a query is planned; it must raise when it is run.
    "_raise_lease_lost": "routine is marked as VOLATILE, should be IMMUTABLE",
    # It runs the definitions of functions, as the catalog has them.
    "_take_over_cron_jobs": "variable is not sanitized",
    # Its rows come from dynamic SQL, which is not seen to set the columns.
    "check_sync_consistency": "OUT variable",
}
AVAILABLE = "select from pg_available_extensions where name = 'plpgsql_check'"
CHECK = """
    select p.proname as function, f.level, f.lineno as line, f.message, f.detail, f.query
    from pg_proc p
    left join pg_trigger t on t.tgfoid = p.oid
    cross join lateral plpgsql_check_function_tb(
      p.oid,
      coalesce(t.tgrelid, 0),
      fatal_errors => false,
      performance_warnings => true,
      extra_warnings => true,
      security_warnings => true,
      compatibility_warnings => true
    ) f
    where p.pronamespace = 'gmail_sync'::regnamespace
      and p.prolang = (select oid from pg_language where lanname = 'plpgsql')
    order by p.proname, f.lineno
"""


@pytest.fixture(scope="module")
def checker() -> Iterator[Connection]:
    """The database that pg_cron works in, because functions name its tables."""
    with fast_cluster() as cluster:
        migrate.upgrade(cluster.url())
        with connect(cluster.url(), "test") as db:
            if db.execute(AVAILABLE).fetchone() is None:
                pytest.skip("the package postgresql-<version>-plpgsql-check is not installed")
            db.execute("create extension plpgsql_check")
            yield db


def findings(db: Connection) -> list[str]:
    return [
        f"{row['function']}:{row['line']}: {row['level']}: {row['message']}"
        for row in db.execute(CHECK)
        if EXCEPTIONS.get(row["function"], "\0") not in row["message"]
    ]


def test_nothing_is_found_in_the_stored_functions(checker: Connection) -> None:
    assert findings(checker) == []


def test_a_fault_is_found(checker: Connection) -> None:
    with checker.transaction(force_rollback=True):
        checker.execute(
            "create function gmail_sync.faulty() returns void language plpgsql as"
            " $$ begin perform no_such_column from gmail_sync.account; end $$"
        )
        assert [text for text in findings(checker) if "no_such_column" in text]
