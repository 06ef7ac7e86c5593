"""Runs of many users, quickly."""

from service.postgres.calls import Connection
from tests.functions.conftest import only
from tests.waiting import wait_until


def add_ended_runs(db: Connection, count: int) -> None:
    """`ended-1` …, the last first, evenly over as long as history is kept."""
    db.execute(
        """
        insert into gmail_sync.user_sync_status (
          task_id, user_id, is_syncing, outcome, phase, progress_percentage,
          started_at, updated_at, finished_at
        )
        select 'ended-' || n, 'user-' || n %% 50000, false, 'succeeded', 'done', 100, at, at, at
        from (
          select n, now() - n * history_retention / %(count)s as at
          from gmail_sync.settings, generate_series(1, %(count)s) n
        ) n
        """,
        {"count": count},
    )


def add_running_runs(db: Connection, count: int, queued: bool = False) -> None:
    """`running-1` … of `user-1` …; every tenth waits for a worker if `queued`."""
    db.execute(
        """
        insert into gmail_sync.user_sync_status (task_id, user_id, phase, claimed_at)
        select 'running-' || n, 'user-' || n,
          case when waits then 'queued' else 'listing' end,
          case when not waits then now() end
        from (
          select n, n %% 10 = 0 and %(queued)s as waits from generate_series(1, %(count)s) n
        ) n
        """,
        {"count": count, "queued": queued},
    )


def add_queued_runs(db: Connection, count: int) -> None:
    """`queued-1` … of every source. Those of push and schedule wait half an hour or less; those
    that resume another run wait for ten minutes from now on. Nobody has clicked."""
    db.execute(
        """
        insert into gmail_sync.user_sync_status
          (task_id, user_id, phase, claimed_at, source, started_at, updated_at, not_before)
        select 'queued-' || n, 'queued-user-' || n, 'queued', null,
          (array['push', 'resume', 'schedule'])[1 + n %% 3], at, at,
          case when n %% 3 = 1 then now() + interval '10 min' else at end
        from (
          select n, now() - n * interval '30 min' / %(count)s as at
          from generate_series(1, %(count)s) n
        ) n
        """,
        {"count": count},
    )


def add_accounts(db: Connection, count: int) -> None:
    """`account-1` …, whose watches are to be renewed tomorrow; a pass has noted that."""
    db.execute(
        """
        insert into gmail_sync.account (user_id, email, credentials, watched_at)
        select 'account-' || n, 'account-' || n || '@mail.example', 'sealed', now()
        from generate_series(1, %s) n
        """,
        [count],
    )
    db.execute("select gmail_sync.enqueue_due_syncs()")


def add_busy_day(db: Connection, accounts: int, running: int, ended: int) -> None:
    """Accounts, of which so many sync now; runs that ended within a day, and are counted. A worker
    has twenty runs. The runs do not beat, so they may be silent for an hour."""
    add_accounts(db, accounts)
    for statement in _BUSY_DAY:
        db.execute(statement.encode(), {"running": running, "ended": ended})
    db.execute("vacuum (analyze)")
    # Another transaction of the cluster can delay it.
    wait_until(
        lambda: (
            only(db, "select gmail_sync.prune_sync_history()") is not None
            and only(db, "select isfinite(counted_to) from gmail_sync.activity_state")
        )
    )


_BUSY_DAY = (
    "update gmail_sync.settings set heartbeat_timeout = '1 h', stall_timeout = '1 h'",
    """
    insert into gmail_sync.worker (id, version, capacity, living_slots, dropped_log_lines)
    select md5(n::text)::uuid, '1', 20, 20, 0 from generate_series(1, %(running)s / 20) n
    """,
    """
    insert into gmail_sync.user_sync_status (
      task_id, user_id, claimed_by, claimed_at, started_at, not_before, phase, found, new, pending
    )
    select 'running-' || n, 'account-' || n, md5((1 + n / 20)::text)::uuid, at, at, at, 'fetching',
      900, 600, 300
    from (
      select n, now() - n %% 30 * interval '1 min' as at from generate_series(1, %(running)s) n
    ) n
    """,
    """
    insert into gmail_sync.user_sync_status (
      task_id, user_id, is_syncing, outcome, phase, progress_percentage, found, new,
      started_at, not_before, claimed_at, updated_at, finished_at
    )
    select 'today-' || n, 'account-' || n, false, 'succeeded', 'done', 100, 5, 5,
      at - interval '2 min', at - interval '2 min', at - interval '1 min', at, at
    from (
      select n, now() - n * interval '1 day' / %(ended)s as at from generate_series(1, %(ended)s) n
    ) n
    """,
)


def add_crowd(db: Connection, count: int) -> None:
    """So many of everything that operators see: queued, claimed and ended runs, accounts that work
    and that Google refuses, dead letters, and messages of `reader`."""
    add_queued_runs(db, count)
    add_accounts(db, count)
    for statement in _CROWD:
        db.execute(statement.encode(), {"count": count})
    db.execute("select gmail_sync._recount_mail('reader')")


_CROWD = (
    """
    insert into gmail_sync.worker (id, version, capacity, living_slots, dropped_log_lines)
    select md5(n::text)::uuid, '1', 20, 20, 0 from generate_series(1, 50) n
    """,
    """
    insert into gmail_sync.user_sync_status (task_id, user_id, claimed_by)
    select 'running-' || n, 'running-user-' || n, md5((n %% 5000 + 1)::text)::uuid
    from generate_series(1, %(count)s) n
    """,
    """
    insert into gmail_sync.user_sync_status (
      task_id, user_id, is_syncing, outcome, phase, progress_percentage, found, new,
      started_at, claimed_at, updated_at, finished_at
    )
    select 'today-' || n, 'user-' || n, false, 'succeeded', 'done', 100, 5, 5, at, at, at, at
    from (
      select n, now() - n * interval '1 day' / %(count)s as at from generate_series(1, %(count)s) n
    ) n
    """,
    """
    insert into gmail_sync.account (user_id, email, credentials, status, status_code)
    select 'refused-' || n, n || '@mail.example', 'sealed', 'suspended', 'client_gone'
    from generate_series(1, %(count)s) n
    """,
    """
    insert into gmail_sync.fetch_queue (user_id, message_id, reason, dead, error_code)
    select 'dead-user-' || n %% (%(count)s / 20), 'm-' || n, 'listed', n %% 2 = 0, 'unreadable'
    from generate_series(1, 2 * %(count)s) n
    """,
    """
    insert into gmail_sync.message (
      user_id, message_id, thread_id, history_id, internal_date, label_ids, headers, snippet,
      size_estimate, change_number
    )
    select 'reader', 'm-' || n, 't-' || n, 1, now(), '{INBOX}', '[]', '', 1000, n
    from generate_series(1, %(count)s) n
    """,
)
