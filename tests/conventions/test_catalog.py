"""What the migrated catalog must look like, whatever the files say."""

import pytest

from db.migrations.install import FUNCTIONS, is_view
from service.postgres.calls import Connection, Row
from tests.conventions.test_files import INLINED, INNER, NO_SECURITY_DEFINER, PINNED

# What runs with the rights of its caller calls these.
GRANTED_HELPERS = {
    "_adopt_rows", "_adoption_report", "_all_runs", "_miscounted_mail", "_row_time",
    "_row_violations", "_zombie_cause",
}  # fmt: skip
ROUTINES = """
    select proname as name, prosecdef as definer, proconfig as settings, proacl::text as grants,
      obj_description(oid, 'pg_proc') as comment, proargnames[1:pronargs] as arguments,
      prorettype = 'trigger'::regtype as trigger
    from pg_proc
    where pronamespace = 'gmail_sync'::regnamespace
"""


@pytest.fixture
def database(shared_database: str) -> str:
    """These tests only read."""
    return shared_database


@pytest.fixture
def routines(db: Connection) -> list[Row]:
    return db.execute(ROUTINES).fetchall()


def names(rows: list[Row]) -> set[str]:
    return {row["name"] for row in rows}


def test_every_routine_has_its_file_and_no_overload(routines: list[Row]) -> None:
    files = {path.stem for path in FUNCTIONS.rglob("*.sql") if not is_view(path)}
    assert sorted(row["name"] for row in routines) == sorted(files)


def test_every_function_pins_its_search_path(routines: list[Row]) -> None:
    pinned = "search_path=pg_catalog, pg_temp"
    others = [row for row in routines if pinned not in (row["settings"] or [])]
    assert names(others) == {"reap_loop", *INNER, *INLINED}
    more = [row for row in routines if len(row["settings"] or []) > 1]
    assert names(more) == set(PINNED)


def test_every_function_runs_as_the_owner(routines: list[Row]) -> None:
    assert names([row for row in routines if not row["definer"]]) == {
        *NO_SECURITY_DEFINER, *INNER, *INLINED
    }  # fmt: skip


def test_every_function_has_a_comment(routines: list[Row]) -> None:
    assert names([row for row in routines if not row["comment"]]) == set()


def test_every_function_is_closed_to_public(routines: list[Row]) -> None:
    # No grants at all would be the default: open to PUBLIC.
    open_to_all = [row for row in routines if row["grants"] is None or "{=" in row["grants"]]
    assert names([*open_to_all, *(row for row in routines if ",=" in row["grants"])]) == set()


def test_helpers_are_granted_to_nobody(routines: list[Row]) -> None:
    granted = [row for row in routines if row["name"].startswith("_") and "," in row["grants"]]
    assert names(granted) == GRANTED_HELPERS


def test_arguments_start_with_p(routines: list[Row]) -> None:
    odd = [
        row for row in routines if any(name[:2] != "p_" for name in row["arguments"] or [])
    ]  # fmt: skip
    assert names(odd) == set()


def test_triggers_guard_ended_runs_and_note_changes(db: Connection) -> None:
    triggers = db.execute(
        "select tgname from pg_trigger"
        " where not tgisinternal and tgrelid in"
        " (select oid from pg_class where relnamespace = 'gmail_sync'::regnamespace)"
    ).fetchall()
    assert {row["tgname"] for row in triggers} == {
        "ended_runs_are_immutable", "inserted_runs_change_schedules",
        "ended_runs_change_schedules", "deleted_runs_change_schedules",
        "accounts_change_schedules", "settings_change_schedules",
        "accounts_are_reported", "ended_runs_are_reported",
    }  # fmt: skip


def test_every_table_and_view_has_a_comment(db: Connection) -> None:
    bare = db.execute(
        "select relname from pg_class where relnamespace = 'gmail_sync'::regnamespace"
        " and relkind in ('r', 'v') and obj_description(oid, 'pg_class') is null"
    ).fetchall()
    assert bare == []


def test_every_check_is_named_as_a_sentence(db: Connection) -> None:
    unnamed = db.execute(
        r"select conname from pg_constraint where contype = 'c' and conname like '%\_check'"
        " and connamespace = 'gmail_sync'::regnamespace"
    ).fetchall()
    assert unnamed == []


def test_no_foreign_key_leads_from_mail_to_runs(db: Connection) -> None:
    keys = db.execute(
        "select conname from pg_constraint where contype = 'f'"
        " and confrelid = 'gmail_sync.user_sync_status'::regclass"
    ).fetchall()
    assert keys == []


def test_runs_leave_room_for_beats_on_their_page(db: Connection) -> None:
    (row,) = db.execute(
        "select reloptions from pg_class where oid = 'gmail_sync.user_sync_status'::regclass"
    ).fetchall()
    assert "fillfactor=70" in row["reloptions"]


def test_a_mere_look_at_every_function_plans(db: Connection) -> None:
    """Bodies are not checked when they are installed: names in them may come later."""
    for path in FUNCTIONS.rglob("*.sql"):
        db.execute("begin")
        db.execute("set local check_function_bodies = on")
        db.execute("set local role gmail_sync_owner")
        db.execute(path.read_bytes())
        db.execute("rollback")
