return query
  select a.jobname, a.schedule, a.command, a.active, a.last_status, a.last_message,
    a.last_started_at, a.last_finished_at,
    'node ' || a.node || ': ' || coalesce('it cannot be asked: ' || a.outage, a.problem)
  from gmail_sync_router.ask_scheduler_status() a;
