import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.types.json import Jsonb

from service.gmail.backoff import to_reserve
from service.postgres.calls import Connection, Session
from service.postgres.errors import AccountNotConnected, InvalidArgument
from tests.functions.conftest import calls, claimed, gets, only, set_settings, together

GETS_A_MINUTE = 300  # 6,000 units at 20 each


@pytest.fixture
def task_id(functions: Session, db: Connection) -> str:
    task_id = claimed(functions)
    limit(db, "google-standard")
    return task_id


def limit(db: Connection, profile: str) -> None:
    db.execute("update gmail_sync.account set quota_profile = %s", [profile])


def age(db: Connection, interval: str) -> None:
    db.execute(
        "update gmail_sync.quota_charge set charged_at = charged_at - %s::interval", [interval]
    )


def wait_of(db: Connection, free_at: object) -> float:
    return float(
        only(db, "select extract(epoch from %s::timestamptz - clock_timestamp())", free_at)
    )


def test_the_whole_burst_goes_at_once_and_not_one_more(functions: Session, task_id: str) -> None:
    burst = functions.value("reserve_run_quota", task_id, gets(GETS_A_MINUTE))
    assert burst is None
    assert functions.value("reserve_run_quota", task_id, calls("labels.list")) is not None


def test_a_window_is_longer_than_google_s_for_a_request_that_travels_faster(
    functions: Session, db: Connection, task_id: str
) -> None:
    functions.value("reserve_run_quota", task_id, gets(GETS_A_MINUTE))
    free_at = functions.value("reserve_run_quota", task_id, gets())
    spent_at = only(db, "select min(charged_at) from gmail_sync.quota_charge")
    assert free_at - spent_at == timedelta(seconds=60 * 1.02)


def test_what_has_no_room_now_is_booked_for_when_it_has(
    functions: Session, db: Connection, task_id: str
) -> None:
    functions.value("reserve_run_quota", task_id, gets(GETS_A_MINUTE))
    age(db, "20 s")
    free_at = functions.value("reserve_run_quota", task_id, gets())
    assert wait_of(db, free_at) == pytest.approx(41, abs=8)
    booked = "select max(units) from gmail_sync.quota_charge where charged_at = %s"
    assert only(db, booked, free_at) == 20
    # It keeps its moment while others ask.
    functions.value("reserve_run_quota", task_id, calls("labels.list"))
    assert only(db, booked, free_at) == 20


def test_who_asks_first_is_served_first_however_much_it_is(
    functions: Session, db: Connection, task_id: str
) -> None:
    for _ in range(3):
        functions.value("reserve_run_quota", task_id, gets(100))
        age(db, "10 s")
    large = functions.value("reserve_run_quota", task_id, gets(150))
    small = functions.value("reserve_run_quota", task_id, calls("labels.list"))
    assert wait_of(db, large) == pytest.approx(41, abs=8)
    assert small == large


def test_outside_of_a_run_what_would_wait_too_long_is_not_booked(
    functions: Session, db: Connection, task_id: str
) -> None:
    functions.value("reserve_run_quota", task_id, gets(GETS_A_MINUTE))
    attachment = calls("attachments.get")
    free_at = functions.value("reserve_account_quota", "ann", attachment, "2 s")
    assert wait_of(db, free_at) == pytest.approx(61, abs=8)
    assert only(db, "select sum(units) from gmail_sync.quota_charge") == 6000
    age(db, "60 s")
    assert functions.value("reserve_account_quota", "ann", attachment, "2 s") is not None
    assert only(db, "select sum(units) from gmail_sync.quota_charge") == 6020


def test_an_account_that_is_not_there_has_no_quota(functions: Session) -> None:
    with pytest.raises(AccountNotConnected):
        functions.value("reserve_account_quota", "nobody", calls("attachments.get"))


def test_the_oldest_charges_that_make_room_are_waited_for(
    functions: Session, db: Connection, task_id: str
) -> None:
    for _ in range(3):
        functions.value("reserve_run_quota", task_id, gets(100))
        age(db, "10 s")
    free_at = functions.value("reserve_run_quota", task_id, gets(100))
    assert wait_of(db, free_at) == pytest.approx(31, abs=8)


def test_calls_that_are_sent_together_are_reserved_at_one_moment(
    functions: Session, db: Connection, task_id: str
) -> None:
    """Otherwise some would count in an earlier minute than the one in which they are sent."""
    functions.value("reserve_run_quota", task_id, gets(GETS_A_MINUTE - 2))
    together = {("messages.get", "minimal"): 2, ("threads.get", "full"): 3}
    free_at = functions.value("reserve_run_quota", task_id, to_reserve(together))
    charges = db.execute("select charged_at, units from gmail_sync.quota_charge order by id")
    assert charges.fetchall()[1:] == [{"charged_at": free_at, "units": 2 * 20 + 3 * 40}]


def test_a_large_call_waits_until_all_of_it_has_room(
    functions: Session, db: Connection, task_id: str
) -> None:
    for _ in range(3):
        functions.value("reserve_run_quota", task_id, gets(100))
        age(db, "10 s")
    free_at = functions.value("reserve_run_quota", task_id, gets(200))
    assert wait_of(db, free_at) == pytest.approx(41, abs=8)


def charged_units(db: Connection) -> list[int]:
    query = "select units from gmail_sync.quota_charge order by id"
    return [row["units"] for row in db.execute(query)]


def test_each_method_has_its_price(functions: Session, db: Connection, task_id: str) -> None:
    for method in ("attachments.get", "messages.list", "history.list", "getProfile", "watch"):
        functions.value("reserve_run_quota", task_id, calls(method))
    assert charged_units(db) == [20, 5, 2, 1, 100]


def test_a_format_has_a_price_of_its_own_and_a_changed_row_holds_at_once(
    functions: Session, db: Connection, task_id: str
) -> None:
    def charge() -> None:
        for answer_format in ("full", "raw", "minimal"):
            functions.value("reserve_run_quota", task_id, gets(1, answer_format))

    charge()
    db.execute(
        "update gmail_sync.quota_cost set units = 60"
        " where method = 'messages.get' and format in ('full', 'raw')"
    )
    charge()
    assert charged_units(db) == [20, 20, 20, 60, 60, 20]


def test_the_cost_of_each_method_and_format_is_listed(
    functions: Session, db: Connection, task_id: str
) -> None:
    costs = {
        (row["method"], row["format"]): row["units"]
        for row in functions.rows("list_quota_costs", "ann")
    }
    assert (costs["messages.list", ""], costs["history.list", ""]) == (5, 2)
    assert (costs["messages.get", "minimal"], costs["messages.get", "full"]) == (20, 20)
    limit(db, "unlimited")
    assert functions.rows("list_quota_costs", "ann") == []


def test_no_cap_charges_nothing(functions: Session, db: Connection, task_id: str) -> None:
    limit(db, "unlimited")
    assert functions.value("reserve_run_quota", task_id, gets(10**6)) is None
    assert only(db, "select count(*) from gmail_sync.quota_charge") == 0


@pytest.mark.parametrize(
    "refused",
    [
        calls("messages.fly"),
        calls("messages.get"),
        Jsonb([{"method": None}]),
        Jsonb([{"calls": 1}]),
        Jsonb([]),
        gets(GETS_A_MINUTE + 1),
        to_reserve({("messages.get", "full"): GETS_A_MINUTE, ("labels.list", ""): 1}),
        to_reserve({("messages.get", "full"): 1, ("messages.fly", ""): 1}),
    ],
    ids=str,
)
def test_what_can_never_be_charged_is_refused(
    functions: Session, db: Connection, task_id: str, refused: Jsonb
) -> None:
    with pytest.raises(InvalidArgument):
        functions.value("reserve_run_quota", task_id, refused)
    assert charged_units(db) == []


def test_fewer_than_one_call_is_refused(functions: Session, task_id: str) -> None:
    for number in (0, -100):
        with pytest.raises(InvalidArgument):
            functions.value("reserve_run_quota", task_id, gets(number))


@pytest.mark.parametrize(("project_units", "share"), [(8000, "1"), (32001, "0.25")])
def test_users_have_windows_of_their_own_within_the_node_s_share_of_the_projects(
    functions: Session, db: Connection, task_id: str, project_units: int, share: str
) -> None:
    other = claimed(functions, "bo")
    set_settings(db, project_share=share)
    db.execute(
        "update gmail_sync.quota_profile set project_units = %s where name = 'google-standard'",
        [project_units],
    )
    limit(db, "google-standard")
    assert functions.value("reserve_run_quota", task_id, gets(300)) is None
    assert functions.value("reserve_run_quota", other, gets(100)) is None
    assert functions.value("reserve_run_quota", other, gets()) is not None


@pytest.mark.parametrize("cap", ["user_units", "project_units"])
def test_a_missing_cap_is_none_and_the_other_holds(
    functions: Session, db: Connection, task_id: str, cap: str
) -> None:
    db.execute(
        "update gmail_sync.quota_profile set user_units = null, project_units = null"
        " where name = 'google-standard'"
    )
    db.execute(
        f"update gmail_sync.quota_profile set {cap} = 20 where name = 'google-standard'".encode()
    )
    assert functions.value("reserve_run_quota", task_id, gets()) is None
    assert functions.value("reserve_run_quota", task_id, gets()) is not None


@pytest.mark.serial
def test_no_window_of_any_worker_crosses_a_cap(
    functions: Session, db: Connection, sessions: Callable[[int], list[Session]]
) -> None:
    tasks = [claimed(functions, user) for user in ("ann", "bo", "cy")]
    db.execute(
        "insert into gmail_sync.quota_profile (name, user_units, project_units, window_length)"
        " values ('small', 200, 500, '0.5 s');"
        "insert into gmail_sync.quota_cost values ('small', 'messages.get', 'full', 10);"
        "create table public.spent (like gmail_sync.quota_charge);"
        "grant insert on public.spent to public;"
        "create function public.note() returns trigger language plpgsql as"
        " $$ begin insert into public.spent select new.*; return null; end $$;"
        "create trigger note after insert on gmail_sync.quota_charge"
        " for each row execute function public.note()"
    )
    limit(db, "small")
    workers = sessions(6)
    deadline = time.monotonic() + 2

    def spend(index: int) -> None:
        """As a run does: it waits for what it booked before it books more."""
        while (left := deadline - time.monotonic()) > 0:
            free_at = workers[index].value(
                "reserve_run_quota", tasks[index % 3], gets(1 + index % 2)
            )
            if free_at:
                time.sleep(min(left, max(0, (free_at - datetime.now(UTC)).total_seconds())))

    together(6, spend)
    crossed = (
        "select max(units) from (select sum(s.units) as units"
        " from public.spent e join public.spent s"
        " on s.charged_at between e.charged_at - interval '0.5 s' + interval '1 us'"
        " and e.charged_at and {} group by e.id) as windows"
    )
    assert only(db, crossed.format("s.user_id = e.user_id")) <= 200
    assert 450 <= only(db, crossed.format("true")) <= 500
    spent = db.execute("select sum(units) as units from public.spent group by user_id").fetchall()
    shares = [row["units"] for row in spent]
    # Two of a kind for each user: all three ask for the same.
    assert max(shares) < 1.25 * min(shares), shares


def test_many_bookings_fill_every_window_to_its_cap(
    functions: Session, db: Connection, task_id: str
) -> None:
    booked = [functions.value("reserve_run_quota", task_id, gets(12)) for _ in range(125)]
    # 300 gets a window: 125 times 12 are five windows' worth.
    assert wait_of(db, booked[-1]) == pytest.approx(4 * 61.2, abs=5)
    assert booked[:25] == [None] * 25
