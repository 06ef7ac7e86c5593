-- Reaps every p_pause for p_duration. For pg_cron before 1.5, which cannot schedule by
-- seconds. It commits between the passes, so it can be neither SECURITY DEFINER nor carry
-- SET: the one exception from those rules. Hence every name in it, operators too, has its schema:
-- it runs as a superuser with whatever search_path that one has.

create or replace procedure gmail_sync.reap_loop(p_duration interval, p_pause interval)
language plpgsql
as $$
declare
  v_end pg_catalog.timestamptz := pg_catalog.clock_timestamp() operator(pg_catalog.+) p_duration;
begin
  loop
    perform gmail_sync.run_reaper('pg_cron');
    commit;
    -- A pass takes a moment, so the last one may come a little after the end.
    exit when (
      pg_catalog.clock_timestamp() operator(pg_catalog.+) (p_pause operator(pg_catalog./) 2)
    ) operator(pg_catalog.>) v_end;
    perform pg_catalog.pg_sleep(pg_catalog.date_part('epoch', p_pause));
  end loop;
end;
$$;

comment on procedure gmail_sync.reap_loop(interval, interval) is
'Reap every p_pause for p_duration, for pg_cron before 1.5.';

revoke all on procedure gmail_sync.reap_loop(interval, interval) from public;
grant execute on procedure gmail_sync.reap_loop(interval, interval) to gmail_sync_dba;
