perform gmail_sync_router.require_an_answer(bool_or(a.outage is null))
from gmail_sync_router.ask_worker_heartbeat(
  p_worker, p_version, p_capacity, p_living_slots, p_dropped_log_lines
) a;
