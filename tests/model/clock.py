"""Time that stands still between two calls, and passes when a test says so.

The database's clock goes on; `pass_time` moves every timestamp the rules read along with it, and
then back by the time that is to pass. When time was stopped stands in a table, so that a rollback
to a savepoint sets the time back too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from service.postgres.calls import Connection

INSTALL = """
create table public.clock (at timestamptz not null);
insert into public.clock values (clock_timestamp());

create function public.pass_time(p_time interval) returns void
language plpgsql
-- Ended runs grow old as well: their trigger is off here.
set session_replication_role = replica
as $$
declare
  v_now timestamptz := clock_timestamp();
  v_by interval := v_now - (select at from public.clock) - p_time;
begin
  update public.clock set at = v_now;
  update gmail_sync.user_sync_status
  set started_at = started_at + v_by,
    updated_at = updated_at + v_by,
    claimed_at = claimed_at + v_by,
    progressed_at = progressed_at + v_by,
    waiting_until = waiting_until + v_by,
    not_before = not_before + v_by,
    finished_at = finished_at + v_by;
  update gmail_sync.fetch_queue set not_before = not_before + v_by;
  update gmail_sync.account
  set connected_at = connected_at + v_by,
    watched_at = watched_at + v_by,
    watch_expires_at = watch_expires_at + v_by;
  update gmail_sync.schedule
  set check_at = check_at + v_by,
    unwatched_since = case when unwatched_since > 'epoch' then unwatched_since + v_by
      else unwatched_since end,
    checked_at = checked_at + v_by;
end;
$$;
"""


def install_clock(db: Connection) -> None:
    """Make the table and the function in a test's own database, as its superuser."""
    db.execute(INSTALL.encode())


def pass_time(db: Connection, seconds: int = 0) -> None:
    """So many seconds go by, and none of those since time was stopped."""
    db.execute("select public.pass_time(%s)", [timedelta(seconds=seconds)])


def stop_time(db: Connection) -> None:
    db.execute("update public.clock set at = clock_timestamp()")


@contextmanager
def at_its_time(db: Connection) -> Iterator[None]:
    """Around a call: only what happens in here takes time."""
    pass_time(db)
    try:
        yield
    finally:
        stop_time(db)
