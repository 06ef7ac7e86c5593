-- Queues an event when an account was connected, is to be connected again, or was disconnected.

create or replace function gmail_sync._report_account()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before text := coalesce(old.status, 'disconnected');
  v_after text := coalesce(new.status, 'disconnected');
begin
  if v_before <> v_after then
    perform gmail_sync._queue_for_webhooks(
      coalesce(new.user_id, old.user_id),
      case v_after
        when 'connected' then 'account.connected'
        when 'disconnected' then 'account.disconnected'
        else 'account.reauth_required'
      end::gmail_sync.webhook_event_type,
      jsonb_build_object('status', v_after, 'status_code', new.status_code)
    );
  end if;
  return null;
end;
$$;

comment on function gmail_sync._report_account() is
'Trigger: report a changed account to the webhooks that want it.';

revoke all on function gmail_sync._report_account() from public;
