"""An earlier application's table becomes runs of ours, whatever is in it."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from service.postgres.calls import Connection, Row, Session
from tests.functions.conftest import claimed, only, queued, raises_sqlstate, run_of

REAL_TASK = "sync_60f2ccbd-d754-4fa0-aa4d-35a7d6551d38_1753133270"
REAL_USER = "60f2ccbd-d754-4fa0-aa4d-35a7d6551d38"
REAL_ERROR = "任务被管理员手动清理（修复后）"
MANY_ROWS = 20_000
MAY_LAST_SECONDS = 60
COLUMNS = {
    "user_id": "text",
    "task_id": "text",
    "is_syncing": "boolean",
    "sync_type": "text",
    "started_at": "timestamptz",
    "updated_at": "timestamptz",
    "progress_percentage": "integer",
    "current_stats": "jsonb",
    "error_message": "text",
}


def legacy_table(db: Connection, name: str = "old", /, **types: Any) -> None:
    """The earlier table, without a rule. Types differ or, when None, columns are missing."""
    columns = {column: kind for column, kind in {**COLUMNS, **types}.items() if kind}
    db.execute(
        sql.SQL("create table {} ({})").format(
            sql.Identifier("public", name),
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
                for column, kind in columns.items()
            ),
        )
    )


def legacy(db: Connection, name: str = "old", /, **columns: Any) -> None:
    """A row of it: a run of `ann` that succeeded, unless said otherwise. Values are SQL casts."""
    values = {
        "user_id": "ann", "task_id": "t", "is_syncing": False, "progress_percentage": 100,
        "sync_type": "full", "started_at": "2025-07-21 17:27:00+00",
        "updated_at": "2025-07-21 17:27:50+00", "current_stats": '{"new": 2}', **columns,
    }  # fmt: skip
    db.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier("public", name),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Literal, values.values())),
        )
    )


def running(db: Connection, **columns: object) -> None:
    """A row of a run that is alive."""
    now = only(db, "select clock_timestamp()::text")
    legacy(db, **{"is_syncing": True, "progress_percentage": 45, "updated_at": now, **columns})


def adopt(db: Connection, table: str = "public.old") -> list[Row]:
    return db.execute(
        "select * from gmail_sync.adopt_legacy_sync_status(%s::regclass)", [table]
    ).fetchall()


def fates(db: Connection, table: str = "public.old") -> dict[tuple[str, str], int]:
    """How many rows had which outcome (left_out: none) and broke which rules."""
    return {
        (row["outcome"] or row["action"], ", ".join(row["rules"])): row["row_count"]
        for row in adopt(db, table)
    }


def runs(db: Connection) -> dict[str, Row]:
    rows = db.execute("select * from gmail_sync.user_sync_status")
    return {row["task_id"]: row for row in rows}


def log(db: Connection) -> list[Row]:
    return db.execute("select * from gmail_sync.repair_log order by id").fetchall()


def test_a_run_that_succeeded_is_adopted_as_it_was(db: Connection) -> None:
    legacy_table(db)
    legacy(db, current_stats='{"new": 2, "updated": 3, "bogus": "x", "gone": -1, "failed": null}')
    assert adopt(db) == [
        {
            "action": "adopted",
            "outcome": "succeeded",
            "rules": [],
            "row_count": 1,
            "example": "t",
        }
    ]
    run = run_of(db, "t")
    assert (run["user_id"], run["outcome"], run["sync_type"]) == ("ann", "succeeded", "full")
    assert (run["found"], run["new"], run["updated"]) == (5, 2, 3)
    assert str(run["finished_at"]) == "2025-07-21 17:27:50+00:00"
    assert str(run["started_at"]) == "2025-07-21 17:27:00+00:00"


def test_the_real_stuck_row_ends_with_its_own_words(db: Connection, functions: Session) -> None:
    legacy_table(db, user_id="uuid")
    running(db, user_id=REAL_USER, task_id=REAL_TASK, error_message=REAL_ERROR)
    assert fates(db) == {("reaped", "error_means_ended"): 1}
    run = run_of(db, REAL_TASK)
    assert (run["user_id"], run["error_message"]) == (REAL_USER, REAL_ERROR)
    assert (run["is_syncing"], run["progress_percentage"], run["outcome"]) == (False, 0, "reaped")
    assert functions.row("start_sync", REAL_USER)["created"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "user"), [("uuid", REAL_USER), ("text", "ann"), ("bigint", "9007199254740993")]
)
def test_users_may_be_uuid_text_or_bigint(db: Connection, kind: str, user: str) -> None:
    legacy_table(db, user_id=kind)
    legacy(db, user_id=user)
    adopt(db)
    assert run_of(db, "t")["user_id"] == user


@pytest.mark.parametrize("kind", ["json", "jsonb"])
@pytest.mark.parametrize("stats", [None, "{}", "[]", "7", "null", '"x"', '{"new": [1]}'])
def test_stats_may_be_anything(db: Connection, kind: str, stats: str | None) -> None:
    legacy_table(db, current_stats=kind)
    legacy(db, current_stats=stats)
    adopt(db)
    assert run_of(db, "t")["outcome"] == "succeeded"
    assert set(run_of(db, "t")["current_stats"].values()) == {0}


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_times_without_a_zone_are_utc(db: Connection, zone: str) -> None:
    legacy_table(db, started_at="timestamp", updated_at="text")
    legacy(db, started_at="2025-07-21 17:27:00", updated_at="2025-07-21 19:27:50.5+02")
    db.execute(sql.SQL("set timezone = {}").format(sql.Literal(zone)))
    adopt(db)
    db.execute("set timezone = 'UTC'")
    assert str(run_of(db, "t")["started_at"]) == "2025-07-21 17:27:00+00:00"
    assert str(run_of(db, "t")["updated_at"]) == "2025-07-21 17:27:50.500000+00:00"


@pytest.mark.parametrize(
    "odd", ["infinity", "-infinity", "294276-12-31", "4713-01-01 BC", "2025-02-30", "soon", ""]
)
def test_no_time_is_too_odd(db: Connection, odd: str) -> None:
    legacy_table(db, started_at="text", updated_at="text")
    running(db, started_at=odd, updated_at=odd)
    adopt(db)
    assert run_of(db, "t")["outcome"] == "reaped"


@pytest.mark.parametrize(
    ("syncing", "progress", "outcome", "told"),
    [
        (False, 45, "failed", "Found idle and ended: it is idle with progress 45."),
        (False, 0, "failed", "Found idle and ended: it reports neither success nor an error."),
        (False, None, "failed", "Found idle and ended: it is idle with progress NULL."),
        (True, 100, "reaped", "Found running and ended: it is running with progress 100."),
        (True, 150, "reaped", "Found running and ended: it is running with progress 150."),
        (True, -5, "reaped", "Found running and ended: it is running with progress -5."),
        (None, 0, "failed", "Found idle and ended: nothing says whether it is running."),
    ],
)
def test_impossible_progress_is_told_in_words(
    db: Connection, syncing: bool | None, progress: int | None, outcome: str, told: str
) -> None:
    legacy_table(db)
    running(db, is_syncing=syncing, progress_percentage=progress)
    adopt(db)
    run = run_of(db, "t")
    assert (run["is_syncing"], run["outcome"], run["error_message"]) == (False, outcome, told)
    assert run["progress_percentage"] == 0


def test_progress_may_be_a_numeric(db: Connection) -> None:
    legacy_table(db, progress_percentage="numeric(5, 2)")
    legacy(db)
    adopt(db)
    assert run_of(db, "t")["outcome"] == "succeeded"


def test_a_failed_run_keeps_its_error(db: Connection) -> None:
    legacy_table(db)
    legacy(db, task_id="a", progress_percentage=0, error_message="quota")
    legacy(db, task_id="b", progress_percentage=100, error_message="quota")
    adopt(db)
    for run in runs(db).values():
        assert (run["outcome"], run["error_message"]) == ("failed", "quota")


def test_nulls_everywhere_are_kept_in_the_log_alone(db: Connection) -> None:
    legacy_table(db)
    db.execute("insert into public.old default values")
    assert [row["action"] for row in adopt(db)] == ["left_out"]
    assert runs(db) == {}
    assert set(log(db)[0]["original"].values()) == {None}


def test_a_user_and_a_task_id_are_enough(db: Connection) -> None:
    legacy_table(db)
    db.execute("insert into public.old (user_id, task_id) values ('ann', 't')")
    adopt(db)
    assert run_of(db, "t")["outcome"] == "failed"


def test_columns_may_be_missing(db: Connection) -> None:
    missing = dict.fromkeys(COLUMNS.keys() - {"user_id", "task_id"})
    legacy_table(db, **missing)
    db.execute("insert into public.old values ('ann', 't')")
    adopt(db)
    assert run_of(db, "t")["outcome"] == "failed"


def test_a_table_without_users_leaves_all_rows_out(db: Connection) -> None:
    db.execute("create table public.old (note text); insert into public.old values ('a'), ('b')")
    assert fates(db) == {("left_out", "no_user, no_task_id, not_said_whether_running, no_time, "
                          "counts_are_no_object"): 2}  # fmt: skip


def test_originals_are_whole(db: Connection) -> None:
    legacy_table(
        db, t="text", row="int[]", n="bytea", found="text", resumes="text", outcome="text",
        phase="text",
    )  # fmt: skip
    legacy(db, t="extra", row="{1,2}", n="\\x00ff", found="many", outcome="fine", phase="odd")
    original = only(db, "select to_jsonb(o.*) from public.old o")
    adopt(db)
    assert log(db)[0]["original"]["t"] == "extra"
    assert log(db)[0]["original"] == original
    assert run_of(db, "t")["outcome"] == "succeeded"


def test_a_live_run_stays_running(db: Connection, functions: Session) -> None:
    legacy_table(db)
    running(db)
    assert fates(db) == {("running", ""): 1}
    run = run_of(db, "t")
    assert (run["is_syncing"], run["progress_percentage"]) == (True, 45)
    assert functions.value("start_sync_idempotent", "ann") == "t"
    assert functions.rows("reap_zombie_syncs") == []


def test_a_silent_run_ends_without_a_successor(db: Connection, functions: Session) -> None:
    legacy_table(db)
    running(db, updated_at="2025-07-21 17:27:50+00")
    db.execute("listen gmail_sync")
    assert fates(db) == {("reaped", "zombie"): 1}
    assert list(runs(db)) == ["t"]
    assert list(db.notifies(timeout=0)) == []
    assert functions.value("claim_sync", REAL_USER) is None


def test_of_several_running_rows_of_a_user_the_latest_runs_on(db: Connection) -> None:
    legacy_table(db)
    for age in (2, 1, 3):
        beat = only(db, "select (now() - %s * interval '1 s')::text", age)
        running(db, task_id=f"t{age}", updated_at=beat)
    fate = fates(db)
    assert fate == {("reaped", ""): 2, ("running", ""): 1}
    assert run_of(db, "t1")["is_syncing"]
    assert run_of(db, "t2")["error_message"] == (
        "Found running and ended: its user has another running sync."
    )


def test_our_own_running_run_stays(db: Connection, functions: Session) -> None:
    task_id = claimed(functions)
    legacy_table(db)
    running(db)
    before = run_of(db, task_id)
    adopt(db)
    assert run_of(db, task_id) == before
    assert run_of(db, "t")["outcome"] == "reaped"


def test_of_rows_with_one_task_id_the_latest_becomes_the_run(db: Connection) -> None:
    legacy_table(db)
    legacy(db, user_id="ann", updated_at="2025-07-01")
    legacy(db, user_id="bo", updated_at="2025-07-02")
    legacy(db, user_id=None, updated_at="2025-07-03")
    assert fates(db) == {
        ("succeeded", ""): 1,
        ("left_out", "no_user"): 1,
        ("left_out", "uniq_task_id"): 1,
    }
    assert run_of(db, "t")["user_id"] == "bo"
    assert len(log(db)) == 3


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("user_id", None), ("user_id", ""), ("user_id", " \u3000"), ("user_id", "a\nb"),
        ("user_id", "a" * 256), ("task_id", None), ("task_id", ""), ("task_id", " "),
    ],
)  # fmt: skip
def test_what_cannot_be_a_run_costs_no_other_row(
    db: Connection, column: str, value: str | None
) -> None:
    legacy_table(db)
    legacy(db, task_id="good", user_id="bo")
    legacy(db, **{column: value})
    adopt(db)
    assert list(runs(db)) == ["good"]
    assert sorted(row["action"] for row in log(db)) == ["adopted", "left_out"]


def test_a_task_id_that_no_index_holds_is_left_out(db: Connection) -> None:
    legacy_table(db)
    legacy(db, task_id="good")
    db.execute(
        "update public.old set task_id = task_id; insert into public.old (user_id, task_id)"
        " select 'bo', string_agg(md5(n::text), '') from generate_series(1, 1000) n"
    )
    assert sum(count for (action, _), count in fates(db).items() if action == "left_out") == 1
    assert list(runs(db)) == ["good"]
    (row,) = [row for row in log(db) if row["user_id"] == "bo"]
    assert len(row["original"]["task_id"]) == 32_000


def test_texts_may_be_long(db: Connection) -> None:
    legacy_table(db)
    legacy(db, progress_percentage=0, error_message="x" * 1_000_000)
    adopt(db)
    assert len(run_of(db, "t")["error_message"]) == 1_000_000


def test_a_mutex_that_is_not_partial_does_no_harm(db: Connection) -> None:
    legacy_table(db, "user_sync_status")
    db.execute(
        "create unique index uniq_user_running_sync"
        " on public.user_sync_status (user_id, is_syncing)"
    )
    legacy(db, "user_sync_status")
    assert fates(db, "public.user_sync_status") == {("succeeded", ""): 1}


def test_the_legacy_table_stays_as_it_is(db: Connection) -> None:
    legacy_table(db, current_stats="json")
    legacy(db, current_stats='{"b":1,  "a":2, "b": 3}')
    running(db, task_id="u", error_message=REAL_ERROR)
    look = (
        "select array_agg(row(o.ctid, o.xmin, o.*)::text order by o.ctid), pg_relation_filepath"
        "('public.old') from public.old o group by 2"
    )
    before = db.execute(look).fetchall()
    adopt(db)
    assert db.execute(look).fetchall() == before


def test_a_second_call_adopts_only_what_is_new(db: Connection) -> None:
    legacy_table(db)
    legacy(db)
    legacy(db, task_id=None)
    running(db, user_id="bo", task_id="live")
    adopt(db)
    before = (runs(db), log(db))
    db.execute("set timezone = 'Asia/Kolkata'")
    assert adopt(db) == []
    db.execute("set timezone = 'UTC'")
    assert (runs(db), log(db)) == before
    db.execute("update public.old set updated_at = now()")
    legacy(db, task_id="new")
    assert fates(db)["succeeded", ""] == 1
    assert runs(db).keys() == {"t", "live", "new"}
    assert run_of(db, "t") == before[0]["t"]


def test_what_was_adopted_and_pruned_does_not_come_back(db: Connection) -> None:
    legacy_table(db)
    legacy(db)
    adopt(db)
    db.execute("delete from gmail_sync.user_sync_status")
    assert adopt(db) == []
    assert runs(db) == {}


def test_a_dry_run_is_a_transaction_undone(db: Connection) -> None:
    legacy_table(db)
    legacy(db)
    with db.transaction(force_rollback=True):
        assert fates(db) == {("succeeded", ""): 1}
    assert (runs(db), log(db)) == ({}, [])


def test_a_dba_adopts_what_he_may_read(db: Connection) -> None:
    legacy_table(db)
    legacy(db)
    db.execute("set role gmail_sync_dba")
    with raises_sqlstate("42501"):
        adopt(db)
    db.execute("reset role; grant select on public.old to gmail_sync_dba; set role gmail_sync_dba")
    assert fates(db) == {("succeeded", ""): 1}


def test_the_service_adopts_nothing(db: Connection) -> None:
    legacy_table(db)
    db.execute("grant select on public.old to gmail_sync_service; set role gmail_sync_service")
    with raises_sqlstate("42501"):
        adopt(db)


def test_our_own_table_is_no_legacy_table(db: Connection, functions: Session) -> None:
    queued(functions)
    for table in ("'gmail_sync.user_sync_status'", "null"):
        with raises_sqlstate("SY003"):
            db.execute(f"select * from gmail_sync.adopt_legacy_sync_status({table})".encode())


def test_a_name_is_no_way_in(db: Connection) -> None:
    name = 'Old "one"; drop table gmail_sync.message; -- %s \''
    legacy_table(db, name)
    legacy(db, name)
    quoted = 'public."{}"'.format(name.replace('"', '""'))
    assert fates(db, quoted) == {("succeeded", ""): 1}
    assert log(db)[0]["source"] == quoted
    db.execute("select from gmail_sync.message")
    with raises_sqlstate("42602"):
        adopt(db, "public.old; drop table gmail_sync.message")


def test_tables_of_one_name_in_two_schemas_are_two_sources(db: Connection) -> None:
    legacy_table(db)
    legacy(db, task_id=None)
    db.execute("create schema app; create table app.old as select * from public.old")
    db.execute("set search_path = app, public")
    for table in ("old", "public.old"):
        assert sum(row["row_count"] for row in adopt(db, table)) == 1
    assert {row["source"] for row in log(db)} == {"app.old", "public.old"}


IDS = st.none() | st.sampled_from(["", " ", "ann", "bo", "t1", "t2", "a\tb", "é" * 256])
# What blank and control characters do is known of IDS.
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=9)
TIMES = st.none() | st.sampled_from(
    ["now", "infinity", "-infinity", "2025-07-21", "294276-12-31", "4713-01-01 BC", "epoch"]
)
ROWS = st.fixed_dictionaries(
    {
        "user_id": IDS | WORDS,
        "task_id": IDS | WORDS,
        "is_syncing": st.none() | st.booleans(),
        "sync_type": st.none() | st.sampled_from(["full", "FULL", "smart", ""]),
        "started_at": TIMES,
        "updated_at": TIMES,
        "progress_percentage": st.none() | st.sampled_from([0, 45, 99, 100, 150, -5, 2**31 - 1]),
        "current_stats": st.none()
        | st.sampled_from(
            ["{}", "[]", "null", '"x"', '{"new": 3}', '{"new": -3, "failed": 1e400}',
             '{"gone": 99999999999, "updated": true, "deleted": {}, "failed": "2"}']
        ),
        "error_message": st.none() | st.sampled_from(["", REAL_ERROR]),
        "resumes": st.none() | st.sampled_from(["t1", "t2"]),
        "outcome": st.none() | st.sampled_from(["reaped", "succeeded", "odd"]),
        "phase": st.none() | st.sampled_from(["queued", "odd"]),
        "found": st.none() | st.integers(-3, 3),
    }
)  # fmt: skip
ROWS_COLUMNS = [*COLUMNS, "resumes", "outcome", "phase", "found"]
TYPES = st.fixed_dictionaries(
    {
        "started_at": st.sampled_from(["timestamp", "timestamptz", "text"]),
        "updated_at": st.sampled_from(["timestamp", "timestamptz", "text"]),
        "progress_percentage": st.sampled_from(["integer", "bigint", "numeric", "text", "float8"]),
        "current_stats": st.sampled_from(["json", "jsonb", "text"]),
        "is_syncing": st.sampled_from(["boolean", "text"]),
        "found": st.sampled_from(["integer", "text", None]),
    }
)


@settings(
    max_examples=150, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(types=TYPES, rows=st.lists(ROWS, max_size=8))
def test_no_row_is_too_odd(
    db: Connection, types: dict[str, str | None], rows: list[dict[str, Any]]
) -> None:
    with db.transaction(force_rollback=True):
        legacy_table(db, resumes="text", outcome="text", phase="text", **types)
        columns = [name for name in ROWS_COLUMNS if types.get(name, "") is not None]
        for row in rows:
            legacy(db, **{name: row[name] for name in columns})

        told = adopt(db)

        adopted, logged = runs(db), log(db)
        assert sum(row["row_count"] for row in told) == len(logged)
        whole = db.execute("select distinct to_jsonb(o.*) as row from public.old o").fetchall()
        assert len(logged) == len(whole)
        left_out = [row for row in logged if row["action"] == "left_out"]
        assert len(logged) == len(adopted) + len(left_out)
        can_be_runs = {row["task_id"] for row in rows if is_a_run(row)}
        assert adopted.keys() == can_be_runs
        assert found_nothing(db)
        assert adopt(db) == told  # the same transaction: the same report
        assert (runs(db), log(db)) == (adopted, logged)


def is_a_run(row: dict[str, Any]) -> bool:
    user, task = row["user_id"] or "", row["task_id"] or ""
    return (
        bool(user.strip() and task.strip())
        and len(user) <= 255
        and not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in user)
    )


def found_nothing(db: Connection) -> bool:
    return not db.execute("select * from gmail_sync.check_sync_consistency()").fetchall()


@pytest.mark.serial
def test_many_rows_are_adopted_in_time(db: Connection) -> None:
    legacy_table(db, user_id="uuid", started_at="timestamp")
    db.execute(
        """
        insert into public.old
        select gen_random_uuid(), 'sync_' || n, n % 10 = 0, 'full',
          now() - n * interval '1 s', now() - n * interval '1 s',
          (array[0, 100, 45, 150, -5])[1 + n % 5], '{"new": 1}',
          case when n % 7 = 0 then 'died' end
        from generate_series(1, %s) n
        """.replace(" % ", " %% "),
        [MANY_ROWS],
    )
    began = time.monotonic()
    told = adopt(db)
    seconds = time.monotonic() - began
    print(f"{MANY_ROWS} rows adopted in {seconds:.1f} s: {told}")
    assert sum(row["row_count"] for row in told) == len(runs(db)) == MANY_ROWS
    assert seconds < MAY_LAST_SECONDS
