"""What is wrong with runs, in words: in our table and in tables without our rules."""

import pytest
from psycopg import sql

from service.postgres.calls import Connection, Session
from tests.functions.conftest import (
    claimed,
    insert_run,
    queued,
    raises_sqlstate,
    set_run,
    shift,
    zombie,
)
from tests.functions.runs.test_constraints import BAD_RUNS, ENDED


def drop_rules(db: Connection) -> None:
    """Leave user_sync_status as the earlier application had it: no rule, no mutex."""
    db.execute(
        """
        do $$
        declare
          v_rule text;
        begin
          for v_rule in
            select conname from pg_constraint
            where conrelid = 'gmail_sync.user_sync_status'::regclass
          loop
            execute format('alter table gmail_sync.user_sync_status drop constraint %I', v_rule);
          end loop;
        end;
        $$;
        drop index gmail_sync.uniq_user_running_sync;
        drop trigger ended_runs_are_immutable on gmail_sync.user_sync_status;
        alter domain gmail_sync.user_key drop constraint user_id_is_readable;
        alter table gmail_sync.user_sync_status
          alter task_id drop not null, alter user_id drop not null
        """
    )


def found(db: Connection, table: str | None = None) -> dict[str | None, list[str]]:
    """The broken rules of each task."""
    rows = db.execute(
        "select task_id, array_agg(rule order by rule) as rules"
        " from gmail_sync.check_sync_consistency({}) group by task_id".format(
            "" if table is None else "%s::regclass"
        ).encode(),
        [] if table is None else [table],
    )
    return {row["task_id"]: row["rules"] for row in rows}


@pytest.fixture
def old_table(db: Connection) -> str:
    """A table of the earlier application, with one good row."""
    db.execute(
        """
        create table public.old (
          user_id uuid default gen_random_uuid(), task_id text, is_syncing boolean default false,
          updated_at timestamp default (now() at time zone 'UTC'), progress_percentage integer
            default 0, current_stats json default '{}', error_message text
        );
        insert into public.old (task_id) values ('good')
        """
    )
    return "public.old"


def test_healthy_runs_are_consistent(db: Connection, functions: Session) -> None:
    claimed(functions, "bo")
    functions.value("release_sync", claimed(functions, "ann"))
    functions.value("release_sync", claimed(functions, "dan"), "Gmail said no")
    functions.value("cancel_sync", claimed(functions, "eve"))
    zombie(functions, db, "fay")
    functions.rows("reap_zombie_syncs")
    queued(functions, "cy")
    assert functions.rows("check_sync_consistency") == []


def test_a_zombie_is_told_in_words(db: Connection, functions: Session) -> None:
    task_id = zombie(functions, db)
    (row,) = functions.rows("check_sync_consistency")
    assert (row["user_id"], row["task_id"], row["rule"]) == ("ann", task_id, "zombie")
    assert row["explanation"].startswith("it is running, but its last heartbeat was at 2")


def test_a_run_that_makes_no_progress_is_told(db: Connection, functions: Session) -> None:
    task_id = claimed(functions)
    shift(db, task_id, "-31 min", "claimed_at", "progressed_at")
    assert found(db) == {task_id: ["stalled"]}
    set_run(db, task_id, waiting_until="tomorrow")
    assert found(db) == {}


@pytest.fixture(scope="module")
def without_rules(shared_db: Connection) -> Connection:
    drop_rules(shared_db)
    return shared_db


@pytest.mark.parametrize(("rule", "columns"), BAD_RUNS)
def test_each_rule_of_ours_is_known(
    without_rules: Connection, rule: str, columns: dict[str, object]
) -> None:
    without_rules.execute("delete from gmail_sync.user_sync_status")
    insert_run(without_rules, **columns)
    (rules,) = found(without_rules).values()
    assert rule in rules or ("no_user" in rules and rule == "user_id_is_readable")


def test_every_broken_rule_has_words(db: Connection) -> None:
    drop_rules(db)
    for number, (_, columns) in enumerate(BAD_RUNS):
        insert_run(db, **{"task_id": f"t{number}", **columns})
    rows = db.execute("select * from gmail_sync.check_sync_consistency()").fetchall()
    assert [row for row in rows if not row["explanation"]] == []


def test_what_rows_break_together_is_told_of_each(db: Connection) -> None:
    drop_rules(db)
    insert_run(db, task_id="one")
    insert_run(db, task_id="two")
    insert_run(db, task_id="twin", user_id="bo", **ENDED)
    insert_run(db, task_id="twin", user_id="cy", **ENDED)
    insert_run(db, task_id="heir", user_id="dan", resumes="x", **ENDED)
    insert_run(db, task_id="rival", user_id="dan", resumes="x", **ENDED)
    assert found(db) == {
        "one": ["uniq_user_running_sync"],
        "two": ["uniq_user_running_sync"],
        "twin": ["uniq_task_id", "uniq_task_id"],
        "heir": ["uniq_resumes"],
        "rival": ["uniq_resumes"],
    }


def test_rows_without_a_user_are_no_rivals(db: Connection, old_table: str) -> None:
    db.execute(
        "insert into public.old (user_id, task_id, is_syncing)"
        " values (null, 'a', true), (null, 'b', true), (null, null, false), (null, null, false)"
    )
    assert found(db, old_table) == {
        "a": ["no_user"], "b": ["no_user"],
        None: ["no_task_id", "no_task_id", "no_user", "no_user"],
    }  # fmt: skip


def test_a_table_without_our_rules_is_checked(db: Connection, old_table: str) -> None:
    db.execute(
        """
        insert into public.old (task_id, is_syncing, progress_percentage, error_message,
          updated_at, current_stats)
        values
          ('hundred', true, 100, null, now() at time zone 'UTC', '{}'),
          ('halfway', false, 45, null, now() at time zone 'UTC', '{}'),
          ('error', true, 3, 'died', now() at time zone 'UTC', '{}'),
          ('odd', false, 100, 'died', now() at time zone 'UTC', '[]'),
          ('zombie', true, 3, null, '2025-07-21 17:27:50', '{}'),
          ('null', null, null, null, null, null)
        """
    )
    assert found(db, old_table) == {
        "hundred": ["chk_sync_state_consistency"],
        "halfway": ["chk_sync_state_consistency"],
        "error": ["error_means_ended"],
        "odd": ["counts_are_no_object", "error_means_no_success"],
        "zombie": ["zombie"],
        "null": ["counts_are_no_object", "no_time", "not_said_whether_running"],
    }


def test_a_column_may_have_any_name(db: Connection) -> None:
    db.execute(
        'create table public.old (t text, row text, n text, run text, "user_id" bigint);'
        "insert into public.old values ('', '', '', '', 7)"
    )
    (row,) = db.execute(
        "select distinct user_id from gmail_sync.check_sync_consistency('public.old')"
    ).fetchall()
    assert row["user_id"] == "7"


def test_a_copy_of_our_table_is_checked_as_ours(db: Connection, functions: Session) -> None:
    claimed(functions)
    db.execute("create table public.copy as select * from gmail_sync.user_sync_status")
    assert found(db, "public.copy") == {}
    db.execute("update public.copy set phase = 'sleeping'")
    assert list(found(db, "public.copy").values()) == [["known_phase"]]


def test_a_check_reads_with_the_callers_rights(db: Connection, old_table: str) -> None:
    db.execute("set role gmail_sync_dba")
    with raises_sqlstate("42501"):
        found(db, old_table)
    db.execute("reset role; grant select on public.old to gmail_sync_dba; set role gmail_sync_dba")
    assert found(db, old_table) == {}


def test_a_dba_checks_our_table_without_reading_it(db: Connection, functions: Session) -> None:
    task_id = zombie(functions, db)
    db.execute("set role gmail_sync_dba")
    assert found(db) == {task_id: ["zombie"]}
    with raises_sqlstate("42501"):
        db.execute("select * from gmail_sync.user_sync_status")


def test_a_check_needs_a_table(db: Connection) -> None:
    with raises_sqlstate("SY003"):
        db.execute("select * from gmail_sync.check_sync_consistency(null)")
    with raises_sqlstate("42P01"):
        found(db, "public.nothing")


def test_a_name_is_no_way_in(db: Connection) -> None:
    name = "x; drop table gmail_sync.message; -- \"%s'"
    db.execute(sql.SQL("create table {} (user_id text)").format(sql.Identifier("public", name)))
    db.execute(sql.SQL("insert into {} values ('ann')").format(sql.Identifier("public", name)))
    (rules,) = found(db, f'public."{name.replace(chr(34), chr(34) * 2)}"').values()
    assert "no_task_id" in rules
    db.execute("select from gmail_sync.message")
